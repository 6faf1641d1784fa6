// Package guest is an OpenID provider that logs everybody in. With it, people can try a
// mytoken service without an account (protocol section 5.20). Each browser session is a
// user of its own, and nobody else can become that user.
//
// Pass what [Provider.Upstream] returns to [oidcupstream.New], as the example shows, and
// add the result to the issuer's providers. Pass the [Provider] itself to the HTTP handler
// of package rest, which serves it below /api/v0/guests.
//
// Guests come and never clean up. Give their mytokens a maximum lifetime, such as a day,
// and run the issuer's Sweep. No service should trust the access tokens of this provider.
//
// The provider keeps almost no state. Codes, refresh tokens and session cookies carry
// their content in sealed form. The provider remembers the hashes of used codes for a
// minute. When it remembers [Config.MaxLogins] of them, it refuses further logins.
package guest

import (
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/mytoken-go/sdk/internal/jws"
	"github.com/mytoken-go/sdk/internal/redact"
	"github.com/mytoken-go/sdk/oidcupstream"
)

// hidden is embedded by types that hold keys. They print as a placeholder.
type hidden = redact.Hidden

// ClientID identifies the only client of the provider.
const ClientID = "mytoken"

// Config configures a [Provider]. Issuer and RedirectURL are required. A Config prints as
// a placeholder.
type Config struct {
	hidden

	// Issuer is the issuer URL of this provider: the issuer URL of the mytoken service,
	// followed by /api/v0/guests.
	Issuer string
	// RedirectURL is the redirect URL of the mytoken service. The provider sends browsers
	// nowhere else.
	RedirectURL string
	// Key seals codes, refresh tokens and sessions. It has at least 32 bytes and is the
	// same in all processes of a service. Nil means a random key: guests' logins then end
	// with the process.
	Key []byte
	// Scopes are those that guests can get. Nil means openid, profile and offline_access.
	Scopes []string
	// AccessTokenLifetime also applies to ID tokens. 0 means 10 minutes.
	AccessTokenLifetime time.Duration
	// RefreshTokenLifetime is counted from the login. 0 means 30 days.
	RefreshTokenLifetime time.Duration
	// MaxLogins is the most logins that can finish within a minute. 0 means 1000.
	MaxLogins int
	// Clock returns the time. Nil means time.Now.
	Clock func() time.Time
}

// ErrConfig reports an invalid configuration.
var ErrConfig = errors.New("guest: invalid configuration")

// codeLifetime is the lifetime of an authorization code.
const codeLifetime = time.Minute

// Provider is an OpenID provider for guests, as an HTTP handler. It is safe for
// concurrent use.
type Provider struct {
	hidden

	cfg    Config
	path   string // of the issuer
	signer *jws.Signer
	keys   []byte // as a JWK set
	aead   cipher.AEAD
	mux    *http.ServeMux

	mu   sync.Mutex
	used map[[sha256.Size]byte]time.Time // codes, until they expire
}

// New returns a provider. It returns [ErrConfig] if the configuration is invalid.
func New(cfg Config) (*Provider, error) {
	issuer, err := url.Parse(cfg.Issuer)
	if err != nil || issuer.Host == "" || issuer.Scheme != "https" && issuer.Scheme != "http" {
		return nil, fmt.Errorf("%w: Issuer %q is not an absolute http or https URL", ErrConfig, cfg.Issuer)
	}
	if u, err := url.Parse(cfg.RedirectURL); err != nil || u.Host == "" {
		return nil, fmt.Errorf("%w: RedirectURL %q is not an absolute URL", ErrConfig, cfg.RedirectURL)
	}
	if cfg.Key == nil {
		cfg.Key = make([]byte, 32)
		rand.Read(cfg.Key)
	}
	if len(cfg.Key) < 32 {
		return nil, fmt.Errorf("%w: Key has %d bytes, at least 32 are needed", ErrConfig, len(cfg.Key))
	}
	if cfg.Scopes == nil {
		cfg.Scopes = []string{"openid", "profile", "offline_access"}
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	cfg.AccessTokenLifetime = cmp.Or(cfg.AccessTokenLifetime, 10*time.Minute)
	cfg.RefreshTokenLifetime = cmp.Or(cfg.RefreshTokenLifetime, 30*24*time.Hour)
	cfg.MaxLogins = cmp.Or(cfg.MaxLogins, 1000)
	p := &Provider{cfg: cfg, path: strings.TrimSuffix(issuer.Path, "/"), mux: http.NewServeMux(), used: make(map[[sha256.Size]byte]time.Time)}
	if err := p.makeKeys(); err != nil {
		return nil, err
	}
	p.mux.HandleFunc("GET /.well-known/openid-configuration", p.configuration)
	p.mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, p.keys) })
	p.mux.HandleFunc("GET /auth", p.authorize)
	p.mux.HandleFunc("POST /token", p.token)
	return p, nil
}

// makeKeys derives the sealing key and makes a signing key. The signing key lives as long
// as the process: the issuer checks ID tokens within seconds.
func (p *Provider) makeKeys() error {
	sealing, err := hkdf.Key(sha256.New, p.cfg.Key, nil, "mytoken guests "+p.cfg.Issuer, 32)
	if err != nil {
		return fmt.Errorf("guest: %w", err)
	}
	block, err := aes.NewCipher(sealing)
	if err != nil {
		return fmt.Errorf("guest: %w", err)
	}
	if p.aead, err = cipher.NewGCM(block); err != nil {
		return fmt.Errorf("guest: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("guest: %w", err)
	}
	if p.signer, err = jws.NewSigner(key, jws.ES256, ""); err != nil {
		return fmt.Errorf("guest: %w", err)
	}
	ring, err := jws.NewRing(p.signer.Public())
	if err != nil {
		return fmt.Errorf("guest: %w", err)
	}
	p.keys = jws.EncodeSet(ring)
	return nil
}

// ServeHTTP answers a request. Its path is relative to the issuer URL.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, pattern := p.mux.Handler(r); pattern == "" {
		p.object(w, http.StatusNotFound, map[string]string{"error": "not_found"})
		return
	}
	p.mux.ServeHTTP(w, r)
}

// Upstream returns the configuration with which a mytoken issuer uses the provider. The
// issuer's requests stay in the process.
func (p *Provider) Upstream() oidcupstream.Config {
	return oidcupstream.Config{
		Issuer: p.cfg.Issuer, ClientID: ClientID, Auth: oidcupstream.PublicClient(), RedirectURL: p.cfg.RedirectURL,
		Name: "Guests", Scopes: append([]string{}, p.cfg.Scopes...), HTTPClient: &http.Client{Transport: inProcess{p}},
		Clock: p.cfg.Clock, RefreshTokensNeverRotate: true,
	}
}

func (p *Provider) configuration(w http.ResponseWriter, _ *http.Request) {
	p.object(w, http.StatusOK, map[string]any{
		"issuer": p.cfg.Issuer, "authorization_endpoint": p.cfg.Issuer + "/auth", "token_endpoint": p.cfg.Issuer + "/token",
		"jwks_uri": p.cfg.Issuer + "/jwks", "scopes_supported": p.cfg.Scopes, "response_types_supported": []string{"code"},
		"grant_types_supported": []string{"authorization_code", "refresh_token"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": []string{"ES256"}, "token_endpoint_auth_methods_supported": []string{"none"},
		"code_challenge_methods_supported": []string{"S256"}, "authorization_response_iss_parameter_supported": true,
	})
}

func (p *Provider) object(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"error":"server_error"}`)
	}
	answer(w, status, body)
}

func answer(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone
}
