package oidcupstream_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/oidcupstream"
)

// jwt returns an unsigned token with the given payload.
func jwt(payload string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"ES256"}`)) + "." + encode([]byte(payload)) + "." + encode([]byte("signature"))
}

// answering returns a provider whose endpoints always give this answer.
func answering(t *testing.T, status int, header http.Header, body string) *oidcupstream.Provider {
	t.Helper()
	return rawProvider(t, func(w http.ResponseWriter, r *http.Request) {
		for name, values := range header {
			w.Header()[name] = values
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	})
}

func TestTokenAnswers(t *testing.T) {
	jwtAnswer := func(payload string) string { return fmt.Sprintf(`{"access_token":%q}`, jwt(payload)) }
	now := newClock().Now()
	for name, test := range map[string]struct {
		body string
		want oidcupstream.Tokens
	}{
		"least":                   {`{"access_token":"a"}`, oidcupstream.Tokens{}},
		"lower case bearer":       {`{"access_token":"a","token_type":"bearer"}`, oidcupstream.Tokens{}},
		"other type":              {`{"access_token":"a","token_type":"DPoP"}`, oidcupstream.Tokens{TokenType: "DPoP"}},
		"lifetime":                {`{"access_token":"a","expires_in":300}`, oidcupstream.Tokens{ExpiresIn: 5 * time.Minute}},
		"lifetime as a string":    {`{"access_token":"a","expires_in":"300"}`, oidcupstream.Tokens{ExpiresIn: 5 * time.Minute}},
		"lifetime as a fraction":  {`{"access_token":"a","expires_in":300.5}`, oidcupstream.Tokens{ExpiresIn: 5 * time.Minute}},
		"lifetime negative":       {`{"access_token":"a","expires_in":-1}`, oidcupstream.Tokens{}},
		"lifetime null":           {`{"access_token":"a","expires_in":null}`, oidcupstream.Tokens{}},
		"lifetime of ages":        {`{"access_token":"a","expires_in":1e300}`, oidcupstream.Tokens{ExpiresIn: 10 * 365 * 24 * time.Hour}},
		"lifetime not a number":   {`{"access_token":"a","expires_in":"NaN"}`, oidcupstream.Tokens{}},
		"lifetime an object":      {`{"access_token":"a","expires_in":{}}`, oidcupstream.Tokens{}},
		"scope":                   {`{"access_token":"a","scope":" a  b "}`, oidcupstream.Tokens{Scopes: []string{"a", "b"}, ScopeReturned: true}},
		"scope as an array":       {`{"access_token":"a","scope":["a","b"]}`, oidcupstream.Tokens{Scopes: []string{"a", "b"}, ScopeReturned: true}},
		"scope empty":             {`{"access_token":"a","scope":""}`, oidcupstream.Tokens{Scopes: []string{}, ScopeReturned: true}},
		"scope null":              {`{"access_token":"a","scope":null}`, oidcupstream.Tokens{}},
		"refresh token":           {`{"access_token":"a","refresh_token":"r"}`, oidcupstream.Tokens{RefreshToken: "r"}},
		"refresh token null":      {`{"access_token":"a","refresh_token":null}`, oidcupstream.Tokens{}},
		"refresh token a number":  {`{"access_token":"a","refresh_token":7}`, oidcupstream.Tokens{}},
		"error beside a token":    {`{"access_token":"a","error":""}`, oidcupstream.Tokens{}},
		"audience":                {jwtAnswer(`{"aud":"x"}`), oidcupstream.Tokens{Audiences: []string{"x"}, AudienceKnown: true}},
		"audiences":               {jwtAnswer(`{"aud":["x","y"]}`), oidcupstream.Tokens{Audiences: []string{"x", "y"}, AudienceKnown: true}},
		"audience empty":          {jwtAnswer(`{"aud":""}`), oidcupstream.Tokens{}},
		"audiences empty":         {jwtAnswer(`{"aud":[]}`), oidcupstream.Tokens{}},
		"audience missing":        {jwtAnswer(`{"sub":"x"}`), oidcupstream.Tokens{}},
		"audience null":           {jwtAnswer(`{"aud":null}`), oidcupstream.Tokens{}},
		"audience strange":        {jwtAnswer(`{"aud":{"x":1}}`), oidcupstream.Tokens{}},
		"scope of the token":      {jwtAnswer(`{"scope":"x y"}`), oidcupstream.Tokens{Scopes: []string{"x", "y"}}},
		"not JSON inside the JWT": {jwtAnswer(`nonsense`), oidcupstream.Tokens{}},
		"not base64":              {`{"access_token":"a.?.c"}`, oidcupstream.Tokens{}},
		"encrypted":               {`{"access_token":"a.b.c.d.e"}`, oidcupstream.Tokens{}},
	} {
		t.Run(name, func(t *testing.T) {
			p := answering(t, 200, http.Header{"Content-Type": {"text/plain"}}, test.body)
			got, err := p.Refresh(t.Context(), oidcupstream.RefreshRequest{RefreshToken: "r"})
			require.NoError(t, err)
			require.NotEmpty(t, got.AccessToken)
			if test.want.TokenType == "" {
				test.want.TokenType = "Bearer"
			}
			require.Equal(t, test.want.TokenType, got.TokenType)
			require.Equal(t, test.want.ExpiresIn, got.ExpiresIn)
			if test.want.ExpiresIn > 0 {
				require.Equal(t, now.Add(test.want.ExpiresIn), got.Expiry)
			} else {
				require.True(t, got.Expiry.IsZero())
			}
			require.Equal(t, test.want.RefreshToken, got.RefreshToken)
			require.Equal(t, test.want.Scopes, got.Scopes)
			require.Equal(t, test.want.ScopeReturned, got.ScopeReturned)
			require.Equal(t, test.want.Audiences, got.Audiences)
			require.Equal(t, test.want.AudienceKnown, got.AudienceKnown)
		})
	}
}

// Only an OAuth error object is a refusal. Any other answer without a token is Unknown.
func TestErrorAnswers(t *testing.T) {
	const refusal = `{"error":"invalid_grant","error_description":"gone"}`
	for name, test := range map[string]struct {
		status  int
		body    string
		outcome oidcupstream.Outcome
		code    string
	}{
		"400":                        {400, refusal, oidcupstream.Refused, "invalid_grant"},
		"401":                        {401, `{"error":"invalid_client"}`, oidcupstream.Refused, "invalid_client"},
		"400 of Okta":                {400, `{"errorCode":"invalid_client","errorSummary":"Invalid value for 'client_id' parameter.","errorCauses":[]}`, oidcupstream.Refused, "invalid_client"},
		"401 of Okta":                {401, `{"errorCode":"invalid_client","errorSummary":"The client secret supplied for a confidential client is invalid."}`, oidcupstream.Refused, "invalid_client"},
		"400 of Okta's API":          {400, `{"errorCode":"E0000003","errorSummary":"The request body was not well-formed."}`, oidcupstream.Unknown, ""},
		"403":                        {403, refusal, oidcupstream.Refused, "invalid_grant"},
		"429":                        {429, `{"error":"slow_down"}`, oidcupstream.NotProcessed, "slow_down"},
		"200 with error":             {200, refusal, oidcupstream.Refused, "invalid_grant"},
		"200 with error and token":   {200, `{"error":"x","refresh_token":"new"}`, oidcupstream.Unknown, ""},
		"500 with error":             {500, refusal, oidcupstream.Unknown, "invalid_grant"},
		"503 with error":             {503, `{"error":"temporarily_unavailable"}`, oidcupstream.Unknown, "temporarily_unavailable"},
		"302 with error":             {302, refusal, oidcupstream.NotProcessed, "invalid_grant"},
		"400 with empty error":       {400, `{"error":""}`, oidcupstream.Unknown, ""},
		"400 with error object":      {400, `{"error":{"code":5}}`, oidcupstream.Unknown, ""},
		"400 with null":              {400, `null`, oidcupstream.Unknown, ""},
		"400 with an array":          {400, `[]`, oidcupstream.Unknown, ""},
		"400 empty":                  {400, ``, oidcupstream.Unknown, ""},
		"404 text":                   {404, `404 page not found`, oidcupstream.Unknown, ""},
		"400 with something behind":  {400, refusal + "x", oidcupstream.Unknown, ""},
		"200 empty":                  {200, ``, oidcupstream.Unknown, ""},
		"200 with null":              {200, `null`, oidcupstream.Unknown, ""},
		"200 without token":          {200, `{}`, oidcupstream.Unknown, ""},
		"204":                        {204, ``, oidcupstream.Unknown, ""},
		"200 cut off":                {200, `{"access_token":"a"`, oidcupstream.Unknown, ""},
		"200 form":                   {200, `access_token=a&token_type=bearer`, oidcupstream.Unknown, ""},
		"200 with access token null": {200, `{"access_token":null}`, oidcupstream.Unknown, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := answering(t, test.status, nil, test.body)
			_, err := p.Refresh(t.Context(), oidcupstream.RefreshRequest{RefreshToken: "r"})
			e := upstreamError(t, err)
			require.Equal(t, test.outcome, e.Outcome, "%v", e)
			require.Equal(t, test.status, e.Status)
			require.Equal(t, test.code, e.Code)
			require.Equal(t, test.outcome == oidcupstream.Refused && test.code == "invalid_grant", e.InvalidGrant())
			if test.outcome == oidcupstream.Unknown {
				require.ErrorIs(t, err, oidcupstream.ErrAnswer)
			}
		})
	}
}

// A refusal is recognised even if its code contains a weak secret.
func TestRefusalWithWeakSecret(t *testing.T) {
	p := rawProvider(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(400)
		fmt.Fprint(w, `{"error":"invalid_grant"}`)
	}, func(c *oidcupstream.Config) { c.Auth = oidcupstream.ClientSecretBasic("grant") })
	_, err := p.Refresh(t.Context(), oidcupstream.RefreshRequest{RefreshToken: "invalid"})
	require.True(t, upstreamError(t, err).InvalidGrant())
}

// An answer that is shorter than its Content-Length was cut off.
func TestTruncatedAnswer(t *testing.T) {
	p := answering(t, 200, http.Header{"Content-Length": {"1000"}}, `{"access_token":"a"}`)
	_, err := p.Refresh(t.Context(), oidcupstream.RefreshRequest{RefreshToken: "r"})
	require.Equal(t, oidcupstream.Unknown, upstreamError(t, err).Outcome)
	require.ErrorIs(t, err, oidcupstream.ErrAnswer)
}

// A call ends in time if an answer begins and does not end, with every HTTP client.
func TestAnswerWithoutEnd(t *testing.T) {
	var p *oidcupstream.Provider
	var err error
	for timeout, began := 50*time.Millisecond, new(atomic.Bool); !began.Load(); timeout *= 2 { // on a busy machine the time may be over before
		began = new(atomic.Bool)
		p = rawProvider(t, func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body) // otherwise the server does not notice that the client has gone
			fmt.Fprint(w, `{"access_token":`)
			http.NewResponseController(w).Flush()
			began.Store(true)
			<-r.Context().Done()
		}, func(c *oidcupstream.Config) {
			c.HTTPClient, c.Timeout = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, timeout
		})
		_, err = p.Refresh(t.Context(), oidcupstream.RefreshRequest{RefreshToken: "r"})
		require.Error(t, err)
	}
	require.Equal(t, oidcupstream.Unknown, upstreamError(t, err).Outcome)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = p.UserInfo(t.Context(), "token", "sub")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, p.Revoke(t.Context(), "r"), context.DeadlineExceeded)
}

// The limit is exact and counts bytes after decompression.
func TestBodyLimit(t *testing.T) {
	const start, end = `{"access_token":"`, `"}`
	for _, test := range []struct {
		size int
		ok   bool
	}{{1000, true}, {1001, false}, {1 << 20, false}} {
		body := start + strings.Repeat("a", test.size-len(start)-len(end)) + end
		p := rawProvider(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, body) }, func(c *oidcupstream.Config) { c.MaxResponseBytes = 1000 })
		_, err := p.Refresh(t.Context(), oidcupstream.RefreshRequest{RefreshToken: "r"})
		if test.ok {
			require.NoError(t, err)
			continue
		}
		require.Equal(t, oidcupstream.Unknown, upstreamError(t, err).Outcome)
		_, err = p.UserInfo(t.Context(), "token", "sub")
		require.ErrorIs(t, err, oidcupstream.ErrAnswer)
	}
}

// No call follows a redirect, whatever its status.
func TestNoRedirects(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	defer elsewhere.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		p := answering(t, status, http.Header{"Location": {elsewhere.URL}}, "")
		_, err := p.Refresh(t.Context(), oidcupstream.RefreshRequest{RefreshToken: "r"})
		e := upstreamError(t, err)
		require.Equal(t, oidcupstream.NotProcessed, e.Outcome)
		require.Equal(t, status, e.Status)
		require.Equal(t, status, upstreamError(t, p.Revoke(t.Context(), "r")).Status)
		_, err = p.UserInfo(t.Context(), "token", "sub")
		require.Equal(t, status, upstreamError(t, err).Status)
	}
}

func TestClientSecretBasicIsEncodedFirst(t *testing.T) {
	var id, secret string
	p := rawProvider(t, func(w http.ResponseWriter, r *http.Request) {
		id, secret, _ = r.BasicAuth()
		fmt.Fprint(w, `{"access_token":"a"}`)
	})
	_, err := p.Refresh(t.Context(), oidcupstream.RefreshRequest{RefreshToken: "r"})
	require.NoError(t, err)
	require.Equal(t, "raw+client", id)
	require.Equal(t, "s3cret%3A+%2B%2F%26%25", secret)
}

// An answer with very many scopes is refused before anything compares them. Its refresh
// token is not lost. An access token with very many scopes or audiences counts as one
// that cannot be read.
func TestAnswerWithVeryManyScopes(t *testing.T) {
	words := func(n int) []string {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf("s%d", i)
		}
		return list
	}
	const most = 1024
	for name, test := range map[string]struct {
		scope     any
		claim     map[string]any
		ok        bool
		scopes    []string // unread
		audiences []string // unread
	}{
		"most scopes":           {strings.Join(words(most), " "), nil, true, nil, nil},
		"most of all":           {strings.Join(words(most), " "), map[string]any{"scope": strings.Join(words(most), " "), "aud": words(most)}, true, nil, nil},
		"too many scopes":       {strings.Join(words(most+1), " "), nil, false, nil, nil},
		"too many in an array":  {words(most + 1), nil, false, nil, nil},
		"too long a scope":      {strings.Repeat("s", 100_000), nil, false, nil, nil},
		"too many in the token": {strings.Join(words(most), " "), map[string]any{"scope": strings.Join(words(100_000), " "), "aud": "x"}, true, []string{"scope"}, nil},
		"too many roles":        {strings.Join(words(most), " "), map[string]any{"roles": words(most + 1), "aud": "x"}, true, []string{"roles"}, nil},
		"too many audiences":    {strings.Join(words(most), " "), map[string]any{"aud": words(most + 1)}, true, nil, []string{"aud"}},
	} {
		t.Run(name, func(t *testing.T) {
			answer := map[string]any{"access_token": "opaque", "refresh_token": "new"}
			if test.scope != nil {
				answer["scope"] = test.scope
			}
			if test.claim != nil {
				payload, err := json.Marshal(test.claim)
				require.NoError(t, err)
				answer["access_token"] = jwt(string(payload))
			}
			p := rawProvider(t, func(w http.ResponseWriter, _ *http.Request) { json.NewEncoder(w).Encode(answer) })
			tokens, err := p.Refresh(t.Context(), oidcupstream.RefreshRequest{RefreshToken: "old"})
			if test.ok {
				require.NoError(t, err)
				require.Equal(t, words(most), tokens.Scopes)
				require.Equal(t, test.scopes, tokens.ScopesUnread)
				require.Equal(t, test.audiences, tokens.AudiencesUnread)
				require.Equal(t, test.claim != nil && test.audiences == nil, tokens.AudienceKnown)
				return
			}
			require.ErrorIs(t, err, oidcupstream.ErrAnswer)
			require.Equal(t, oidcupstream.Unknown, upstreamError(t, err).Outcome)
			require.Equal(t, "new", upstreamError(t, err).RefreshToken())
		})
	}
}
