package client_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/client"
	"github.com/mytoken-go/sdk/mytoken/rest"
	"github.com/mytoken-go/sdk/restriction"
)

// A refusal says why it refuses and when to come back. Explain says the same beforehand.
//
// proves P10
func TestExplain(t *testing.T) {
	s := start(t, func(o *setup) { o.explanations = rest.ExplainClauses })
	ctx := t.Context()
	later := s.Clock.Now().Add(time.Hour)
	token := s.token(mytoken.Properties{Restrictions: restriction.List{
		{Scopes: []string{"compute"}}, {NotBefore: later.Unix(), Scopes: []string{"storage.read"}},
	}})

	_, err := s.client.AccessToken(ctx, token, client.AccessTokenRequest{Scopes: []string{"storage.read"}})
	var refused *client.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, time.Hour, refused.RetryAfter)
	require.Equal(t, "refused, earliest "+later.UTC().Format(time.RFC3339)+"\n"+
		"  clause 0: scope: needs scopes among compute, not \"storage.read\"\n"+
		"  clause 1: nbf: needs a time from "+later.UTC().Format(time.RFC3339), refused.Explanation.String())

	ask := client.ExplainRequest{Scopes: []string{"storage.read"}}
	dry, err := s.client.Explain(ctx, token, ask)
	require.NoError(t, err)
	require.Equal(t, refused.Explanation, dry)
	ask.At = later
	dry, err = s.client.Explain(ctx, token, ask)
	require.NoError(t, err)
	require.True(t, dry.Admitted)
	dry, err = s.client.Explain(ctx, token, client.ExplainRequest{Kind: restriction.Other})
	require.NoError(t, err)
	require.True(t, dry.Admitted)

	store := client.NewFileStore(t.TempDir() + "/token")
	require.NoError(t, store.Save(ctx, token))
	dry, err = s.client.NewHolder(store).Explain(ctx, client.ExplainRequest{Scopes: []string{"profile"}})
	require.NoError(t, err)
	require.True(t, dry.Earliest.IsNever())

	_, err = s.client.AccessToken(ctx, mytoken.NewSecret(token.Reveal()+"x"), client.AccessTokenRequest{})
	require.ErrorAs(t, err, &refused)
	require.Nil(t, refused.Explanation)
}

// A server may tell the keys only.
func TestExplainKeysOnly(t *testing.T) {
	s := start(t, func(o *setup) { o.explanations = rest.ExplainKeys })
	ctx := t.Context()
	token := s.token(mytoken.Properties{Restrictions: restriction.List{{Scopes: []string{"compute"}}}})
	_, err := s.client.AccessToken(ctx, token, client.AccessTokenRequest{Scopes: []string{"profile"}})
	var refused *client.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "refused\n  clause 0: scope", refused.Explanation.String())
	_, err = s.client.Explain(ctx, token, client.ExplainRequest{At: s.Clock.Now()})
	require.True(t, client.IsCode(err, client.CodeInvalidRequest), "%v", err)
}

// A server may not know the action, or answer with anything. Texts of the server are
// cleaned.
func TestExplainByOtherServers(t *testing.T) {
	answer := ""
	actions := []string{"introspect"}
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_ = json.NewEncoder(w).Encode(map[string]any{
				"issuer": server.URL, "tokeninfo_endpoint": server.URL, "tokeninfo_endpoint_actions_supported": actions,
			})
			return
		}
		if answer[0] != '{' {
			w.WriteHeader(http.StatusForbidden)
			answer = answer[1:]
		}
		_, _ = w.Write([]byte(answer))
	}))
	defer server.Close()
	explain := func() (*restriction.Explanation, error) {
		c, err := client.New(client.Config{Issuer: server.URL, Attempts: 1})
		require.NoError(t, err)
		return c.Explain(t.Context(), mytoken.NewSecret("a-mytoken"), client.ExplainRequest{})
	}
	_, err := explain()
	require.ErrorIs(t, err, client.ErrUnsupported)

	actions = []string{"explain"}
	answer = `{}`
	_, err = explain()
	var bad *client.AnswerError
	require.ErrorAs(t, err, &bad)

	const evil = `{"clauses":[{"clause":7,"objections":[{"key":"n\u001b[2Jbf","needed":"a-mytoken\r\nx"}]}],"objection":{"key":"\u0000k"}}`
	answer = `{"mytoken_explanation":` + evil + `}`
	got, err := explain()
	require.NoError(t, err)
	require.Equal(t, []restriction.Objection{{Key: "n[2Jbf", Need: mytoken.NewSecret("a-mytoken").String() + "x"}}, got.Clauses[0].Objections)
	require.Equal(t, "k", got.Objection.Key)
	answer = `!{"error":"usage_restricted","mytoken_explanation":` + evil + `}`
	_, err = explain()
	var refused *client.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, got, refused.Explanation)
	for _, other := range []string{`"closed"`, `[1]`, `{"clauses":{}}`, `null`} {
		answer = `!{"error":"usage_restricted","mytoken_explanation":` + other + `}`
		_, err = explain()
		require.ErrorAs(t, err, &refused)
		require.Equal(t, client.CodeUsageRestricted, refused.Code, other)
		require.Nil(t, refused.Explanation)
	}
}
