package issuer

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mytoken-go/sdk/internal/errtext"
	"github.com/mytoken-go/sdk/internal/livehttp"
	"github.com/mytoken-go/sdk/internal/weburl"
	"github.com/mytoken-go/sdk/mytoken/internal/profile"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/restriction"
)

// AttributeRules choose the restrictions of users by a claim about them (protocol section
// 2.9). They apply once, when a user logs in, and hold for the token and all its
// descendants.
//
// An adoption brings no claims about the user. While rules apply to its provider,
// [Issuer.Adopt] returns a [*PolicyError].
//
// Before a user logs in ([PolicyConsent]), nobody knows their claims. The rules then
// enforce what they enforce for everybody who gets a token, if that is one thing.
type AttributeRules struct {
	// Provider is the issuer of the OpenID provider whose users the rules are for. Empty
	// means all providers.
	Provider string
	// Sources are asked in order, up to the first that has the claim. Required.
	Sources []ClaimSource
	// Rules are tried in order. The first whose value the user has applies (D61).
	Rules []AttributeRule
	// Forbid refuses users who have none of the values. Without it they get Default,
	// which is then required.
	Forbid  bool
	Default Enforced
	// Templates are the operator's own templates, in the layout that rest.Options
	// describes. Nil means the built-in ones only.
	Templates fs.FS
	// HTTPClient asks the URLs of Sources. It follows no redirect. An answer may take up
	// to 5 s and have up to 1 MiB. Nil means a client with the settings of
	// http.DefaultTransport that uses a new connection for each request.
	HTTPClient *http.Client
	// Clock tells the time. Nil means time.Now.
	Clock func() time.Time
}

// ClaimSource says where to find a claim.
type ClaimSource struct {
	// URL is where to ask with the user's access token. It answers with a JSON object. It
	// must be https, unless the host is a loopback address. Empty means the OpenID
	// provider: the ID token, else the access token if it is a JWT, else userinfo.
	URL string
	// Claim is the name of the claim. Its value is a string or an array of strings.
	Claim string
}

// AttributeRule enforces restrictions for users whose claim has the given value.
type AttributeRule struct {
	Value   string
	Enforce Enforced
}

// Enforced says which restrictions a new token must be within. Set exactly one field.
type Enforced struct {
	// Template is the name of a template for restrictions.
	Template string
	// JSON is the JSON text of restrictions, as in a request (protocol section 2.1).
	JSON string
	// Nothing leaves the restrictions of the token as they are.
	Nothing bool
}

// The answer of a source may take attributeTimeout and have attributeBytes.
const (
	attributeTimeout = 5 * time.Second
	attributeBytes   = 1 << 20
)

// This text reaches the user.
var errNoAttributes = errors.New("you do not have the required attributes to use this service")

// checkAddress stands for the address of a user while rules are checked (RFC 5737).
var checkAddress = netip.MustParseAddr("192.0.2.1")

type attributePolicy struct {
	AttributeRules
	templates *profile.Set
	client    *http.Client
}

// AttributePolicy returns a policy that enforces rules. Set it as Config.Policy. The
// policy refuses a login if a source does not answer. AttributePolicy returns an error
// that names the rule that makes no sense.
func AttributePolicy(rules AttributeRules) (Policy, error) {
	p := &attributePolicy{AttributeRules: rules}
	if p.Clock == nil {
		p.Clock = time.Now
	}
	p.client = livehttp.Client()
	p.client.Timeout = attributeTimeout
	if rules.HTTPClient != nil {
		p.client.Transport = rules.HTTPClient.Transport
	}
	p.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	var err error
	if p.templates, err = profile.Load(rules.Templates, nil); err != nil {
		return nil, fmt.Errorf("issuer: AttributeRules.Templates: %w", err)
	}
	if len(rules.Sources) == 0 {
		return nil, errors.New("issuer: AttributeRules.Sources is empty")
	}
	for _, s := range rules.Sources {
		if s.Claim == "" {
			return nil, errors.New("issuer: AttributeRules.Sources: a source names no claim")
		}
		if s.URL != "" && !secureURL(s.URL) {
			return nil, fmt.Errorf("issuer: AttributeRules.Sources: the URL for the claim %q is not https", s.Claim)
		}
	}
	for _, r := range rules.Rules {
		if r.Value == "" {
			return nil, errors.New("issuer: AttributeRules.Rules: a rule names no value")
		}
		if _, err := p.clauses(r.Enforce, checkAddress, p.Clock()); err != nil {
			return nil, fmt.Errorf("issuer: AttributeRules.Rules: the rule for %q: %w", r.Value, err)
		}
	}
	if rules.Forbid {
		if rules.Default != (Enforced{}) {
			return nil, errors.New("issuer: AttributeRules: set either Forbid or Default, not both")
		}
	} else if _, err := p.clauses(rules.Default, checkAddress, p.Clock()); err != nil {
		return nil, fmt.Errorf("issuer: AttributeRules.Default: %w", err)
	}
	return p.apply, nil
}

