package oidcupstream_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

func TestLogin(t *testing.T) {
	b := newBench(t, optest.Options{
		Users:           []optest.User{{Subject: "carol", Claims: map[string]any{"email": "carol@example.org"}}},
		ClaimsInIDToken: true,
	})
	tokens := b.login()
	require.Equal(t, "carol", tokens.Subject)
	require.Equal(t, b.clock.Now(), tokens.AuthTime.UTC())
	require.NotEmpty(t, tokens.AccessToken)
	require.Equal(t, time.Hour, tokens.ExpiresIn)
	require.Subset(t, tokens.Scopes, []string{"openid", "offline_access", "storage.read"})
	require.Equal(t, []string{b.op.Issuer()}, tokens.Audiences)
	var claims struct{ Email, Sub string }
	require.NoError(t, json.Unmarshal(tokens.IDTokenClaims, &claims))
	require.Equal(t, "carol@example.org", claims.Email)
	require.Equal(t, "carol", claims.Sub)
}

func TestLoginNarrowed(t *testing.T) {
	b := newBench(t, optest.Options{Decide: func(optest.AuthorizationRequest) optest.Decision {
		return optest.Decision{Subject: "dave", Scopes: []string{"openid", "offline_access"}}
	}})
	tokens := b.login()
	require.Equal(t, "dave", tokens.Subject)
	require.ElementsMatch(t, []string{"openid", "offline_access"}, tokens.Scopes)
}

func TestLoginDenied(t *testing.T) {
	b := newBench(t, optest.Options{Decide: func(optest.AuthorizationRequest) optest.Decision {
		return optest.Decision{Error: "access_denied"}
	}})
	_, err := b.redirect(authorization(oauth2.GenerateVerifier()))
	e := upstreamError(t, err)
	require.Equal(t, oidcupstream.Refused, e.Outcome)
	require.Equal(t, "access_denied", e.Code)
	require.False(t, e.InvalidGrant())
}

// A login without a refresh token succeeds. The caller sees that there is none.
func TestLoginWithoutRefreshToken(t *testing.T) {
	b := newBench(t, optest.Options{})
	b.faults.on(optest.EndpointExchange, optest.Fault{NoRefreshToken: true})
	tokens, err := b.exchange()
	require.NoError(t, err)
	require.Empty(t, tokens.RefreshToken)

	online := newBench(t, optest.Options{}, func(c *oidcupstream.Config) {
		c.Offline, c.Scopes = oidcupstream.OfflineNone, []string{"openid"}
	})
	tokens, err = online.exchange()
	require.NoError(t, err)
	require.Empty(t, tokens.RefreshToken)
}

func TestClientAuthentication(t *testing.T) {
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	p521, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	require.NoError(t, err)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	const id, secret = "client:with / odd&id", "se cret:+%/ä&=?"
	public := []crypto.PublicKey{p256.Public(), p521.Public(), ed.Public(), rsaKey.Public()}
	for name, test := range map[string]struct {
		client optest.Client
		auth   oidcupstream.ClientAuth
		wrong  oidcupstream.ClientAuth
	}{
		"client_secret_basic":   {optest.Client{Secret: secret, AuthMethod: "client_secret_basic"}, oidcupstream.ClientSecretBasic(secret), oidcupstream.ClientSecretPost(secret)},
		"client_secret_post":    {optest.Client{Secret: secret, AuthMethod: "client_secret_post"}, oidcupstream.ClientSecretPost(secret), oidcupstream.ClientSecretPost("guess")},
		"private_key_jwt ES256": {optest.Client{PublicKeys: public}, oidcupstream.PrivateKeyJWT(p256, "ES256", "k1"), oidcupstream.PublicClient()},
		"private_key_jwt ES512": {optest.Client{PublicKeys: public}, oidcupstream.PrivateKeyJWT(p521, "ES512", ""), oidcupstream.ClientSecretBasic(secret)},
		"private_key_jwt EdDSA": {optest.Client{PublicKeys: public}, oidcupstream.PrivateKeyJWT(ed, "EdDSA", "k"), oidcupstream.PrivateKeyJWT(ed, "EdDSA", "k").WithAudience("https://other.example")},
		"private_key_jwt RS256": {optest.Client{PublicKeys: public}, oidcupstream.PrivateKeyJWT(rsaKey, "RS256", "k"), oidcupstream.PrivateKeyJWT(rsaKey, "RS256", "k").WithAudience("https://other.example")},
		"private_key_jwt PS384": {optest.Client{PublicKeys: public[3:]}, oidcupstream.PrivateKeyJWT(rsaKey, "PS384", "k"), oidcupstream.PrivateKeyJWT(p256, "ES256", "k")},
		"none":                  {optest.Client{}, oidcupstream.PublicClient(), oidcupstream.ClientSecretBasic(secret)},
	} {
		t.Run(name, func(t *testing.T) {
			test.client.ID = id
			b := newBench(t, optest.Options{Clients: []optest.Client{test.client}, Rotation: optest.RotateOn}, func(c *oidcupstream.Config) {
				c.Auth = test.auth
			})
			require.True(t, strings.HasPrefix(name, test.auth.Method()))
			tokens := b.login()
			tokens, err := b.refresh(tokens.RefreshToken)
			require.NoError(t, err)

			cfg := b.op.ClientConfig(redirectURL)
			cfg.Auth = test.wrong
			stranger, err := oidcupstream.New(cfg)
			require.NoError(t, err)
			_, err = stranger.Refresh(t.Context(), oidcupstream.RefreshRequest{RefreshToken: tokens.RefreshToken})
			e := upstreamError(t, err)
			require.Equal(t, oidcupstream.Refused, e.Outcome)
			require.Equal(t, "invalid_client", e.Code)
			require.Equal(t, 401, e.Status)
			require.False(t, e.InvalidGrant(), "the grant is not dead")

			require.NoError(t, b.p.Revoke(t.Context(), tokens.RefreshToken))
			_, err = b.refresh(tokens.RefreshToken)
			require.True(t, upstreamError(t, err).InvalidGrant())
		})
	}
}

