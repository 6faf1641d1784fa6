// Package guest is an OpenID provider that lets everybody in, so that people can
// try a mytoken service without an account (protocol section 5.20). Each browser
// session is a user of its own, whom nobody else can be.
//
//	guests, err := guest.New(guest.Config{Issuer: base + "/api/v0/guests", RedirectURL: base + "/redirect"})
//	if err != nil {
//		return err
//	}
//	upstream, err := oidcupstream.New(guests.Upstream())
//	if err != nil {
//		return err
//	}
//	providers = append(providers, mytoken.Provider{Upstream: upstream, MaxLifetime: 24 * time.Hour})
//	…
//	handler, err := rest.NewHandler(issuer, rest.Options{Guest: guests})
//
// Its access tokens are good for nothing: no service trusts this provider. Give
// its tokens a maximum lifetime, as above, and run Issuer.Sweep: guests come and
// never clean up.
//
// The provider keeps almost nothing in memory. Codes and refresh tokens carry what
// they stand for, sealed; of codes that were used only their hashes are kept for a
// minute, and if there are too many, further logins are refused.
package guest

import (
	"bytes"
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
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

// ClientID is the only client of the provider.
const ClientID = "mytoken"

// Config configures a [Provider]. Issuer and RedirectURL are required.
type Config struct {
	hidden

	// Issuer is the issuer URL of this provider: that of the mytoken service,
	// followed by /api/v0/guests.
	Issuer string
	// RedirectURL is that of the mytoken service. Nobody is sent elsewhere.
	RedirectURL string
	// Key protects codes, refresh tokens and sessions; at least 32 bytes, the
	// same in all processes of a service. Nil: a random one; logins of guests
	// then end with the process.
	Key []byte
	// Scopes that guests can have; nil: openid, profile and offline_access.
	Scopes []string
	// AccessTokenLifetime; 0: 10 minutes. RefreshTokenLifetime; 0: 30 days.
	AccessTokenLifetime  time.Duration
	RefreshTokenLifetime time.Duration
	// MaxLogins is how many logins can be finished in a minute; 0: 1000.
	MaxLogins int
	// Clock tells the time; nil: time.Now.
	Clock func() time.Time
}

// ErrConfig reports a configuration that is incomplete or makes no sense.
var ErrConfig = errors.New("guest: invalid configuration")

// codeLifetime is how long an authorization code is good.
const codeLifetime = time.Minute

// Provider is the provider. It is safe for concurrent use.
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

// New returns a provider. Errors: ErrConfig.
func New(cfg Config) (*Provider, error) {
	issuer, err := url.Parse(cfg.Issuer)
	if err != nil || issuer.Host == "" || issuer.Scheme != "https" && issuer.Scheme != "http" {
		return nil, fmt.Errorf("%w: Issuer is not an absolute http or https URL", ErrConfig)
	}
	if u, err := url.Parse(cfg.RedirectURL); err != nil || u.Host == "" {
		return nil, fmt.Errorf("%w: RedirectURL is not an absolute URL", ErrConfig)
	}
	if cfg.Key == nil {
		cfg.Key = make([]byte, 32)
		rand.Read(cfg.Key)
	}
	if len(cfg.Key) < 32 {
		return nil, fmt.Errorf("%w: Key is shorter than 32 bytes", ErrConfig)
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

// makeKeys derives the sealing key. The signing key lives as long as the process:
// what it signs is checked within seconds, or never.
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

// ServeHTTP answers a request with a path below that of the issuer, which is not
// part of it.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, pattern := p.mux.Handler(r); pattern == "" {
		p.object(w, http.StatusNotFound, map[string]string{"error": "not_found"})
		return
	}
	p.mux.ServeHTTP(w, r)
}

// Upstream returns how a mytoken issuer uses the provider: within the process,
// without a connection to itself.
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

// seal protects what a code or token stands for. Kind keeps them apart.
func (p *Provider) seal(kind string, v any) (string, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("guest: %w", err)
	}
	nonce := make([]byte, p.aead.NonceSize())
	rand.Read(nonce)
	return base64.RawURLEncoding.EncodeToString(p.aead.Seal(nonce, nonce, plain, []byte(kind))), nil
}

var errSealed = errors.New("guest: not made here")

func (p *Provider) open(kind, text string, into any) error {
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(data) < p.aead.NonceSize() {
		return errSealed
	}
	n := p.aead.NonceSize()
	plain, err := p.aead.Open(nil, data[:n], data[n:], []byte(kind))
	if err != nil {
		return errSealed
	}
	return json.Unmarshal(plain, into)
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

// inProcess answers requests of the issuer without a network.
type inProcess struct{ p *Provider }

func (t inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasPrefix(r.URL.String(), t.p.cfg.Issuer+"/") {
		return nil, fmt.Errorf("guest: request for %s", r.URL.Host)
	}
	inner := r.Clone(r.Context())
	inner.URL.Path = strings.TrimPrefix(r.URL.Path, t.p.path)
	if inner.Body == nil {
		inner.Body = http.NoBody
	}
	defer inner.Body.Close()
	w := &recorder{header: http.Header{}, status: http.StatusOK}
	t.p.ServeHTTP(w, inner)
	return &http.Response{
		StatusCode: w.status, Status: http.StatusText(w.status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: w.header,
		Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()), Request: r,
	}, nil
}

// recorder keeps an answer.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *recorder) Header() http.Header         { return w.header }
func (w *recorder) WriteHeader(status int)      { w.status = status }
func (w *recorder) Write(b []byte) (int, error) { return w.body.Write(b) }