// Policies returns a policy that applies several in order, up to the first error. It
// ignores nil policies.
func Policies(all ...Policy) Policy {
	return func(ctx context.Context, i *Issuance) error {
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
	u, err := weburl.Parse(text)
	return err == nil && weburl.Secure(u)
}

// clauses returns the restrictions to enforce, for a client with the address. Lifetimes
// count from now.
func (p *attributePolicy) clauses(e Enforced, client netip.Addr, now time.Time) (restriction.List, error) {
	text := []byte(e.JSON)
	switch {
	case e == Enforced{Nothing: true}:
		return nil, nil
	case e != Enforced{} && (e == Enforced{Template: e.Template} || e == Enforced{JSON: e.JSON}):
	default:
		return nil, errors.New("set exactly one of Template, JSON and Nothing")
	}
	if e.Template != "" {
		var err error
		if text, err = p.templates.Expand(profile.Restrictions, e.Template); err != nil {
			return nil, err
		}
	}
	list, err := restriction.ParseRequest(text, restriction.RequestOptions{Now: now, Address: client})
	if err == nil && len(list) == 0 {
		err = errors.New("there is no clause; set Nothing to enforce nothing")
	}
	return list, err
}

// apply is the policy.
func (p *attributePolicy) apply(ctx context.Context, i *Issuance) error {
	if i.Kind == PolicyDerive || p.Provider != "" && !i.Provider.IsIssuer(p.Provider) {
		return nil
	}
	now := i.CountFrom
	if now.IsZero() { // somebody calls the policy without an issuer
		now = p.Clock()
	}
	if i.Kind == PolicyConsent {
		enforce(i, p.forEverybody(now))
		return nil
	}
	values, err := p.values(ctx, i)
	if err != nil {
		return &attributesError{err}
	}
	enforced, err := p.choose(values)
	if err != nil {
		return err
	}
	list, err := p.clauses(enforced, i.Client.Address, now)
	if err != nil {
		return &attributesError{err}
	}
	enforce(i, list)
	return nil
}

// enforce narrows the restrictions of a first token to a list. Nobody counts the uses of the
// token against the list, so its clauses must not get the uses of one clause several times.
func enforce(i *Issuance, list restriction.List) {
	if len(list) > 0 {
		i.Properties.Restrictions = restriction.Narrow(list, i.Properties.Restrictions, restriction.NarrowOptions{IndependentBudgets: true}).List
	}
}

// forEverybody returns what the rules enforce for each user who gets a token, or nil if
// that depends on the user or on the client's address.
func (p *attributePolicy) forEverybody(now time.Time) restriction.List {
	var all []Enforced
	for _, r := range p.Rules {
		all = append(all, r.Enforce)
	}
	if !p.Forbid {
		all = append(all, p.Default)
	}
	if all = slices.Compact(all); len(all) != 1 {
		return nil
	}
	list, err := p.clauses(all[0], netip.Addr{}, now)
	if err != nil { // the client's address is missing; the login tells of other errors
		return nil
	}
	return list
}

func (p *attributePolicy) choose(values []string) (Enforced, error) {
	has := make(map[string]bool, len(values)) // the provider chooses how many
	for _, value := range values {
		has[value] = true
	}
	for _, r := range p.Rules {
		if has[r.Value] {
			return r.Enforce, nil
		}
	}
	if p.Forbid {
		return Enforced{}, errNoAttributes
	}
	return p.Default, nil
}

// attributesError says that the rules could not be applied. Only its description is for
// the user.
type attributesError struct{ cause error }

func (e *attributesError) description() string { return "your attributes cannot be looked up now" }
func (e *attributesError) Error() string       { return errtext.Join(e.cause, "issuer: "+e.description()) }
func (e *attributesError) Unwrap() error       { return e.cause }

// values asks the sources for the user's values.
func (p *attributePolicy) values(ctx context.Context, i *Issuance) ([]string, error) {
	if i.Tokens == nil {
		return nil, errors.New("issuer: no answer of the provider")
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

// providerDocuments returns the documents in which a provider describes a user (protocol
// section 2.9).
func providerDocuments(ctx context.Context, provider *oidcupstream.Provider, tokens *oidcupstream.Tokens, subject string) []func() ([]byte, error) {
	return []func() ([]byte, error){
		func() ([]byte, error) { return tokens.IDTokenClaims, nil },
		func() ([]byte, error) { return jwtPayload(tokens.AccessToken), nil },
		func() ([]byte, error) {
			text, err := provider.UserInfo(ctx, tokens.AccessToken, subject)
			if errors.Is(err, oidcupstream.ErrUnsupported) {
				return nil, nil
			}
			return text, err
		},
	}
}

// jwtPayload reads an access token that may be a JWT. The provider itself has sent it, so
// that its signature needs no check.
func jwtPayload(token string) []byte {
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

// claimValues returns the values of a claim, or nil.
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
		return nil, fmt.Errorf("issuer: source of attributes: status %d", resp.StatusCode)
	}
	return io.ReadAll(io.LimitReader(resp.Body, attributeBytes))
}
