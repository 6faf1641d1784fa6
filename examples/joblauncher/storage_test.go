package main

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// TestStorage checks which access tokens the storage service accepts: by signature,
// issuer, audience, expiry, type and scope.
func TestStorage(t *testing.T) {
	ctx := t.Context()
	start := func() *mytokentest.Service {
		s, err := mytokentest.Start(mytokentest.Options{Clock: mytokentest.NewClock(begin)})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		return s
	}
	service := start()
	storage, err := newStorage(ctx, service.Provider.Issuer(), service.Clock.Now)
	require.NoError(t, err)
	token := func(s *mytokentest.Service, audience string, scopes ...string) string {
		issued, err := s.Login(ctx, user, mytoken.Properties{})
		require.NoError(t, err)
		got, err := s.Issuer.AccessToken(ctx, issuer.AccessTokenRequest{
			Token: issued.Token, Scopes: scopes, Audiences: []string{audience}, Client: mytokentest.Client,
		})
		require.NoError(t, err)
		return got.Token.Reveal()
	}
	send := func(method, name, authorization string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(ctx, method, "/"+name, strings.NewReader("data"))
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		storage.ServeHTTP(w, r)
		return w
	}

	both := token(service, storageAudience, scopeRead, scopeWrite)
	require.Equal(t, http.StatusNoContent, send(http.MethodPut, "x", "Bearer "+both).Code)
	got := send(http.MethodGet, "x", "bearer "+both)
	require.Equal(t, http.StatusOK, got.Code)
	require.Equal(t, "data", got.Body.String())
	require.Equal(t, http.StatusNotFound, send(http.MethodGet, "y", "Bearer "+both).Code)

	reads := send(http.MethodPut, "x", "Bearer "+token(service, storageAudience, scopeRead))
	require.Equal(t, http.StatusForbidden, reads.Code)
	require.Equal(t, `Bearer error="insufficient_scope", scope="storage.write"`, reads.Header().Get("WWW-Authenticate"))
	require.Equal(t, http.StatusForbidden, send(http.MethodGet, "x", "Bearer "+token(service, storageAudience, scopeWrite)).Code)

	parts := strings.Split(both, ".")
	mytokenOf, err := service.Login(ctx, user, mytoken.Properties{})
	require.NoError(t, err)
	for name, authorization := range map[string]string{
		"nothing":             "",
		"another scheme":      "Basic " + both,
		"no token":            "Bearer x",
		"a mytoken":           "Bearer " + mytokenOf.Token.Reveal(),
		"another signature":   "Bearer " + parts[0] + "." + parts[1] + "." + strings.Split(token(service, storageAudience, scopeRead), ".")[2],
		"no signature":        "Bearer " + base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"at+jwt"}`)) + "." + parts[1] + ".",
		"for somebody else":   "Bearer " + token(service, "https://other.example.org", scopeRead),
		"of another provider": "Bearer " + token(start(), storageAudience, scopeRead),
		"an ID token":         "Bearer " + idToken(t, service),
	} {
		w := send(http.MethodGet, "x", authorization)
		require.Equal(t, http.StatusUnauthorized, w.Code, name)
		require.Equal(t, `Bearer error="invalid_token"`, w.Header().Get("WWW-Authenticate"), name)
	}
	service.Clock.Advance(time.Hour + time.Second)
	require.Equal(t, http.StatusUnauthorized, send(http.MethodGet, "x", "Bearer "+both).Code, "it has expired")
}

// idToken returns an ID token for a client with the name of the storage service. Only its
// type is wrong.
func idToken(t *testing.T, s *mytokentest.Service) string {
	t.Helper()
	s.Provider.AddClient(optest.Client{ID: storageAudience, Secret: "a-secret-of-the-test", RedirectURLs: []string{"http://127.0.0.1/back"}})
	provider, err := oidc.NewProvider(t.Context(), s.Provider.Issuer())
	require.NoError(t, err)
	config := oauth2.Config{
		ClientID: storageAudience, ClientSecret: "a-secret-of-the-test", Endpoint: provider.Endpoint(),
		RedirectURL: "http://127.0.0.1/back", Scopes: []string{oidc.ScopeOpenID, scopeRead},
	}
	verifier := oauth2.GenerateVerifier()
	back, err := optest.Login(t.Context(), config.AuthCodeURL("state", oauth2.S256ChallengeOption(verifier)), user)
	require.NoError(t, err)
	u, err := url.Parse(back)
	require.NoError(t, err)
	token, err := config.Exchange(t.Context(), u.Query().Get("code"), oauth2.VerifierOption(verifier))
	require.NoError(t, err)
	text, ok := token.Extra("id_token").(string)
	require.True(t, ok)
	return text
}
