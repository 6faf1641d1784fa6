package client_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/client"
)

// errors.As finds an error of the server, with all that it says.
func TestErrorsOfTheServer(t *testing.T) {
	f := &fake{answer: func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
		w.Header().Set("X-Request-Id", "request-7")
		w.Header().Set("Retry-After", "3600")
		answer(w, 403, map[string]string{"error": "usage_restricted", "error_description": "not\x1b[31m now"})
	}}
	_, err := f.client(t, nil).AccessToken(t.Context(), aToken, client.AccessTokenRequest{})
	var e *client.Error
	require.ErrorAs(t, fmt.Errorf("wrapped: %w", err), &e)
	require.Equal(t, client.Error{
		Operation: "get an access token", Status: 403, Code: client.CodeUsageRestricted, Description: "not[31m now",
		RetryAfter: time.Hour, RequestID: "request-7",
	}, *e)
	require.Equal(t, "client: get an access token: the server answered with status 403: usage_restricted: not[31m now (request request-7)", err.Error())
	require.True(t, client.IsCode(err, client.CodeUsageRestricted))
	require.False(t, client.IsCode(err, client.CodeInvalidToken))
}

// Answers that break the protocol give errors that say so, and do not grow with the
// answer.
func TestAnswersThatBreakTheProtocol(t *testing.T) {
	text := func(status int, body string) func(http.ResponseWriter, *http.Request, map[string]any) {
		return func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
			w.Header().Set("Location", "https://elsewhere.example/steal")
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request, map[string]any)
		status int // of the *Error; 0 expects an *AnswerError
		text   string
	}{
		"a redirect":            {text(307, ""), 0, "the redirect 307: the client follows none"},
		"a page":                {text(200, "<html>"), 0, "no access token"},
		"nothing":               {text(200, ""), 0, "no access token"},
		"an empty access token": {text(200, `{"access_token":"","token_type":"Bearer"}`), 0, "no access token"},
		"a number":              {text(200, `{"access_token":7}`), 0, "no access token"},
		"too much":              {text(200, `{"access_token":"x","scope":"`+strings.Repeat("x", 1<<16)+`"}`), 0, "more than 4096 bytes"},
		"an error page":         {text(502, "<html>"), 502, "status 502"},
		"an endless error page": {text(500, `{"error":"`+strings.Repeat("x", 1<<16)+`"}`), 500, "status 500"},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fake{answer: c.answer}
			_, err := f.client(t, func(cfg *client.Config) { cfg.MaxAnswer = 4 << 10 }).AccessToken(t.Context(), aToken, client.AccessTokenRequest{})
			require.ErrorContains(t, err, c.text)
			require.Less(t, len(err.Error()), 1000)
			if c.status == 0 {
				require.ErrorAs(t, err, new(*client.AnswerError))
				return
			}
			var e *client.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, c.status, e.Status)
		})
	}
}

// An unreadable member of an answer does not lose the token.
func TestTokenWithUnreadableMembers(t *testing.T) {
	body := `{"mytoken":"the-child-token","mytoken_type":"token","restrictions":[{"exp":"never"}],"capabilities":{"x":1},
		"token_update":{"mytoken":"the-next-token","mytoken_type":"token","restrictions":7}}`
	f := &fake{answer: func(w http.ResponseWriter, _ *http.Request, _ map[string]any) { _, _ = w.Write([]byte(body)) }}
	token, err := f.client(t, nil).Derive(t.Context(), aToken, client.DeriveRequest{})
	require.NoError(t, err)
	require.Equal(t, "the-child-token", token.Token.Reveal())
	require.Equal(t, "the-next-token", token.Update.Token.Reveal())
	require.EqualError(t, token.Unread, "client: the answer has unreadable members: capabilities, restrictions")

	body = `{"mytoken":"the-child-token","mom_id":"not one","rotation":{"ON_AT":true,"of_a_newer_server":1},
		"token_update":{"mytoken":"the-next-token","rotation":{"on_AT":"yes"}}}`
	token, err = f.client(t, nil).Derive(t.Context(), aToken, client.DeriveRequest{})
	require.NoError(t, err)
	require.Equal(t, "the-child-token", token.Token.Reveal())
	require.True(t, token.ID.IsZero())
	require.EqualError(t, token.Unread, "client: the answer has unreadable members: mom_id")
	require.Equal(t, &mytoken.Rotation{OnAT: true}, token.Rotation, "an unknown member does not matter")
	require.Equal(t, "the-next-token", token.Update.Token.Reveal())
	require.EqualError(t, token.Update.Unread, "client: the answer has unreadable members: rotation")

	body = `{"mytoken":"the-child-token","mytoken_type":1,"expires_in":"soon","token_update":7}`
	token, err = f.client(t, nil).Derive(t.Context(), aToken, client.DeriveRequest{})
	require.NoError(t, err)
	require.Equal(t, "the-child-token", token.Token.Reveal())
	require.EqualError(t, token.Unread, "client: the answer has unreadable members: mytoken_type, expires_in")

	// The client refuses an id that could not be read.
	_, err = f.client(t, nil).RevokeByID(t.Context(), aToken, token.ID, true)
	require.ErrorContains(t, err, "the id is zero")
	require.Zero(t, f.count("/revoke"))

	body = `{"access_token":"","token_update":{"mytoken":"the-next-token","mytoken_type":"token"}}`
	_, err = f.client(t, nil).AccessToken(t.Context(), aToken, client.AccessTokenRequest{})
	var e *client.AnswerError
	require.ErrorAs(t, err, &e)
	require.Equal(t, "the-next-token", e.Update.Token.Reveal())
}

