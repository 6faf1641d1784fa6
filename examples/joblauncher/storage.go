package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

const (
	// storageAudience names the storage service in access tokens.
	storageAudience = "https://storage.example.org"
	scopeRead       = "storage.read"
	scopeWrite      = "storage.write"
)

// storage keeps objects of users. It knows nothing of mytokens: it takes access tokens
// of the provider (RFC 9068), and checks them with the provider's keys.
type storage struct {
	url      string
	verifier *oidc.IDTokenVerifier

	mu      sync.Mutex
	objects map[string][]byte // by user and name
}

func newStorage(ctx context.Context, issuer string, now func() time.Time) (*storage, error) {
	provider, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		return nil, err
	}
	s := &storage{objects: map[string][]byte{user + "/input": []byte("measurements\n")}}
	s.verifier = provider.VerifierContext(ctx, &oidc.Config{ClientID: storageAudience, Now: now})
	return s, nil
}

func (s *storage) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{name}", func(w http.ResponseWriter, r *http.Request) {
		owner, ok := s.authorize(w, r, scopeRead)
		if !ok {
			return
		}
		s.mu.Lock()
		data, found := s.objects[owner+"/"+r.PathValue("name")]
		s.mu.Unlock()
		if !found {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(data) // the job may be gone
	})
	mux.HandleFunc("PUT /{name}", func(w http.ResponseWriter, r *http.Request) {
		owner, ok := s.authorize(w, r, scopeWrite)
		if !ok {
			return
		}
		data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxMessage))
		if err != nil {
			http.Error(w, "not read", http.StatusBadRequest)
			return
		}
		s.mu.Lock()
		s.objects[owner+"/"+r.PathValue("name")] = data
		s.mu.Unlock()
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

// authorize checks the access token of a request: signature, issuer, audience, end, type and
// scope. It answers itself if anything is wrong (RFC 6750 section 3).
func (s *storage) authorize(w http.ResponseWriter, r *http.Request, scope string) (subject string, ok bool) {
	subject, scopes, err := s.check(r.Context(), r.Header.Get("Authorization"))
	switch {
	case err != nil:
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		http.Error(w, "invalid_token", http.StatusUnauthorized)
	case !slices.Contains(scopes, scope):
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer error="insufficient_scope", scope=%q`, scope))
		http.Error(w, "insufficient_scope", http.StatusForbidden)
	default:
		return subject, true
	}
	return "", false
}

func (s *storage) check(ctx context.Context, authorization string) (subject string, scopes []string, err error) {
	scheme, token, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", nil, errors.New("no bearer token")
	}
	verified, err := s.verifier.Verify(ctx, token)
	if err != nil {
		return "", nil, err
	}
	if typ := headerType(token); typ != "at+jwt" {
		return "", nil, fmt.Errorf("a token of type %q is no access token", typ)
	}
	var claims struct {
		Scope string `json:"scope"`
	}
	if err := verified.Claims(&claims); err != nil {
		return "", nil, err
	}
	return verified.Subject, strings.Fields(claims.Scope), nil
}

// headerType is the "typ" of a JWT whose signature was checked.
func headerType(token string) string {
	first, _, _ := strings.Cut(token, ".")
	text, err := base64.RawURLEncoding.DecodeString(first)
	var header struct {
		Type string `json:"typ"`
	}
	if err != nil || json.Unmarshal(text, &header) != nil {
		return ""
	}
	return strings.ToLower(header.Type)
}

// inventory says what is stored.
func (s *storage) inventory() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for name := range s.objects {
		names = append(names, name)
	}
	slices.Sort(names)
	return "The storage service holds " + strings.Join(names, ", ") + "."
}
