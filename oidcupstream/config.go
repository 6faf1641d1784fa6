package oidcupstream

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"golang.org/x/sync/singleflight"

	"github.com/mytoken-go/sdk/internal/livehttp"
	"github.com/mytoken-go/sdk/internal/loopback"
	"github.com/mytoken-go/sdk/internal/weburl"
)

// Defaults of [Config].
const (
	DefaultTimeout          = 8 * time.Second
	DefaultMaxResponseBytes = 1 << 20
	DefaultMetadataTTL      = time.Hour
)

// OfflineAccess says how an authorization request asks for a refresh token. It does not
// affect refresh requests.
type OfflineAccess uint8

// The ways to ask for a refresh token.
const (
	// OfflineAuto adds the scope offline_access (OpenID Connect Core section 11), unless
	// the provider's metadata lists scopes without it. For https://accounts.google.com,
	// which rejects the scope, it means [OfflineAccessType].
	OfflineAuto OfflineAccess = iota
	// OfflineScope always adds the scope offline_access.
	OfflineScope
	// OfflineAccessType adds the parameter access_type=offline and no scope.
	OfflineAccessType
	// OfflineNone adds nothing. It is for providers that always return refresh tokens,
	// and for callers that name the scope themselves.
	OfflineNone
)

// AudienceParameter says how requests name audiences. The zero value follows RFC 8707: it
// repeats the parameter resource for each audience.
type AudienceParameter struct {
	// Name is the name of the parameter. Empty means resource.
	Name string
	// SpaceSeparated puts all audiences into one parameter instead of repeating it.
	SpaceSeparated bool
	// Single says that the provider makes each access token for one audience, as RFC 8707
	// section 2.2 allows. With oidc-provider for Node.js, for example, a refresh for two
	// audiences ends the login. A login still asks for all audiences, but Exchange names
	// only the first one, and Refresh returns [ErrRequest] for more than one.
	Single bool
	// LoginOnly says that the provider makes access tokens only for audiences that the
	// login asked for. With oidc-provider for Node.js, for example, a refresh for another
	// audience ends the login. Refresh returns [ErrRequest] for an audience that is not
	// in RefreshRequest.LoginAudiences.
	LoginOnly bool
}

// Reuse says what a provider does when somebody presents a refresh token that it has
// replaced.
type Reuse uint8

// The answers of a provider to the reuse of a refresh token.
const (
	// ReuseUnknown counts as [ReuseRevokes].
	ReuseUnknown Reuse = iota
	// ReuseRevokes: the provider takes the refresh token for stolen and revokes the login
	// (RFC 9700 section 4.14.2).
	ReuseRevokes
	// ReuseTolerates: the provider accepts a replaced refresh token for longer than a
	// restart takes, or refuses it without further consequences.
	ReuseTolerates
)