// Scopes and audiences are read as a list or as one string.
func TestAccessTokenInAnotherForm(t *testing.T) {
	f := &fake{answer: func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
		_, _ = w.Write([]byte(`{"Access_Token":"x","scope":["a","b openid"],"audience":"one","expires_in":60,"extra":{}}`))
	}}
	at, err := f.client(t, nil).AccessToken(t.Context(), aToken, client.AccessTokenRequest{Scopes: []string{"a"}, Audiences: []string{"one"}})
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b", "openid"}, at.Scopes)
	require.Equal(t, []string{"one"}, at.Audiences)
	require.True(t, at.Broader)
	require.Nil(t, at.Update)
}

// Secrets go over https, or to a loopback address.
func TestPlainHTTP(t *testing.T) {
	for issuer, ok := range map[string]bool{
		"https://mytoken.example.org": true, "https://mytoken.example.org/prefix/": true, "http://127.0.0.1:8000": true,
		"http://[::1]:8000": true, "http://localhost": false, "http://mytoken.example.org": false, "http://127.0.0.1.example.org": false,
		"ftp://mytoken.example.org": false, "mytoken.example.org": false, "": false, "https://user@mytoken.example.org": false,
		"https://mytoken.example.org#x": false, "https://": false, "http://10.0.0.1": false,
		"https://mytoken.example.org/?tenant=a": false, "https://mytoken.example.org?": false, "https://mytoken.example.org:84430": false,
	} {
		_, err := client.New(client.Config{Issuer: issuer})
		require.Equal(t, ok, err == nil, "%s: %v", issuer, err)
	}
	_, err := client.New(client.Config{Issuer: "http://mytoken.example.org"})
	require.ErrorIs(t, err, client.ErrPlainHTTP)
	_, err = client.New(client.Config{Issuer: "http://mytoken.example.org", InsecurePlainHTTP: true})
	require.NoError(t, err)
	_, err = client.New(client.Config{Issuer: fakeIssuer, Attempts: -1})
	require.Error(t, err)
}

// Values, errors and logs show no secret, even if the server sends it back.
//
// proves P9
func TestNothingShowsSecrets(t *testing.T) {
	secrets := []string{"planted-mytoken", "planted-access", "planted-code", "planted-next"}
	bodies := map[string]string{
		"/my":     `{"mytoken":"planted-mytoken","transfer_code":"planted-code","mytoken_type":"token","token_update":{"mytoken":"planted-next"},"consent_uri":"` + fakeIssuer + `/c/x","polling_code":"planted-code"}`,
		"/access": `{"access_token":"planted-access","token_update":{"mytoken":"planted-next"}}`,
	}
	f := &fake{answer: func(w http.ResponseWriter, r *http.Request, _ map[string]any) {
		if body, ok := bodies[r.URL.Path]; ok {
			_, _ = w.Write([]byte(body))
			return
		}
		answer(w, 400, map[string]string{"error": aToken.Reveal(), "error_description": "token " + aToken.Reveal() + " is bad"})
	}}
	c := f.client(t, nil)
	ctx := t.Context()
	values := []any{aToken, c}
	add := func(v any, err error) { values = append(values, v, err) }
	add(c.Derive(ctx, aToken, client.DeriveRequest{}))
	add(c.AccessToken(ctx, aToken, client.AccessTokenRequest{}))
	add(c.StartLogin(ctx, client.LoginRequest{}))
	add(c.Redeem(ctx, aToken))
	add(c.Introspect(ctx, aToken))
	add(nil, c.Revoke(ctx, aToken, false))
	holder := c.NewHolder(client.NewMemoryStore(aToken))
	source := holder.TokenSource(client.SourceOptions{})
	add(source.AccessToken(ctx))
	add(holder, nil)
	add(source, nil)
	values = append(values, &client.TransferCode{Code: aToken}, &client.WiderError{Token: &mytoken.Issued{Token: aToken}})

	var out bytes.Buffer
	logs := []*slog.Logger{slog.New(slog.NewTextHandler(&out, nil)), slog.New(slog.NewJSONHandler(&out, nil))}
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		for _, log := range logs {
			log.Info("x", "v", v)
		}
		if text, err := json.Marshal(v); err == nil {
			out.Write(text)
		}
	}
	for _, secret := range secrets {
		require.NotContains(t, out.String(), secret)
		require.NotContains(t, out.String(), fmt.Sprintf("%x", secret))
	}
	require.Contains(t, out.String(), "token [redacted] is bad")
}
