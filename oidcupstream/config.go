package oidcupstream

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/mytoken-go/sdk/internal/loopback"
)

// Defaults of [Config].
const (
	DefaultTimeout          = 8 * time.Second
	DefaultMaxResponseBytes = 1 << 20
	DefaultMetadataTTL      = time.Hour
)

// OfflineAccess says how a refresh token is asked for in the authorization request. Refresh requests are not affected:
// they carry exactly the scopes that their caller gives.
type OfflineAccess uint8

const (
	// OfflineAuto adds the scope offline_access (OpenID Connect Core 11) unless the provider's metadata lists its
	// supported scopes without it. For https://accounts.google.com, which rejects that scope, it means
	// [OfflineAccessType].
	OfflineAuto OfflineAccess = iota
	// OfflineScope always adds the scope offline_access.
	OfflineScope
	// OfflineAccessType adds the parameter access_type=offline and no scope.
	OfflineAccessType
	// OfflineNone adds nothing; the provider gives refresh tokens anyway, or the caller names the scope.
	OfflineNone
)

// AudienceParameter says how audiences are sent to a provider. The zero value is RFC 8707: the parameter resource, repeated
// once for each audience.
type AudienceParameter struct {
	// Name of the parameter; empty means resource.
	Name string
	// SpaceSeparated sends one parameter with all audiences in it instead of repeating the parameter.
	SpaceSeparated bool
	// Single says that the provider makes each access token for one audience (RFC 8707 2.2 lets it demand that), as
	// oidc-provider for Node.js does, which ends a login over a refresh for two. A login asks for all audiences all the
	// same; Exchange is then about the first of them, and Refresh fails with ErrRequest unless it names one.
	Single bool
	// LoginOnly says that the provider makes access tokens only for audiences that the login asked for, as oidc-provider
	// for Node.js does, which ends a login over a refresh for another one. Refresh then fails with ErrRequest unless all
	// its Audiences are among RefreshRequest.LoginAudiences.
	LoginOnly bool
}

// Config describes one provider and this client's registration there.
type Config struct {
	// Issuer is the provider's issuer identifier, exactly as its metadata spells it. Required. It must be an https URL;
	// plain http is accepted for loopback addresses, and for others only with InsecureHTTP.
	Issuer string
	// ClientID is this client's identifier at the provider. Required.
	ClientID string
	// Auth is how the client authenticates itself: [ClientSecretBasic], [ClientSecretPost], [PrivateKeyJWT] or
	// [PublicClient]. Required; the zero value is refused, so that a forgotten secret does not make a public client.
	Auth ClientAuth
	// RedirectURL is the registered address to which the provider sends the browser back. Required for logins only:
	// without it AuthorizationURL and Exchange fail.
	RedirectURL string
	// Name is a name for people; empty means the issuer.
	Name string
	// Scopes are requested where a caller names none, and are what this provider supports as far as this client is
	// concerned. Empty means openid alone.
	Scopes []string
	// Audience says how audiences are sent; zero is RFC 8707.
	Audience AudienceParameter
	// Offline says how a refresh token is asked for; zero decides by the provider's metadata.
	Offline OfflineAccess
	// ExtraAuthParams are added to every authorization request, for example {"acr_values": {"urn:mfa"}}. They cannot
	// replace parameters of the protocol such as state. The parameter prompt is consent unless it is set here; present
	// without a value it is left out.
	ExtraAuthParams url.Values
	// HTTPClient sends the requests. Nil means a client of its own with a transport made for token calls: HTTP/1.1, so
	// that a lost connection concerns one call only; 64 idle connections to a host, kept for 30 seconds; proxies as the
	// environment (HTTPS_PROXY, NO_PROXY) says. Of a given client only the transport and the timeout are used: redirects
	// are never followed and cookies never kept. Its transport must not repeat requests.
	HTTPClient *http.Client
	// Timeout bounds one call to the provider from beginning to end, the look-up of its metadata included; 0 means
	// DefaultTimeout (8 s). An exchange may in addition spend it once to fetch the provider's keys.
	Timeout time.Duration
	// MaxResponseBytes bounds the body of any answer, in bytes after decompression; 0 means DefaultMaxResponseBytes
	// (1 MiB).
	MaxResponseBytes int64
	// MetadataTTL is how long fetched metadata is used before it is renewed in the background; 0 means
	// DefaultMetadataTTL (1 h).
	MetadataTTL time.Duration
	// Clock tells the time; nil means time.Now.
	Clock func() time.Time
	// RefreshTokensNeverRotate is the operator's statement that this provider never replaces a refresh token. It is only
	// carried here; see Provider.RefreshTokensNeverRotate.
	RefreshTokensNeverRotate bool
	// InsecureHTTP accepts plain http for hosts other than loopback, for the issuer and for the endpoints that it names.
	// Everybody on the path can then read and replace tokens.
	InsecureHTTP bool
}

// Provider talks to one OpenID provider. It is safe for concurrent use.
type Provider struct {
	cfg    Config
	client *http.Client // for token calls: no redirects, no cookies
	meta   *http.Client // for metadata and keys: additionally with a limit on every body

	metadata atomic.Pointer[metadata]
	renewAt  atomic.Int64 // Unix nanoseconds: when the metadata is to be fetched again
	flights  singleflight.Group
}

// ErrConfig is in the chain of every error of [New].
var ErrConfig = errors.New("invalid configuration")

func configError(format string, args ...any) error {
	return fmt.Errorf("oidcupstream: %w: %w", ErrConfig, fmt.Errorf(format, args...))
}

