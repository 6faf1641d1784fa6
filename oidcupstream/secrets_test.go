package oidcupstream_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// allFormats prints a value in every way that programs do.
func allFormats(t *testing.T, v any) string {
	t.Helper()
	var b bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&b, verb+"\n", v)
		fmt.Fprintf(&b, verb+"\n", struct{ Exported any }{v})
	}
	for _, handler := range []slog.Handler{slog.NewTextHandler(&b, nil), slog.NewJSONHandler(&b, nil)} {
		slog.New(handler).Info("m", "v", v, "group", slog.GroupValue(slog.Any("v", v)))
	}
	encoded, err := json.Marshal(v)
	require.NoError(t, err)
	b.Write(encoded)
	if err, ok := v.(error); ok {
		for ; err != nil; err = errors.Unwrap(err) {
			fmt.Fprintf(&b, "%v %+v %#v\n", err, err, err)
		}
	}
	return b.String()
}

func requireNoSecret(t *testing.T, text string, secrets ...string) {
	t.Helper()
	for _, secret := range secrets {
		if strings.Contains(text, secret) || len(secret) > 12 && strings.Contains(text, secret[len(secret)-12:]) {
			t.Fatalf("%q in %s", secret, text)
		}
		hex := fmt.Sprintf("%x", secret)
		if strings.Contains(text, hex) {
			t.Fatalf("%q in hex in %s", secret, text)
		}
	}
}

// proves P9
func TestTypesRedactThemselves(t *testing.T) {
	const secret = "planted-secret-0123456789"
	for _, v := range []any{
		oidcupstream.Tokens{AccessToken: secret, RefreshToken: secret, IDTokenClaims: json.RawMessage(`"` + secret + `"`), Subject: "alice"},
		&oidcupstream.Tokens{AccessToken: secret, RefreshToken: secret, Subject: "alice"},
		oidcupstream.RefreshRequest{RefreshToken: secret, Scopes: []string{"openid"}},
		&oidcupstream.RefreshRequest{RefreshToken: secret},
		oidcupstream.ExchangeRequest{Code: secret, Verifier: secret, Nonce: secret},
		oidcupstream.AuthorizationRequest{State: secret, Nonce: secret, Verifier: secret},
		oidcupstream.Redirect{Code: secret, State: secret},
		oidcupstream.ClientSecretBasic(secret),
		oidcupstream.ClientSecretPost(secret),
	} {
		requireNoSecret(t, allFormats(t, v), secret)
		switch v.(type) {
		case oidcupstream.Tokens, *oidcupstream.Tokens:
			require.Regexp(t, `^oidcupstream\.Tokens\(subject "alice", `, fmt.Sprint(v))
		default:
			require.Equal(t, "[redacted]", fmt.Sprint(v))
		}
	}
}

// fmt calls no methods of values in unexported fields. Values that programs keep for long
// are safe there too. proves P9
func TestHiddenFieldsAreRedacted(t *testing.T) {
	const secret = "planted-secret-0123456789"
	for _, auth := range []oidcupstream.ClientAuth{oidcupstream.ClientSecretBasic(secret), oidcupstream.ClientSecretPost(secret)} {
		p := rawProvider(t, func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, `{"refresh_token":%q}`, secret)
		}, func(c *oidcupstream.Config) { c.Auth = auth })
		_, err := p.Refresh(t.Context(), oidcupstream.RefreshRequest{RefreshToken: "r"})
		e := upstreamError(t, err)
		require.Equal(t, secret, e.RefreshToken())
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			for _, v := range []any{p, *e, struct{ a any }{auth}, struct{ a oidcupstream.ClientAuth }{auth}, struct{ e *oidcupstream.Error }{e}} {
				requireNoSecret(t, fmt.Sprintf(verb, v), secret)
			}
			require.Equal(t, "oidcupstream.Provider("+p.Issuer()+", client raw client)", fmt.Sprintf(verb, p))
		}
		requireNoSecret(t, allFormats(t, p), secret)
	}
}