func TestAssertionAudienceOfTokenEndpoint(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	b := newBench(t, optest.Options{Clients: []optest.Client{{ID: "c", PublicKeys: []crypto.PublicKey{key.Public()}}}}, func(c *oidcupstream.Config) {
		c.Auth = oidcupstream.PrivateKeyJWT(key, "ES256", "k").WithAudience(c.Issuer + "/token")
	})
	b.login()
}

// switchedSigner is a key that can become unreachable, as in a hardware module.
type switchedSigner struct {
	crypto.Signer
	err error
}

func (s *switchedSigner) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if s.err != nil {
		return nil, s.err
	}
	return s.Signer.Sign(random, digest, opts)
}

func TestSignerFailure(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	signer := &switchedSigner{Signer: key}
	b := newBench(t, optest.Options{Clients: []optest.Client{{ID: "c", PublicKeys: []crypto.PublicKey{key.Public()}}}}, func(c *oidcupstream.Config) {
		c.Auth = oidcupstream.PrivateKeyJWT(signer, "ES256", "k")
	})
	login := b.login()
	signer.err = errors.New("module unplugged")
	_, err = b.refresh(login.RefreshToken)
	e := upstreamError(t, err)
	require.Equal(t, oidcupstream.NotSent, e.Outcome)
	require.ErrorIs(t, err, signer.err)
}

// A code does not work with another verifier, twice, late, or for another client.
func TestExchangeRefused(t *testing.T) {
	b := newBench(t, optest.Options{})
	verifier := oauth2.GenerateVerifier()
	exchange := func(p *oidcupstream.Provider, code, verifier string) *oidcupstream.Error {
		_, err := p.Exchange(t.Context(), oidcupstream.ExchangeRequest{Code: code, Verifier: verifier, Nonce: testNonce})
		if err == nil {
			return nil
		}
		return upstreamError(t, err)
	}
	redirect, err := b.redirect(authorization(verifier))
	require.NoError(t, err)
	require.True(t, exchange(b.p, redirect.Code, oauth2.GenerateVerifier()).InvalidGrant(), "another verifier")
	require.Nil(t, exchange(b.p, redirect.Code, verifier))
	require.True(t, exchange(b.p, redirect.Code, verifier).InvalidGrant(), "used")
	require.Equal(t, 1, b.op.Reuses())

	redirect, err = b.redirect(authorization(verifier))
	require.NoError(t, err)
	b.op.AddClient(optest.Client{ID: "other"})
	cfg := b.op.ClientConfig(redirectURL)
	cfg.ClientID, cfg.Auth = "other", oidcupstream.PublicClient()
	other, err := oidcupstream.New(cfg)
	require.NoError(t, err)
	require.True(t, exchange(other, redirect.Code, verifier).InvalidGrant(), "another client")
	cfg = b.op.ClientConfig(redirectURL + "/2")
	elsewhere, err := oidcupstream.New(cfg)
	require.NoError(t, err)
	require.True(t, exchange(elsewhere, redirect.Code, verifier).InvalidGrant(), "another redirect URL")
	b.clock.Advance(time.Minute)
	require.True(t, exchange(b.p, redirect.Code, verifier).InvalidGrant(), "late")

	for _, req := range []oidcupstream.ExchangeRequest{
		{Verifier: verifier, Nonce: testNonce},
		{Code: "c", Nonce: testNonce},
		{Code: "c", Verifier: "short", Nonce: testNonce},
		{Code: "c", Verifier: verifier},
	} {
		_, err := b.p.Exchange(t.Context(), req)
		require.ErrorIs(t, err, oidcupstream.ErrRequest)
	}
}

