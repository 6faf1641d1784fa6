package issuer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer/internal/errand"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
)

// Provider is a provider at which users log in, and the rules for tokens issued for it.
type Provider struct {
	// Upstream is the client of the provider. The RedirectURLs of several providers must
	// have different paths, unless each of them has RequireIssParameter.
	Upstream *oidcupstream.Provider
	// MaxLifetime bounds the life of each token (protocol section 2.8). 0: no bound.
	MaxLifetime time.Duration
	// InsecureOpaqueAudience hands out access tokens of unknown audience although the
	// clause limits audiences: those that are no signed JWT, or have no claim aud. A claim
	// that is there and cannot be read is still refused.
	InsecureOpaqueAudience bool
	// AccessTokenCache hands access tokens out again, as long as it says. The zero value
	// does not: each request gets one that the provider has just made.
	AccessTokenCache AccessTokenCache
	// Scopes describes scopes on pages, by name: to users who decide about a token, and to
	// users who look at one. An entry for storage.read also describes storage.read:/home,
	// unless that has an entry of its own. Package rest has texts for the usual scopes,
	// which entries replace. Entries decide nothing.
	Scopes map[string]ScopeInfo
}

// AccessTokenCache says for how long the issuer hands out an access token again, to the
// mytoken that it was obtained for. Exactly one field is set.
//
// A request gets an access token again if it asks for the same set of scopes and the same
// set of audiences, and if its use is charged to the same clause. Capability, restrictions
// and revocation are checked as always, and the use counts. The provider is not asked, so
// it is not asked either whether the login still lives: after it has ended the login, it
// has to end the access token itself, if that must not be used. No access token is handed
// out again that outlives its clause, or whose lifetime the provider does not tell.
//
// The access tokens are kept in the store. They open with the mytoken alone, are gone
// once the mytoken is revoked or the user logs in anew (see [Issuer.StartReconnect]), and
// serve all issuers that share the store. An answer of the provider that arrives during
// that login may still be kept.
type AccessTokenCache struct {
	// MaxAge is the age at which an access token is not handed out any more.
	MaxAge time.Duration
	// MaxShare is that age as a share of the lifetime, in percent, at most 100.
	MaxShare int
	// MinLeft is the time that an access token which is handed out still lives.
	MinLeft time.Duration
}

// check returns an error if not exactly one field is set, unless none is.
func (c AccessTokenCache) check() error {
	set := 0
	for _, on := range []bool{c.MaxAge != 0, c.MaxShare != 0, c.MinLeft != 0} {
		if on {
			set++
		}
	}
	switch {
	case c.MaxAge < 0:
		return fmt.Errorf("MaxAge is %s; it must not be negative", c.MaxAge)
	case c.MaxShare < 0 || c.MaxShare > 100:
		return fmt.Errorf("MaxShare is %d; it is a percentage, at most 100", c.MaxShare)
	case c.MinLeft < 0:
		return fmt.Errorf("MinLeft is %s; it must not be negative", c.MinLeft)
	case set > 1:
		return errors.New("more than one of MaxAge, MaxShare and MinLeft is set; keep one")
	}
	return nil
}

// last returns the last instant at which an access token may be handed out again. It is
// zero for never.
func (c AccessTokenCache) last(obtained, expires time.Time) store.Micros {
	if c == (AccessTokenCache{}) || !obtained.Before(expires) {
		return 0
	}
	var last store.Micros
	switch {
	case c.MaxAge > 0:
		last = store.At(obtained.Add(c.MaxAge)) - 1
	case c.MaxShare > 0:
		last = store.At(obtained.Add(expires.Sub(obtained)/100*time.Duration(c.MaxShare))) - 1
	default:
		last = store.At(expires.Add(-c.MinLeft))
	}
	return max(0, min(last, store.At(expires)-1))
}

// ScopeInfo says in plain words what a scope of a provider allows.
type ScopeInfo struct {
	Title       string // a few words, such as "Read your files"
	Description string // a sentence, or empty
	// Sensitive says that users should think twice before they agree. The pages then say
	// so.
	Sensitive bool
}

// providers holds the configured providers.
type providers struct {
	order []*Provider
	byKey map[string]*Provider // by providerKey
}

// providerKey ignores a trailing slash (protocol section 9.1).
func providerKey(issuer string) string { return strings.TrimSuffix(issuer, "/") }

func newProviders(c *Config) (providers, error) {
	all := providers{byKey: make(map[string]*Provider)}
	for n, p := range c.Providers {
		if p.Upstream == nil {
			return all, fmt.Errorf("issuer: Config.Providers[%d].Upstream is missing", n)
		}
		name, timeout := p.Upstream.Issuer(), p.Upstream.Timeout()
		key := providerKey(name)
		switch {
		case p.MaxLifetime < 0:
			return all, fmt.Errorf("issuer: Config.Providers[%d].MaxLifetime is %s; it must not be negative", n, p.MaxLifetime)
		case all.byKey[key] != nil:
			return all, fmt.Errorf("issuer: Config.Providers has two providers with the issuer %s", name)
		case c.Lease != 0 && timeout+c.MaxClockSkew >= c.Lease:
			return all, fmt.Errorf("issuer: Config.Lease is %s; it must exceed the timeout of provider %s (%s) plus MaxClockSkew (%s)",
				c.Lease, name, timeout, c.MaxClockSkew)
		}
		if err := p.AccessTokenCache.check(); err != nil {
			return all, fmt.Errorf("issuer: Config.Providers[%d].AccessTokenCache: %w", n, err)
		}
		if err := checkScopes(p.Scopes); err != nil {
			return all, fmt.Errorf("issuer: Config.Providers[%d].Scopes: %w", n, err)
		}
		p.Scopes = maps.Clone(p.Scopes)
		all.byKey[key] = &p
		all.order = append(all.order, &p)
	}
	return all, all.checkRedirects()
}