// A provider, or a proxy in front of it, may quote the request. Errors do not show the
// secrets in it. proves P9
func TestErrorsHoldNoSecret(t *testing.T) {
	var echo func(w http.ResponseWriter, r *http.Request)
	p := rawProvider(t, func(w http.ResponseWriter, r *http.Request) { echo(w, r) }, func(c *oidcupstream.Config) {
		c.Auth = oidcupstream.ClientSecretPost("client-secret-0123456789")
	})
	const refreshToken, code, accessToken = "refresh-token-abcdefghijkl", "code-abcdefghijklmnopq", "access-token-abcdefghijkl"
	verifier := oauth2.GenerateVerifier()
	secrets := []string{refreshToken, code, accessToken, verifier, "client-secret-0123456789"}
	sent := func(r *http.Request) string {
		r.ParseForm()
		return r.Form.Encode() + " " + strings.Join(r.Form["refresh_token"], "") + " " + r.Header.Get("Authorization")
	}
	for name, handler := range map[string]func(w http.ResponseWriter, r *http.Request){
		"description": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(400)
			json.NewEncoder(w).Encode(map[string]string{"error": "invalid_grant", "error_description": "bad: " + sent(r)})
		},
		"part in description": func(w http.ResponseWriter, r *http.Request) {
			text := sent(r)
			w.WriteHeader(400)
			json.NewEncoder(w).Encode(map[string]string{"error": "invalid_grant", "error_description": "…" + text[len(text)/3:]})
		},
		"code": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(400)
			json.NewEncoder(w).Encode(map[string]string{"error": sent(r)})
		},
		"challenge": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token", error_description="`+sent(r)+`"`)
			w.WriteHeader(401)
		},
		"body": func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, sent(r)) },
		"header": func(w http.ResponseWriter, r *http.Request) {
			conn, _, _ := w.(http.Hijacker).Hijack()
			fmt.Fprintf(conn, "HTTP/1.1 %s\r\n\r\n", sent(r))
			conn.Close()
		},
		"location": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://elsewhere.example/?"+sent(r), http.StatusFound)
		},
		"unusable answer": func(w http.ResponseWriter, r *http.Request) {
			json.NewEncoder(w).Encode(map[string]string{"refresh_token": refreshToken, "id_token": code})
		},
		"unusable ID token": func(w http.ResponseWriter, r *http.Request) {
			json.NewEncoder(w).Encode(map[string]string{"access_token": accessToken, "refresh_token": refreshToken, "id_token": code})
		},
	} {
		t.Run(name, func(t *testing.T) {
			echo = handler
			_, err1 := p.Refresh(t.Context(), oidcupstream.RefreshRequest{RefreshToken: refreshToken, Scopes: []string{"openid"}, Subject: "alice"})
			_, err2 := p.Exchange(t.Context(), oidcupstream.ExchangeRequest{Code: code, Verifier: verifier, Nonce: "nonce"})
			err3 := p.Revoke(t.Context(), refreshToken)
			_, err4 := p.UserInfo(t.Context(), accessToken, "alice")
			for _, err := range []error{err1, err2, err3, err4} {
				if err != nil {
					requireNoSecret(t, allFormats(t, err), secrets...)
				}
			}
			require.Error(t, errors.Join(err1, err2, err3, err4))
		})
	}
}

// Errors show the text of a provider. It can neither forge lines of a log nor flood it.
// proves P9
func TestProviderTextIsBounded(t *testing.T) {
	p := rawProvider(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(400)
		json.NewEncoder(w).Encode(map[string]string{
			"error":             "odd\x00\x1b[31mcode\n" + strings.Repeat("x", 1000),
			"error_description": "grüße\u202e\r\nlevel=INFO msg=forged\t" + strings.Repeat("日", 1000),
		})
	})
	_, err := p.Refresh(t.Context(), oidcupstream.RefreshRequest{RefreshToken: "r"})
	e := upstreamError(t, err)
	require.True(t, strings.HasPrefix(e.Code, "odd [31mcode xxx"), e.Code)
	require.True(t, strings.HasPrefix(e.Description, "grüße level=INFO msg=forged 日日"), e.Description)
	require.LessOrEqual(t, len([]rune(e.Code)), 65)
	require.LessOrEqual(t, len([]rune(e.Description)), 201)
	require.NotContains(t, e.Error(), "\n")
}

// Nothing that a login and a refresh print shows one of their secrets. proves P9
func TestNothingLeaksInAFlow(t *testing.T) {
	var out strings.Builder
	b := newBench(t, optest.Options{Rotation: optest.RotateStrict})
	verifier := oauth2.GenerateVerifier()
	redirect, err := b.redirect(authorization(verifier))
	require.NoError(t, err)
	request := oidcupstream.ExchangeRequest{Code: redirect.Code, Verifier: verifier, Nonce: testNonce}
	tokens, err := b.p.Exchange(t.Context(), request)
	require.NoError(t, err)
	out.WriteString(allFormats(t, redirect) + allFormats(t, request) + allFormats(t, tokens))
	for _, fault := range []optest.Fault{
		{Refuse: "invalid_grant", RefuseText: "the token " + tokens.RefreshToken + " is gone"},
		{FailBefore: 500}, {LoseRequest: true}, {Wait: func(ctx context.Context) { <-ctx.Done() }},
		{EmptyAccessToken: true}, {},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		if fault.Wait != nil {
			cancel()
		}
		b.faults.on(optest.EndpointRefresh, fault)
		request := oidcupstream.RefreshRequest{RefreshToken: tokens.RefreshToken}
		refreshed, err := b.p.Refresh(ctx, request)
		out.WriteString(allFormats(t, request))
		if err != nil {
			out.WriteString(allFormats(t, err))
		} else {
			out.WriteString(allFormats(t, refreshed))
		}
		cancel()
	}
	require.GreaterOrEqual(t, len(b.op.Secrets()), 6)
	requireNoSecret(t, out.String(), b.op.Secrets()...)
	requireNoSecret(t, out.String(), optest.DefaultClientSecret, testState, testNonce)
}
