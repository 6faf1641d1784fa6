package rest

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/rest/internal/profile"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/restriction"
)

// AttributeRules say which restrictions users get by what a claim says about them
// (protocol section 2.9). They are applied once, when a user logs in, and hold for
// the life of the token and of all that are made from it.
type AttributeRules struct {
	// Provider is the issuer of the OpenID provider whose users are meant; empty:
	// all.
	Provider string
	// Sources are asked in order; the first that has the claim decides. Required.
	Sources []ClaimSource
	// Rules are looked through in order; the first whose value the user has wins
	// (D61).
	Rules []AttributeRule
	// Forbid refuses users without a value that a rule names. Otherwise they get
	// Default, which is then required.
	Forbid  bool
	Default Enforced
	// Templates are the operator's own, as in Options.
	Templates fs.FS
	// HTTPClient asks the URLs of Sources; nil: one with the default transport.
	// Redirects are not followed. Each answer may take 5 s and have 1 MiB.
	HTTPClient *http.Client
	// Clock tells the time; nil: time.Now.
	Clock func() time.Time
}

// ClaimSource is where a claim is found.
type ClaimSource struct {
	// URL is asked with the user's access token and answers with a JSON object.
	// It must be https, unless the host is a loopback address. Empty: the OpenID
	// provider: the ID token, else the access token if it is a JWT, else userinfo.
	URL string
	// Claim is the name of the claim, a string or an array of strings.
	Claim string
}

// AttributeRule is what users with a value get.
type AttributeRule struct {
	Value   string
	Enforce Enforced
}

// Enforced are restrictions that a token has at least. Exactly one field is set.
type Enforced struct {
	// Template is the name of a template for restrictions.
	Template string
	// JSON is restrictions as in a request.
	JSON string
	// Nothing enforces nothing.
	Nothing bool
}

// attributeTimeout and attributeBytes bound the answer of a source.
const (
	attributeTimeout = 5 * time.Second
	attributeBytes   = 1 << 20
)

var (
	errNoAttributes   = errors.New("you do not have the required attributes to use this service")
	errAttributesDown = errors.New("your attributes cannot be looked up now")
)

type attributePolicy struct {
	AttributeRules
	templates *profile.Set
	client    *http.Client
}

// AttributePolicy returns the policy of an issuer that enforces rules, to be set in
// mytoken.Config. A login is refused if a source does not answer: what a user is
// not known to have, he does not have. Errors: ErrOptions.
func AttributePolicy(rules AttributeRules) (issuer.Policy, error) {
	p := &attributePolicy{AttributeRules: rules}
	if p.Clock == nil {
		p.Clock = time.Now
	}
	p.client = &http.Client{Timeout: attributeTimeout}
	if rules.HTTPClient != nil {
		p.client.Transport = rules.HTTPClient.Transport
	}
	p.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	var err error
	if p.templates, err = profile.Load(rules.Templates, nil); err != nil {
		return nil, err
	}
	if len(rules.Sources) == 0 {
		return nil, badOption("AttributeRules: no source")
	}
	for _, s := range rules.Sources {
		if s.Claim == "" || s.URL != "" && !secureURL(s.URL) {
			return nil, badOption("AttributeRules: a source needs a claim, and an https URL or none")
		}
	}
	for _, r := range rules.Rules {
		if r.Value == "" {
			return nil, badOption("AttributeRules: a rule without a value")
		}
		if _, err := p.clauses(r.Enforce, issuer.Client{Address: exampleAddress}); err != nil {
			return nil, badOption("AttributeRules: rule for %q: %v", r.Value, err)
		}
	}
	if rules.Forbid {
		if rules.Default != (Enforced{}) {
			return nil, badOption("AttributeRules: both Forbid and Default")
		}
	} else if _, err := p.clauses(rules.Default, issuer.Client{Address: exampleAddress}); err != nil {
		return nil, badOption("AttributeRules: Default: %v", err)
	}
	return p.apply, nil
}

// Policies returns a policy that applies several, in order; the first error ends
// it. Nil ones are left out.
func Policies(all ...issuer.Policy) issuer.Policy {
	return func(ctx context.Context, i *issuer.Issuance) error {
		for _, p := range all {
			if p == nil {
				continue
			}
			if err := p(ctx, i); err != nil {
				return err
			}
		}
		return nil
	}
}