// Exchange accepts no wrong ID token, and says which claim is wrong. The refresh token
// that came with it is not lost.
func TestIDTokenRefused(t *testing.T) {
	b := newBench(t, optest.Options{})
	now := b.clock.Now().Unix()
	set := func(name string, value any) func(_, claims map[string]any) {
		return func(_, claims map[string]any) { claims[name] = value }
	}
	without := func(name string) func(_, claims map[string]any) {
		return func(_, claims map[string]any) { delete(claims, name) }
	}
	for name, c := range map[string]struct {
		edit  func(header, claims map[string]any)
		claim string
	}{
		"alg none":         {func(header, _ map[string]any) { header["alg"] = "none" }, ""},
		"alg changed":      {func(header, _ map[string]any) { header["alg"] = "RS256" }, ""},
		"unknown key":      {func(header, _ map[string]any) { header["kid"] = "nobody's" }, ""},
		"no issuer":        {without("iss"), "iss"},
		"another issuer":   {set("iss", "https://evil.example"), "iss"},
		"issuer and slash": {set("iss", b.op.Issuer()+"/"), "iss"},
		"no audience":      {without("aud"), "aud"},
		"another audience": {set("aud", "other client"), "aud"},
		"no azp":           {set("aud", []string{optest.DefaultClientID, "other client"}), "azp"},
		"another azp":      {set("azp", "other client"), "azp"},
		"no expiry":        {without("exp"), "exp"},
		"expired":          {set("exp", now-1), "exp"},
		"not yet valid":    {set("nbf", now+3600), "nbf"},
		"from the future":  {set("iat", now+3600), "iat"},
		"no nonce":         {without("nonce"), "nonce"},
		"another nonce":    {set("nonce", "replayed"), "nonce"},
		"no subject":       {without("sub"), "sub"},
		"empty subject":    {set("sub", ""), "sub"},
		"numeric subject":  {set("sub", 7), ""},
		"wrong at_hash":    {set("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"), "at_hash"},
	} {
		t.Run(name, func(t *testing.T) {
			b.faults.on(optest.EndpointExchange, optest.Fault{IDToken: c.edit})
			_, err := b.exchange()
			e := upstreamError(t, err)
			require.ErrorIs(t, err, oidcupstream.ErrIDToken)
			require.Equal(t, oidcupstream.Unknown, e.Outcome)
			require.Equal(t, c.claim, e.Claim)
			require.NotEmpty(t, e.RefreshToken())
			require.NoError(t, b.p.Revoke(t.Context(), e.RefreshToken()))
		})
	}
	for name, edit := range map[string]func(answer map[string]any){
		"none":      func(a map[string]any) { delete(a, "id_token") },
		"not a JWT": func(a map[string]any) { a["id_token"] = "nonsense" },
		"changed": func(a map[string]any) {
			a["id_token"] = changeClaims(a["id_token"].(string), map[string]any{"sub": "admin"})
		},
		"signed with the client secret": func(a map[string]any) {
			a["id_token"] = hmacSigned(a["id_token"].(string), optest.DefaultClientSecret)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b.faults.on(optest.EndpointExchange, optest.Fault{Edit: edit})
			_, err := b.exchange()
			require.ErrorIs(t, err, oidcupstream.ErrIDToken)
		})
	}
	b.faults.set(nil)
	b.login()
}