// Config describes a provider and the client's registration there.
type Config struct {
	// Issuer is the provider's issuer identifier, spelled exactly as in its metadata.
	// Required. It must be an https URL, or an http URL with a loopback address such as
	// 127.0.0.1, unless InsecureHTTP is set. Only with a loopback address as issuer may
	// the metadata name http endpoints, and those on loopback addresses.
	Issuer string
	// ClientID is the client's identifier at the provider. Required.
	ClientID string
	// Auth is how the client authenticates: [ClientSecretBasic], [ClientSecretPost],
	// [PrivateKeyJWT] or [PublicClient]. Required. New returns an error for the zero
	// value, so that a forgotten secret does not make a public client.
	Auth ClientAuth
	// RedirectURL is the registered address to which the provider sends the browser back.
	// Only logins need it: without it, AuthorizationURL and Exchange return [ErrConfig].
	//
	// Give each of several providers an address of its own, and register exactly that one
	// there. Otherwise a malicious provider can obtain the codes of another one (RFC 9700
	// section 4.4). [DefaultShortName] helps to write it.
	RedirectURL string
	// ShortName stands for the provider in paths: at most 64 lower-case letters and
	// digits, with '-', '.' and '_' between them. Empty means [DefaultShortName] of the
	// issuer. Changing it usually changes the registered address.
	ShortName string
	// Name is the provider's name, to show to users. Empty means the issuer.
	Name string
	// Scopes are the scopes that the client may use at this provider. A login that names
	// no scopes asks for all of them. Empty means openid.
	Scopes []string
	// AlwaysGranted are the scopes that the provider adds to access tokens whatever was
	// asked for, such as openid at Microsoft Entra, or the default scopes of a client at
	// Keycloak. An access token may have them although the restrictions of a mytoken do
	// not name them. So name only scopes that every holder of a restricted mytoken may
	// have. Roles and permissions in an access token count as scopes here; see
	// Tokens.Claimed.
	//
	// Nil means offline_access alone, and refreshes do not send that. A list replaces the
	// default, and says whether refreshes send offline_access: one that names some scopes
	// also names offline_access if the list has it. Keycloak 24.0.1 needs that, and other
	// providers refuse it. Empty and not nil means that the provider adds nothing.
	AlwaysGranted []string
	// Audience says how requests name audiences. The zero value follows RFC 8707.
	Audience AudienceParameter
	// Offline says how a login asks for a refresh token. The zero value is [OfflineAuto].
	Offline OfflineAccess
	// ExtraAuthParams are added to every authorization request, for example
	// {"acr_values": {"urn:mfa"}}. They cannot replace parameters of the protocol such as
	// state. The parameter prompt is consent unless you set it here. An empty list for
	// prompt leaves it out.
	ExtraAuthParams url.Values
	// HTTPClient sends the requests. The package uses only its transport and its timeout:
	// it follows no redirects and keeps no cookies. The transport must not repeat
	// requests.
	//
	// Nil means a client made for token requests. It uses HTTP/1.1, so that a lost
	// connection affects only one request. It keeps up to 64 idle connections to a host,
	// for 30 seconds, and closes all of them when a request fails. It takes proxies from
	// the environment (HTTPS_PROXY, NO_PROXY).
	HTTPClient *http.Client
	// Timeout bounds one call and includes the time to fetch metadata. 0 means
	// [DefaultTimeout] (8 s). An exchange may spend the same time again to fetch the
	// provider's keys.
	Timeout time.Duration
	// MaxResponseBytes bounds the body of a response, in bytes after decompression. 0
	// means [DefaultMaxResponseBytes] (1 MiB). A key set has at most 256 KiB in any case.
	MaxResponseBytes int64
	// MetadataTTL is the age at which the package renews the metadata and the provider's
	// keys in the background. 0 means [DefaultMetadataTTL] (1 h).
	MetadataTTL time.Duration
	// Clock returns the time. It must be safe for concurrent use. Nil means time.Now.
	Clock func() time.Time
	// Reuse is the operator's statement about what the provider does when somebody presents
	// a refresh token that it has replaced. This package does not use it, but only returns
	// it from [Provider.Reuse].
	Reuse Reuse
	// RefreshTokensNeverRotate is the operator's statement that the provider never
	// replaces a refresh token. This package does not use it, but only returns it from
	// [Provider.RefreshTokensNeverRotate].
	RefreshTokensNeverRotate bool
	// RequireIssParameter is the operator's statement that the provider always names
	// itself in the parameter iss of its redirects (RFC 9207). CheckRedirect then refuses
	// those without it, even if the provider's metadata does not announce the parameter.
	RequireIssParameter bool
	// InsecureHTTP accepts plain http for the issuer and its endpoints on every host.
	// Then everybody on the network path can read and replace tokens.
	InsecureHTTP bool
}

// Provider is a client of one OpenID provider. It is safe for concurrent use.
type Provider struct {
	cfg    Config
	client *http.Client // for token calls: no redirects, no cookies
	meta   *http.Client // for metadata and keys: additionally with a limit on every body

	sendOffline bool // with the scopes of a refresh

	calls     pause // of the token, revocation and userinfo endpoints
	documents pause // of the metadata; see keySet for the keys

	metadata atomic.Pointer[metadata]
	renewal  atomic.Pointer[renewal]
	flights  singleflight.Group
}