func secureURL(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && ip != nil && ip.IsLoopback()
}

// clauses are what is enforced, as a user gets it now.
func (p *attributePolicy) clauses(e Enforced, client issuer.Client) (restriction.List, error) {
	text := []byte(e.JSON)
	switch {
	case e == Enforced{Nothing: true}:
		return nil, nil
	case e != Enforced{} && (e == Enforced{Template: e.Template} || e == Enforced{JSON: e.JSON}):
	default:
		return nil, errors.New("exactly one of Template, JSON and Nothing has to be set")
	}
	if e.Template != "" {
		var err error
		if text, err = p.templates.Expand(profile.Restrictions, e.Template); err != nil {
			return nil, err
		}
	}
	list, err := restriction.ParseRequest(text, restriction.RequestOptions{Now: p.Clock(), Address: client.Address})
	if err == nil && len(list) == 0 {
		err = errors.New("no restrictions are given; set Nothing if that is meant")
	}
	return list, err
}

// apply is the policy.
func (p *attributePolicy) apply(ctx context.Context, i *issuer.Issuance) error {
	if i.Kind == issuer.PolicyDerive || p.Provider != "" && !i.Provider.IsIssuer(p.Provider) {
		return nil
	}
	values, err := p.values(ctx, i)
	if err != nil {
		return errAttributesDown
	}
	enforced, err := p.choose(values)
	if err != nil {
		return err
	}
	list, err := p.clauses(enforced, i.Client)
	if err != nil {
		return errAttributesDown
	}
	if len(list) > 0 {
		i.Properties.Restrictions = restriction.Narrow(list, i.Properties.Restrictions, restriction.NarrowOptions{}).List
	}
	return nil
}

func (p *attributePolicy) choose(values []string) (Enforced, error) {
	for _, r := range p.Rules {
		if contains(values, r.Value) {
			return r.Enforce, nil
		}
	}
	if p.Forbid {
		return Enforced{}, errNoAttributes
	}
	return p.Default, nil
}

// values asks the sources.
func (p *attributePolicy) values(ctx context.Context, i *issuer.Issuance) ([]string, error) {
	if i.Tokens == nil {
		return nil, errors.New("rest: no answer of the provider")
	}
	for _, s := range p.Sources {
		ask := func() ([]byte, error) { return p.ask(ctx, s.URL, i.Tokens.AccessToken) }
		documents := []func() ([]byte, error){ask}
		if s.URL == "" {
			documents = providerDocuments(ctx, i.Provider, i.Tokens, i.Subject)
		}
		for _, get := range documents {
			text, err := get()
			if err != nil {
				return nil, err
			}
			if values := claimValues(text, s.Claim); values != nil {
				return values, nil
			}
		}
	}
	return nil, nil
}

// providerDocuments are where a provider speaks about a user (protocol section
// 2.9).
func providerDocuments(ctx context.Context, provider *oidcupstream.Provider, tokens *oidcupstream.Tokens, subject string) []func() ([]byte, error) {
	return []func() ([]byte, error){
		func() ([]byte, error) { return tokens.IDTokenClaims, nil },
		func() ([]byte, error) { return payload(tokens.AccessToken), nil },
		func() ([]byte, error) {
			text, err := provider.UserInfo(ctx, tokens.AccessToken, subject)
			if errors.Is(err, oidcupstream.ErrUnsupported) {
				return nil, nil
			}
			return text, err
		},
	}
}

// payload reads an access token that may be a JWT. It came from the provider
// itself.
func payload(token string) []byte {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil
	}
	return text
}

// claimValues returns the values of a claim, nil if there are none.
func claimValues(document []byte, claim string) []string {
	var claims map[string]jsontext.Value
	if json.Unmarshal(document, &claims) != nil {
		return nil
	}
	var one string
	var several []string
	switch {
	case json.Unmarshal(claims[claim], &one) == nil && one != "":
		return []string{one}
	case json.Unmarshal(claims[claim], &several) == nil && len(several) > 0:
		return several
	}
	return nil
}

// ask asks a URL about the user of an access token.
func (p *attributePolicy) ask(ctx context.Context, address, token string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept", "application/json")
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("rest: source of attributes: status %d", resp.StatusCode)
	}
	return io.ReadAll(io.LimitReader(resp.Body, attributeBytes))
}