// checkScopes refuses descriptions that say nothing, and texts that pages would have to
// change.
func checkScopes(scopes map[string]ScopeInfo) error {
	for name, info := range scopes {
		if name == "" || info.Title == "" {
			return fmt.Errorf("the entry %q has no name or no Title; give it both", legible.Show(name))
		}
		for _, text := range []string{name, info.Title, info.Description} {
			if reason := legible.Refuse(text); reason != "" {
				return fmt.Errorf("the entry %q: %s", legible.Show(name), reason)
			}
		}
	}
	return nil
}

// checkRedirects returns an error if the address at which a browser arrives may not tell
// which provider sent it (RFC 9700 section 4.4). Addresses count as equal if something on
// the way may take them for equal. Hosts do not count, because proxies replace them.
func (all *providers) checkRedirects() error {
	first := make(map[string]*oidcupstream.Provider)
	for _, p := range all.order {
		up := p.Upstream
		if up.RedirectURL() == "" {
			continue
		}
		place := strings.ToLower(path.Clean(up.RedirectPath()))
		other, shared := first[place]
		if !shared {
			first[place] = up
		} else if !up.RequireIssParameter() || !other.RequireIssParameter() {
			name := up.ShortName()
			if strings.HasSuffix(place, "/"+name) { // both have the same name
				name += "-2"
			}
			return fmt.Errorf("issuer: Config.Providers: %s and %s have RedirectURLs with the same path (%s and %s); "+
				"give each its own, such as one that ends in /redirect/%s, and register it there; "+
				"or set RequireIssParameter for both, if both always send iss (RFC 9207)",
				other.Issuer(), up.Issuer(), other.RedirectPath(), up.RedirectPath(), name)
		}
	}
	return nil
}

// provider returns the provider with the given issuer.
func (i *Issuer) provider(issuer string) (*Provider, error) {
	p, ok := i.providers.byKey[providerKey(issuer)]
	if !ok {
		return nil, ErrUnknownProvider
	}
	return p, nil
}

// checkProvider compares the issuer that the client named, if any, with that of the
// token.
func checkProvider(named string, token *mytoken.Token) error {
	if named != "" && providerKey(named) != providerKey(token.OIDCIssuer()) {
		return ErrWrongProvider
	}
	return nil
}

// requested returns what the provider is asked to grant (protocol section 9.2, D12): the
// union over the clauses.
//
// If a clause names no scopes, these are all configured scopes and those of the other
// clauses. If a clause names no audiences, none are asked for, and the provider chooses.
func requested(list restriction.List, upstream *oidcupstream.Provider) (scopes, audiences []string) {
	scopes, bounded := list.ScopeUnion()
	if !bounded {
		scopes = upstream.Scopes()
		for _, c := range list {
			scopes = append(scopes, c.Scopes...)
		}
		scopes = dedup(scopes)
	}
	if audiences, bounded = list.AudienceUnion(); !bounded {
		audiences = nil
	}
	return scopes, audiences
}

// upstreamUnavailable is for a provider that could not be asked, or gave no usable
// answer.
func upstreamUnavailable(op string, err error) error {
	out := &UpstreamError{Op: op, Status: http.StatusBadGateway, cause: err}
	if up, ok := errors.AsType[*oidcupstream.Error](err); ok {
		out.Code, out.Description, out.RetryAfter = up.Code, up.Description, up.RetryAfter
		if up.Outcome == oidcupstream.NotSent || up.Outcome == oidcupstream.NotProcessed {
			out.Status = http.StatusServiceUnavailable
		}
	}
	return out
}

// providerFailed reports a provider that could not be asked, or gave no usable answer. It
// returns false, and reports nothing, if the error says something else.
func (i *Issuer) providerFailed(ctx context.Context, client Client, grant GrantID, err error) bool {
	up, ok := errors.AsType[*oidcupstream.Error](err)
	if !ok || ctx.Err() != nil || !isProvidersFailure(up) { // or the client has gone
		return false
	}
	i.notify(ctx, Notice{Kind: NoticeProviderFailed, Grant: grant, Client: client, Err: err})
	return true
}

// isProvidersFailure reports whether the provider did not do its part.
func isProvidersFailure(up *oidcupstream.Error) bool {
	switch {
	case errors.Is(up, oidcupstream.ErrRequest), errors.Is(up, oidcupstream.ErrRedirect), errors.Is(up, oidcupstream.ErrSubject):
		return false
	case up.Outcome == oidcupstream.Refused && (up.Op == "redirect" || up.InvalidGrant()):
		return false // anybody can bring such a redirect, or a code that was not given to them
	}
	return true
}

// revokeRefreshToken asks the provider to revoke a refresh token, whether or not the
// client still waits. The observer is told how that went. The error is [errand.ErrLate]
// if the request has no time left.
func (i *Issuer) revokeRefreshToken(ctx context.Context, provider *oidcupstream.Provider, grant GrantID, token string) error {
	_, err := errand.Call(ctx, i.errands, "revoke at the provider", provider.Timeout(), func(ctx context.Context) (struct{}, error) {
		err := provider.Revoke(ctx, token)
		i.notify(ctx, Notice{Kind: NoticeRevokedAtProvider, Grant: grant, Detail: provider.Issuer(), Err: err})
		return struct{}{}, err
	})
	return err
}