// ErrConfig reports an invalid [Config]. Every error that [New] returns wraps it.
var ErrConfig = errors.New("invalid configuration")

func configError(format string, args ...any) error {
	return fmt.Errorf("oidcupstream: %w: %w", ErrConfig, fmt.Errorf(format, args...))
}

// New checks the configuration and returns a provider. It returns [ErrConfig] if the
// configuration is invalid. It does not use the network and starts no goroutine. It
// copies the lists and maps of cfg.
func New(cfg Config) (*Provider, error) {
	if cfg.Issuer == "" {
		return nil, configError("Issuer is missing")
	}
	if u, err := checkURL(cfg.Issuer, nil, cfg.InsecureHTTP); err != nil {
		return nil, configError("Issuer: %w", err)
	} else if u.RawQuery != "" || u.ForceQuery {
		return nil, configError("Issuer has a query: remove it")
	}
	if cfg.ClientID == "" {
		return nil, configError("ClientID is missing")
	}
	if err := cfg.Auth.check(); err != nil {
		return nil, configError("Auth: %w", err)
	}
	if cfg.RedirectURL != "" {
		if _, err := weburl.Parse(cfg.RedirectURL); err != nil {
			return nil, configError("RedirectURL: %w", err)
		}
	}
	if err := checkShortName(cfg.ShortName); err != nil {
		return nil, configError("ShortName: %w", err)
	}
	if err := checkScopes(cfg.Scopes); err != nil {
		return nil, configError("Scopes: %w", err)
	}
	for _, scope := range cfg.AlwaysGranted { // may be roles, too
		if scope == "" || strings.ContainsFunc(scope, unicode.IsSpace) {
			return nil, configError("AlwaysGranted: %q is empty or contains white space; name each scope by itself", scope)
		}
	}
	if cfg.Timeout < 0 || cfg.MaxResponseBytes < 0 || cfg.MetadataTTL < 0 {
		return nil, configError("Timeout, MaxResponseBytes or MetadataTTL is negative")
	}
	cfg.Audience.Name = cmp.Or(cfg.Audience.Name, "resource")
	if slices.Contains(protocolParams, cfg.Audience.Name) || slices.Contains(formParams, cfg.Audience.Name) {
		return nil, configError("Audience.Name: %q is a parameter of the protocol", cfg.Audience.Name)
	}
	for name := range cfg.ExtraAuthParams {
		if slices.Contains(protocolParams, name) {
			return nil, configError("ExtraAuthParams: %q is a parameter of the protocol", name)
		}
	}
	if cfg.Reuse > ReuseTolerates {
		return nil, configError("Reuse: %d is no value of Reuse", cfg.Reuse)
	}
	if cfg.Offline > OfflineNone {
		return nil, configError("Offline: %d is no value of OfflineAccess", cfg.Offline)
	}

	sendOffline := slices.Contains(cfg.AlwaysGranted, scopeOfflineAccess)
	cfg.AlwaysGranted = slices.Clone(cfg.AlwaysGranted)
	if cfg.AlwaysGranted == nil {
		cfg.AlwaysGranted = []string{scopeOfflineAccess}
	}
	cfg.Scopes = slices.Clone(cfg.Scopes)
	if len(cfg.Scopes) == 0 {
		cfg.Scopes = []string{scopeOpenID}
	}
	cfg.ExtraAuthParams = cloneValues(cfg.ExtraAuthParams)
	cfg.Name = cmp.Or(cfg.Name, cfg.Issuer)
	cfg.ShortName = cmp.Or(cfg.ShortName, DefaultShortName(cfg.Issuer))
	cfg.Timeout = cmp.Or(cfg.Timeout, DefaultTimeout)
	cfg.MaxResponseBytes = cmp.Or(cfg.MaxResponseBytes, DefaultMaxResponseBytes)
	cfg.MetadataTTL = cmp.Or(cfg.MetadataTTL, DefaultMetadataTTL)
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = &http.Client{Transport: livehttp.Transport{Transport: newTransport(cfg.Timeout)}}
	}
	p := &Provider{cfg: cfg, sendOffline: sendOffline}
	p.client = withoutRedirects(cfg.HTTPClient)
	p.meta = withoutRedirects(cfg.HTTPClient)
	p.meta.Transport = &limitTransport{base: p.meta.Transport, max: cfg.MaxResponseBytes}
	if p.meta.Timeout == 0 || p.meta.Timeout > cfg.Timeout {
		p.meta.Timeout = cfg.Timeout
	}
	return p, nil
}

