// Package guest is an OpenID provider that logs everybody in as a guest. So people can
// try a mytoken service without an account (protocol section 5.20). Each browser session
// is a user of its own, and nobody else can become that user.
//
// Pass the configuration that [Provider.Upstream] returns to [oidcupstream.New], as the
// example shows, and add the result to the issuer's providers. Pass the [Provider] itself
// to the HTTP handler of package rest, which serves it below /api/v0/guests.
//
// Guests leave their mytokens behind. Give these tokens a maximum lifetime, such as a
// day, and run the issuer's Sweep. No service should trust the access tokens of this
// provider.
//
// The provider keeps almost no state. Codes, refresh tokens and session cookies contain
// their own data, encrypted. The provider only remembers the hashes of used codes until
// the codes expire, after one minute. While it remembers [Config.MaxLogins] of them, it
// refuses further logins.
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
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/mytoken-go/sdk/internal/jws"
	"github.com/mytoken-go/sdk/internal/redact"
	"github.com/mytoken-go/sdk/internal/weburl"
	"github.com/mytoken-go/sdk/oidcupstream"
)

// hidden makes the types that embed it print as a placeholder. They hold keys.
type hidden = redact.Hidden

// ClientID identifies the only client of the provider.
const ClientID = "mytoken"

// Config configures a [Provider]. A Config prints as "[redacted]".
type Config struct {
	hidden

	// Issuer is the issuer URL of this provider: the issuer URL of the mytoken service,
	// followed by /api/v0/guests. Required.
	Issuer string
	// RedirectURL is where the mytoken service takes back guests: its issuer URL, followed
	// by /redirect/guests. The provider sends browsers nowhere else. Required.
	RedirectURL string
	// Key seals codes, refresh tokens and sessions. It must have at least 32 bytes, and
	// be the same in all processes of a service. Nil means a random key: the logins of
	// guests then end with the process.
	Key []byte
	// Scopes are the scopes that guests can get. Nil means openid, profile and
	// offline_access.
	Scopes []string
	// AccessTokenLifetime is the lifetime of access tokens and ID tokens. 0 means 10
	// minutes.
	AccessTokenLifetime time.Duration
	// RefreshTokenLifetime is the lifetime of refresh tokens, counted from the login. 0
	// means 30 days.
	RefreshTokenLifetime time.Duration
	// MaxLogins is the most logins that can finish within a minute. 0 means 1,000.
	MaxLogins int
	// Clock returns the time. It must be safe for concurrent use. Nil means time.Now.
	Clock func() time.Time
}

// ErrConfig reports an invalid [Config].
var ErrConfig = errors.New("guest: invalid configuration")

// codeLifetime is the lifetime of an authorization code.
const codeLifetime = time.Minute

// Provider is an OpenID provider for guests, and an [http.Handler]. It is safe for
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
	issuer, err := weburl.Parse(cfg.Issuer)
	if err != nil {
		return nil, fmt.Errorf("%w: Issuer: %w", ErrConfig, err)
	}
	if issuer.Scheme != "https" && issuer.Scheme != "http" {
		return nil, fmt.Errorf("%w: the scheme of Issuer is %q, not https", ErrConfig, issuer.Scheme)
	}
	if _, err := weburl.Parse(cfg.RedirectURL); err != nil {
		return nil, fmt.Errorf("%w: RedirectURL: %w", ErrConfig, err)
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

// makeKeys derives the sealing key and makes a signing key. The signing key is new in
// each process, because the issuer verifies an ID token within seconds, in the same
// process.
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

// ServeHTTP answers a request. The path of r must be relative to the issuer URL.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, pattern := p.mux.Handler(r); pattern == "" {
		p.object(w, http.StatusNotFound, map[string]string{"error": "not_found"})
		return
	}
	p.mux.ServeHTTP(w, r)
}

// Upstream returns the configuration with which a mytoken issuer uses the provider. The
// issuer's requests do not leave the process.
func (p *Provider) Upstream() oidcupstream.Config {
	return oidcupstream.Config{
		Issuer: p.cfg.Issuer, ClientID: ClientID, Auth: oidcupstream.PublicClient(), RedirectURL: p.cfg.RedirectURL,
		Name: "Guests", ShortName: "guests", Scopes: append([]string{}, p.cfg.Scopes...), HTTPClient: &http.Client{Transport: inProcess{p}},
		Clock: p.cfg.Clock, RefreshTokensNeverRotate: true, RequireIssParameter: true, AlwaysGranted: []string{},
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
