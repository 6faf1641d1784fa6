package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

const (
	storageAudience = "https://storage.example.org" // of access tokens for the storage service
	scopeRead       = "storage.read"
	scopeWrite      = "storage.write"
	maxObject       = 1 << 20 // bytes
)

// storage keeps objects of users. It knows nothing of mytokens. It accepts access tokens
// of the provider (RFC 9068) and checks them with the provider's keys.
type storage struct {
	url      string
	verifier *oidc.IDTokenVerifier

	mu      sync.Mutex
	objects map[string]string // by owner and name
}

func newStorage(ctx context.Context, issuer string, now func() time.Time) (*storage, error) {
	provider, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		return nil, err
	}
	s := &storage{objects: map[string]string{user + "/input": "measurements\n"}}
	s.verifier = provider.VerifierContext(ctx, &oidc.Config{ClientID: storageAudience, Now: now})
	return s, nil
}

// ServeHTTP reads or writes an object, if the access token allows it (RFC 6750 section
// 3).
func (s *storage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	scope := scopeRead
	if r.Method == http.MethodPut {
		scope = scopeWrite
	}
	owner, scopes, err := s.check(r.Context(), r.Header.Get("Authorization"))
	switch {
	case err != nil:
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		http.Error(w, "invalid_token", http.StatusUnauthorized)
		return
	case !slices.Contains(scopes, scope):
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer error="insufficient_scope", scope=%q`, scope))
		http.Error(w, "insufficient_scope", http.StatusForbidden)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxObject))
	if err != nil {
		http.Error(w, "the object was not received", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	name := owner + r.URL.Path
	if r.Method == http.MethodPut {
		s.objects[name] = string(body)
		w.WriteHeader(http.StatusNoContent)
	} else if data, found := s.objects[name]; found {
		_, _ = io.WriteString(w, data) // the job may be gone
	} else {
		http.NotFound(w, r)
	}
}

// check checks the signature, issuer, audience, expiry and type of an access token. It
// returns the subject and the scopes of the token.
func (s *storage) check(ctx context.Context, authorization string) (subject string, scopes []string, err error) {
	scheme, token, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", nil, fmt.Errorf("the scheme is %q, want Bearer", scheme)
	}
	verified, err := s.verifier.Verify(ctx, token)
	if err != nil {
		return "", nil, err
	}
	if typ := headerType(token); typ != "at+jwt" {
		return "", nil, fmt.Errorf("the type of the token is %q, want at+jwt", typ)
	}
	var claims struct{ Scope string }
	err = verified.Claims(&claims)
	return verified.Subject, strings.Fields(claims.Scope), err
}

// headerType returns the "typ" of a JWT whose signature was checked.
func headerType(token string) string {
	first, _, _ := strings.Cut(token, ".")
	text, err := base64.RawURLEncoding.DecodeString(first)
	var header struct{ Typ string }
	if err != nil || json.Unmarshal(text, &header) != nil {
		return ""
	}
	return strings.ToLower(header.Typ)
}

// inventory says which objects are stored.
func (s *storage) inventory() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return "The storage service holds " + strings.Join(slices.Sorted(maps.Keys(s.objects)), ", ") + "."
}