// Issuer returns the issuer identifier as configured.
func (p *Provider) Issuer() string { return p.cfg.Issuer }

// IsIssuer reports whether a string names this provider. It ignores a slash at the end
// (protocol section 9.1). Store the text that [Provider.Issuer] returns, not the
// argument.
func (p *Provider) IsIssuer(issuer string) bool {
	return strings.TrimSuffix(issuer, "/") == strings.TrimSuffix(p.cfg.Issuer, "/")
}

// ClientID returns the client identifier as configured.
func (p *Provider) ClientID() string { return p.cfg.ClientID }

// Name returns the provider's name, to show to users. It is the issuer if no name is
// configured.
func (p *Provider) Name() string { return p.cfg.Name }

// RedirectURL returns the configured redirect URL. It may be empty.
func (p *Provider) RedirectURL() string { return p.cfg.RedirectURL }

// RedirectPath returns the path of the redirect URL, without escapes. It is where the
// browser comes back from this provider. It is empty if no redirect URL is configured.
func (p *Provider) RedirectPath() string {
	u, err := url.Parse(p.cfg.RedirectURL)
	if err != nil || p.cfg.RedirectURL == "" {
		return ""
	}
	return cmp.Or(u.Path, "/")
}

// Scopes returns a copy of the configured scopes.
func (p *Provider) Scopes() []string { return slices.Clone(p.cfg.Scopes) }

// AlwaysGranted returns a copy of the scopes that the provider adds to access tokens. It
// is offline_access alone if none are configured.
func (p *Provider) AlwaysGranted() []string { return slices.Clone(p.cfg.AlwaysGranted) }

// Timeout returns the configured timeout, which is the longest time that
// [Provider.Refresh] takes.
func (p *Provider) Timeout() time.Duration { return p.cfg.Timeout }

// Reuse returns the operator's statement from the configuration.
func (p *Provider) Reuse() Reuse { return p.cfg.Reuse }

// RefreshTokensNeverRotate returns the operator's statement from the configuration.
func (p *Provider) RefreshTokensNeverRotate() bool { return p.cfg.RefreshTokensNeverRotate }

// RequireIssParameter returns the operator's statement from the configuration.
func (p *Provider) RequireIssParameter() bool { return p.cfg.RequireIssParameter }

// checkURL parses an absolute URL without user and fragment. The scheme must be https. It
// may be http if insecure is set, or if the host and, unless it is nil, the issuer's host
// are loopback addresses. A remote provider must not lead requests to this machine.
func checkURL(s string, issuer *url.URL, insecure bool) (*url.URL, error) {
	u, err := weburl.Parse(s)
	if err != nil {
		return nil, err
	}
	switch u.Scheme {
	case "https":
	case "http":
		switch local := loopback.Is(u.Hostname()); {
		case insecure || local && (issuer == nil || loopback.Is(issuer.Hostname())):
		case local:
			return nil, fmt.Errorf("plain http to %q: only a provider with such an issuer may name it, or use InsecureHTTP", u.Hostname())
		default:
			return nil, fmt.Errorf("plain http to %q: use https, a loopback address such as 127.0.0.1, or InsecureHTTP", u.Hostname())
		}
	default:
		return nil, fmt.Errorf("its scheme is %q, not https", u.Scheme)
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