func TestIDTokenAccepted(t *testing.T) {
	b := newBench(t, optest.Options{})
	for name, edit := range map[string]func(header, claims map[string]any){
		"several audiences with azp": func(_, claims map[string]any) {
			claims["aud"], claims["azp"] = []string{"other", optest.DefaultClientID}, optest.DefaultClientID
		},
		"no at_hash":   func(_, claims map[string]any) { delete(claims, "at_hash") },
		"no kid":       func(header, _ map[string]any) { delete(header, "kid") },
		"no auth_time": func(_, claims map[string]any) { delete(claims, "auth_time") },
	} {
		b.faults.on(optest.EndpointExchange, optest.Fault{IDToken: edit})
		tokens, err := b.exchange()
		require.NoError(t, err, name)
		require.Equal(t, "alice", tokens.Subject)
		require.Equal(t, name == "no auth_time", tokens.AuthTime.IsZero())
	}
}

// The subject comes from the ID token and from nothing else.
func TestSubjectFromIDTokenOnly(t *testing.T) {
	b := newBench(t, optest.Options{})
	b.faults.on(optest.EndpointExchange, optest.Fault{
		IDToken: func(_, claims map[string]any) { delete(claims, "at_hash") },
		Edit: func(a map[string]any) {
			a["sub"] = "mallory"
			a["access_token"] = changeClaims(a["access_token"].(string), map[string]any{"sub": "mallory"})
		},
	})
	tokens, err := b.exchange()
	require.NoError(t, err)
	require.Equal(t, "alice", tokens.Subject)
}

// keysPause is how long this package does not fetch keys again.
const keysPause = 10 * time.Second

// Exchange finds new signing keys at their first use and refuses tokens of withdrawn
// keys.
func TestSigningKeyRotation(t *testing.T) {
	b := newBench(t, optest.Options{})
	b.login()
	require.NoError(t, b.op.RotateKeys())
	b.clock.Advance(keysPause)
	b.login()
	require.NoError(t, b.op.WithdrawKeys())
	b.clock.Advance(keysPause)
	b.login()
	b.faults.on(optest.EndpointExchange, optest.Fault{IDToken: func(header, _ map[string]any) { header["kid"] = "key-1" }})
	_, err := b.exchange()
	require.ErrorIs(t, err, oidcupstream.ErrIDToken)
}

// Exchange accepts no ID token while the provider's keys cannot be fetched.
func TestKeysNotAvailable(t *testing.T) {
	for name, fault := range map[string]optest.Fault{
		"error": {FailBefore: 500}, "huge": {Pad: 2 << 20}, "lost": {LoseRequest: true}, "redirected": {RedirectTo: "http://127.0.0.1:1/"},
	} {
		b := newBench(t, optest.Options{})
		b.faults.on(optest.EndpointKeys, fault)
		_, err := b.exchange()
		require.ErrorIs(t, err, oidcupstream.ErrIDToken, name)
		b.faults.set(nil)
		b.clock.Advance(keysPause)
		b.login()
	}
}

// changeClaims changes claims of a JWT and keeps its signature.
func changeClaims(token string, claims map[string]any) string {
	parts := strings.Split(token, ".")
	raw, _ := base64.RawURLEncoding.DecodeString(parts[1])
	var payload map[string]any
	json.Unmarshal(raw, &payload)
	for name, value := range claims {
		payload[name] = value
	}
	raw, _ = json.Marshal(payload)
	parts[1] = base64.RawURLEncoding.EncodeToString(raw)
	return strings.Join(parts, ".")
}

// hmacSigned replaces the header and signature of a JWT.
func hmacSigned(token, key string) string {
	parts := strings.Split(token, ".")
	parts[0] = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`))
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(parts[0] + "." + parts[1]))
	parts[2] = base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	return strings.Join(parts, ".")
}

// query parses the query of an address.
func query(t *testing.T, address string) url.Values {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	return u.Query()
}

// Some providers encrypt ID tokens if they are told a key. The error says so.
func TestEncryptedIDToken(t *testing.T) {
	b := newBench(t, optest.Options{})
	login := b.login()
	encrypt := optest.Fault{Edit: func(answer map[string]any) {
		answer["id_token"] = "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.a.b.c.d"
	}}
	b.faults.on(optest.EndpointExchange, encrypt)
	_, err := b.exchange()
	require.ErrorIs(t, err, oidcupstream.ErrIDToken)
	require.ErrorContains(t, err, "it is encrypted")
	b.faults.on(optest.EndpointRefresh, encrypt)
	_, err = b.p.Refresh(t.Context(), oidcupstream.RefreshRequest{RefreshToken: login.RefreshToken, Subject: "alice"})
	require.ErrorIs(t, err, oidcupstream.ErrIDToken)
	require.ErrorContains(t, err, "it is encrypted")
	require.NotErrorIs(t, err, oidcupstream.ErrSubject)
}