// New checks the configuration and returns a provider. It does not use the network and starts nothing. Config is copied;
// later changes to its lists have no effect.
func New(cfg Config) (*Provider, error) {
	if cfg.Issuer == "" {
		return nil, configError("Issuer is missing")
	}
	if u, err := checkURL(cfg.Issuer, cfg.InsecureHTTP); err != nil {
		return nil, configError("Issuer: %w", err)
	} else if u.RawQuery != "" || u.ForceQuery {
		return nil, configError("Issuer has a query")
	}
	if cfg.ClientID == "" {
		return nil, configError("ClientID is missing")
	}
	if err := cfg.Auth.check(); err != nil {
		return nil, configError("Auth: %w", err)
	}
	if cfg.RedirectURL != "" {
		u, err := url.Parse(cfg.RedirectURL)
		if err != nil || !u.IsAbs() || u.Fragment != "" {
			return nil, configError("RedirectURL is not an absolute URL without fragment")
		}
	}
	if err := checkScopes(cfg.Scopes); err != nil {
		return nil, configError("Scopes: %w", err)
	}
	if cfg.Timeout < 0 || cfg.MaxResponseBytes < 0 || cfg.MetadataTTL < 0 {
		return nil, configError("Timeout, MaxResponseBytes and MetadataTTL cannot be negative")
	}
	cfg.Audience.Name = cmp.Or(cfg.Audience.Name, "resource")
	if slices.Contains(protocolParams, cfg.Audience.Name) || slices.Contains(formParams, cfg.Audience.Name) {
		return nil, configError("Audience cannot be named %q", cfg.Audience.Name)
	}
	for name := range cfg.ExtraAuthParams {
		if slices.Contains(protocolParams, name) {
			return nil, configError("ExtraAuthParams cannot hold %q", name)
		}
	}
	if cfg.Offline > OfflineNone {
		return nil, configError("Offline has an unknown value")
	}

	cfg.Scopes = slices.Clone(cfg.Scopes)
	if len(cfg.Scopes) == 0 {
		cfg.Scopes = []string{scopeOpenID}
	}
	cfg.ExtraAuthParams = cloneValues(cfg.ExtraAuthParams)
	cfg.Name = cmp.Or(cfg.Name, cfg.Issuer)
	cfg.Timeout = cmp.Or(cfg.Timeout, DefaultTimeout)
	cfg.MaxResponseBytes = cmp.Or(cfg.MaxResponseBytes, DefaultMaxResponseBytes)
	cfg.MetadataTTL = cmp.Or(cfg.MetadataTTL, DefaultMetadataTTL)
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = &http.Client{Transport: newTransport(cfg.Timeout)}
	}
	p := &Provider{cfg: cfg}
	p.client = withoutRedirects(cfg.HTTPClient)
	p.meta = withoutRedirects(cfg.HTTPClient)
	p.meta.Transport = &limitTransport{base: cfg.HTTPClient.Transport, max: cfg.MaxResponseBytes}
	if p.meta.Timeout == 0 || p.meta.Timeout > cfg.Timeout {
		p.meta.Timeout = cfg.Timeout
	}
	return p, nil
}

// Issuer returns the issuer identifier as configured.
func (p *Provider) Issuer() string { return p.cfg.Issuer }

// IsIssuer reports whether the given string names this provider. A missing or additional slash at the end is tolerated
// (protocol section 9.1); store and compare Issuer(), not the argument.
func (p *Provider) IsIssuer(issuer string) bool {
	return strings.TrimSuffix(issuer, "/") == strings.TrimSuffix(p.cfg.Issuer, "/")
}

// ClientID returns the client identifier as configured.
func (p *Provider) ClientID() string { return p.cfg.ClientID }

// Name returns the configured name for people, or the issuer.
func (p *Provider) Name() string { return p.cfg.Name }

// RedirectURL returns the configured redirect URL, which may be empty.
func (p *Provider) RedirectURL() string { return p.cfg.RedirectURL }

// Scopes returns a copy of the configured scopes.
func (p *Provider) Scopes() []string { return slices.Clone(p.cfg.Scopes) }

// Timeout returns the longest time that Refresh can take.
func (p *Provider) Timeout() time.Duration { return p.cfg.Timeout }

// RefreshTokensNeverRotate returns the operator's statement of that name. This package does not act on it.
func (p *Provider) RefreshTokensNeverRotate() bool { return p.cfg.RefreshTokensNeverRotate }

// newTransport returns the transport described at Config.HTTPClient.
func newTransport(timeout time.Duration) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: timeout, KeepAlive: 15 * time.Second}).DialContext,
		Protocols:              protocols,
		TLSHandshakeTimeout:    timeout,
		ResponseHeaderTimeout:  timeout,
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConns:           256,
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        30 * time.Second,
	}
}

func withoutRedirects(c *http.Client) *http.Client {
	return &http.Client{
		Transport:     c.Transport,
		Timeout:       c.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// checkURL parses an absolute http(s) URL without user, fragment and, unless insecure or loopback, without plain http.
func checkURL(s string, insecure bool) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, errors.New("not a URL")
	}
	if u.Host == "" || u.User != nil || u.Fragment != "" {
		return nil, errors.New("not an absolute URL without user and fragment")
	}
	switch u.Scheme {
	case "https":
	case "http":
		if !insecure && !loopback.Is(u.Hostname()) {
			return nil, errors.New("plain http, but not a loopback address and InsecureHTTP is not set")
		}
	default:
		return nil, errors.New("neither https nor http")
	}
	return u, nil
}

func cloneValues(v url.Values) url.Values {
	c := make(url.Values, len(v))
	for name, list := range v {
		c[name] = slices.Clone(list)
	}
	return c
}
