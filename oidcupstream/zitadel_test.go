package oidcupstream_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
	"golang.org/x/oauth2"

	"github.com/mytoken-go/sdk/oidcupstream"
)

// The package works with a provider from another project: login with PKCE, exchange,
// refresh with rotation, userinfo and revocation, with each of its client authentication
// methods.
func TestForeignProvider(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	storage := newZitadelStorage(t,
		&zitadelClient{id: "basic client", secret: "se cret:+%/&=?", method: oidc.AuthMethodBasic, tokenType: op.AccessTokenTypeJWT},
		&zitadelClient{id: "post", secret: "posted secret", method: oidc.AuthMethodPost, tokenType: op.AccessTokenTypeBearer},
		&zitadelClient{id: "jwt", method: oidc.AuthMethodPrivateKeyJWT, tokenType: op.AccessTokenTypeJWT, key: &jose.JSONWebKey{Key: key.Public(), KeyID: "c1", Algorithm: "ES256"}},
		&zitadelClient{id: "public", method: oidc.AuthMethodNone, tokenType: op.AccessTokenTypeJWT},
	)
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	provider, err := op.NewProvider(&op.Config{
		CryptoKey: [32]byte{1, 2, 3}, CryptoKeyId: "test", CodeMethodS256: true, AuthMethodPost: true, AuthMethodPrivateKeyJWT: true,
		GrantTypeRefreshToken: true, SupportedScopes: []string{"openid", "email", "offline_access", "storage.read"},
	}, storage, op.StaticIssuer(server.URL), op.WithAllowInsecure())
	require.NoError(t, err)
	mux.Handle("/", provider)
	mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		id := r.FormValue("id")
		storage.approve(id)
		http.Redirect(w, r, server.URL+"/authorize/callback?id="+id, http.StatusFound)
	})
	browser := &http.Client{CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), redirectURL) {
			return http.ErrUseLastResponse
		}
		return nil
	}}

	for id, auth := range map[string]oidcupstream.ClientAuth{
		"basic client": oidcupstream.ClientSecretBasic("se cret:+%/&=?"),
		"post":         oidcupstream.ClientSecretPost("posted secret"),
		"jwt":          oidcupstream.PrivateKeyJWT(key, "ES256", "c1"),
		"public":       oidcupstream.PublicClient(),
	} {
		t.Run(id, func(t *testing.T) {
			p, err := oidcupstream.New(oidcupstream.Config{
				Issuer: server.URL, ClientID: id, Auth: auth, RedirectURL: redirectURL, Scopes: []string{"openid", "email", "storage.read"},
			})
			require.NoError(t, err)
			ctx := t.Context()
			login := func() (oidcupstream.ExchangeRequest, error) {
				verifier := oauth2.GenerateVerifier()
				address, err := p.AuthorizationURL(ctx, authorization(verifier))
				require.NoError(t, err)
				resp, err := browser.Get(address)
				require.NoError(t, err)
				resp.Body.Close()
				back, err := url.Parse(resp.Header.Get("Location"))
				require.NoError(t, err)
				redirect, err := p.CheckRedirect(ctx, back.Query())
				require.Equal(t, testState, redirect.State)
				return oidcupstream.ExchangeRequest{Code: redirect.Code, Verifier: verifier, Nonce: testNonce}, err
			}

			request, err := login()
			require.NoError(t, err)
			request.Verifier = oauth2.GenerateVerifier()
			_, err = p.Exchange(ctx, request)
			require.Equal(t, oidcupstream.Refused, upstreamError(t, err).Outcome, "PKCE: %v", err)

			request, err = login()
			require.NoError(t, err)
			request.Nonce = "another"
			_, err = p.Exchange(ctx, request)
			require.ErrorIs(t, err, oidcupstream.ErrIDToken)

			request, err = login()
			require.NoError(t, err)
			tokens, err := p.Exchange(ctx, request)
			require.NoError(t, err)
			require.Equal(t, zitadelSubject, tokens.Subject)
			require.NotEmpty(t, tokens.RefreshToken)
			require.InDelta(t, (5 * time.Minute).Seconds(), tokens.ExpiresIn.Seconds(), 60)
			require.Equal(t, storage.clients[id].tokenType == op.AccessTokenTypeJWT, tokens.AudienceKnown)
			require.WithinDuration(t, time.Now(), tokens.AuthTime, time.Minute)

			refreshed, err := p.Refresh(ctx, oidcupstream.RefreshRequest{
				RefreshToken: tokens.RefreshToken, Scopes: []string{"openid", "storage.read"}, Subject: zitadelSubject,
			})
			require.NoError(t, err)
			require.NotEmpty(t, refreshed.RefreshToken)
			require.NotEqual(t, tokens.RefreshToken, refreshed.RefreshToken)
			require.ElementsMatch(t, []string{"openid", "storage.read"}, refreshed.Scopes)
			_, err = p.Refresh(ctx, oidcupstream.RefreshRequest{RefreshToken: tokens.RefreshToken})
			require.True(t, upstreamError(t, err).InvalidGrant(), "the old one: %v", err)
			_, err = p.Refresh(ctx, oidcupstream.RefreshRequest{RefreshToken: refreshed.RefreshToken, Scopes: []string{"openid", "profile"}})
			e := upstreamError(t, err)
			require.Equal(t, "invalid_scope", e.Code, "wider: %v", err)
			require.False(t, e.InvalidGrant())

			raw, err := p.UserInfo(ctx, tokens.AccessToken, tokens.Subject)
			require.NoError(t, err)
			var claims struct{ Email string }
			require.NoError(t, json.Unmarshal(raw, &claims))
			require.Equal(t, "zoe@example.org", claims.Email)
			_, err = p.UserInfo(ctx, tokens.AccessToken, "somebody else")
			require.ErrorIs(t, err, oidcupstream.ErrSubject)

			require.NoError(t, p.Revoke(ctx, refreshed.RefreshToken))
			_, err = p.Refresh(ctx, oidcupstream.RefreshRequest{RefreshToken: refreshed.RefreshToken})
			require.True(t, upstreamError(t, err).InvalidGrant(), "revoked: %v", err)
		})
	}
}
