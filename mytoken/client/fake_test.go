package client_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/client"
)

// fake is a mytoken server without a network, for tests with synctest. It answers
// discovery, and everything else as its fields say.
type fake struct {
	// answer answers everything but discovery; nil: with an access token.
	answer func(w http.ResponseWriter, r *http.Request, body map[string]any)
	// life is the lifetime of access tokens.
	life time.Duration
	// keys says that the server knows keys of requests.
	keys bool

	mu       sync.Mutex
	down     error // of every request; nil: none
	requests []string
	ends     map[string]time.Time
}

const fakeIssuer = "https://mytoken.example.org"

var errRefused = &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}

// RoundTrip implements http.RoundTripper.
func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	down := f.down
	f.mu.Unlock()
	if down != nil {
		return nil, down
	}
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	if w.Header().Get(hangUpHeader) != "" {
		return nil, &hungUp{}
	}
	return w.Result(), nil
}

// hungUp is the error of a connection that is lost before the answer.
type hungUp struct{}

func (*hungUp) Error() string { return "connection lost" }

// hangUpHeader in an answer makes the fake lose the connection instead.
const hangUpHeader = "X-Test-Hang-Up"

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := map[string]any{}
	if r.Body != nil {
		text, err := io.ReadAll(r.Body)
		if err == nil && len(text) > 0 {
			_ = json.Unmarshal(text, &body)
		}
	}
	f.mu.Lock()
	f.requests = append(f.requests, r.URL.Path)
	f.mu.Unlock()
	if r.URL.Path == "/.well-known/mytoken-configuration" {
		answer(w, http.StatusOK, f.discovery())
		return
	}
	if f.answer != nil {
		f.answer(w, r, body)
		return
	}
	answer(w, http.StatusOK, f.accessToken())
}

func (f *fake) discovery() map[string]any {
	return map[string]any{
		"idempotency_key_supported": f.keys,
		"issuer":                    fakeIssuer, "access_token_endpoint": fakeIssuer + "/access", "mytoken_endpoint": fakeIssuer + "/my",
		"tokeninfo_endpoint": fakeIssuer + "/tokeninfo", "revocation_endpoint": fakeIssuer + "/revoke",
		"token_transfer_endpoint": fakeIssuer + "/transfer", "usersettings_endpoint": fakeIssuer + "/settings",
		"jwks_uri": fakeIssuer + "/jwks", "providers_supported": []any{map[string]any{"issuer": "https://op.example.org", "scopes_supported": []string{"openid"}}},
	}
}

// accessToken makes an access token and remembers when it expires.
func (f *fake) accessToken() map[string]any {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ends == nil {
		f.ends = make(map[string]time.Time)
	}
	token := fmt.Sprintf("access-%d", len(f.ends)+1)
	f.ends[token] = time.Now().Add(f.life)
	return map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": int(f.life / time.Second), "scope": "openid"}
}

// end returns when a token of the fake expires.
func (f *fake) end(token string) (time.Time, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at, ok := f.ends[token]
	return at, ok
}

func (f *fake) setDown(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = err
}

// count returns the number of requests to a path.
func (f *fake) count(path string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.requests {
		if p == path {
			n++
		}
	}
	return n
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// refuse answers with an error code of the protocol.
func refuse(w http.ResponseWriter, status int, code string) {
	answer(w, status, map[string]string{"error": code})
}

func (f *fake) client(t testing.TB, change func(*client.Config)) *client.Client {
	t.Helper()
	cfg := client.Config{Issuer: fakeIssuer, HTTPClient: &http.Client{Transport: f}}
	if change != nil {
		change(&cfg)
	}
	c, err := client.New(cfg)
	require.NoError(t, err)
	return c
}

// jwt makes an unsigned mytoken with a rotation.
func jwt(seq int, rotation string) mytoken.Secret {
	payload := fmt.Sprintf(`{"token_type":"mytoken","seq_no":%d,"rotation":%s}`, seq, rotation)
	encode := base64.RawURLEncoding.EncodeToString
	return mytoken.NewSecret(encode([]byte(`{"alg":"ES512","typ":"MT+JWT"}`)) + "." + encode([]byte(payload)) + ".c2ln")
}

// failingStore returns fails from Save unless it is nil.
type failingStore struct {
	*client.MemoryStore
	fails error
}

func (s *failingStore) Save(ctx context.Context, token mytoken.Secret) error {
	if s.fails != nil {
		return s.fails
	}
	return s.MemoryStore.Save(ctx, token)
}

// roundTrip answers every request with an object.
type roundTrip func(*http.Request) (status int, body any)

func (fn roundTrip) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	status, body := fn(r)
	answer(w, status, body)
	return w.Result(), nil
}
