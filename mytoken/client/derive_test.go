package client_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/client"
	"github.com/mytoken-go/sdk/restriction"
)

// Only the server knows which host "this" is. Derive accepts the address that it puts
// there.
func TestDeriveForThisHost(t *testing.T) {
	s := start(t, nil)
	token := s.token(mytoken.Properties{})
	child, err := s.client.Derive(t.Context(), token, client.DeriveRequest{Properties: mytoken.Properties{
		Restrictions: restriction.List{{Hosts: []string{"this"}, Scopes: []string{"compute"}}},
	}})
	require.NoError(t, err)
	require.Equal(t, []string{"127.0.0.1"}, child.Restrictions[0].Hosts)

	// Derive still finds a child that is too wide in another key.
	f := &fake{answer: func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
		_, _ = w.Write([]byte(`{"mytoken":"the-child","restrictions":[{"scope":"compute profile","hosts":["192.0.2.1"]}]}`))
	}}
	_, err = f.client(t, nil).Derive(t.Context(), aToken, client.DeriveRequest{Properties: mytoken.Properties{
		Restrictions: restriction.List{{Hosts: []string{"THIS"}, Scopes: []string{"compute"}}},
	}})
	var wider *client.WiderError
	require.ErrorAs(t, err, &wider)
	require.True(t, wider.Revoked)
	require.Equal(t, 1, f.count("/revoke"))

	// If the revocation fails, the error says why, and is no answer about the parent.
	f.answer = func(w http.ResponseWriter, r *http.Request, _ map[string]any) {
		if r.URL.Path == "/revoke" {
			answer(w, http.StatusUnauthorized, map[string]string{"error": client.CodeInvalidToken, "error_description": "no such token"})
			return
		}
		_, _ = w.Write([]byte(`{"mytoken":"the-child","restrictions":[{"scope":"compute profile"}]}`))
	}
	_, err = f.client(t, nil).Derive(t.Context(), aToken, client.DeriveRequest{Properties: mytoken.Properties{
		Restrictions: restriction.List{{Scopes: []string{"compute"}}},
	}})
	require.ErrorAs(t, err, &wider)
	require.False(t, wider.Revoked)
	require.True(t, client.IsCode(wider.RevokeErr, client.CodeInvalidToken))
	require.ErrorContains(t, err, "no such token")
	require.False(t, client.IsCode(err, client.CodeInvalidToken))
}

// A list that has lost its last entry is refused, and nothing is sent. The server would
// read an empty list as no restriction, or as all that the parent may do.
//
// proves P1
func TestEmptyListsAreRefused(t *testing.T) {
	f := &fake{answer: func(w http.ResponseWriter, r *http.Request, _ map[string]any) {
		t.Errorf("%s is asked", r.URL.Path)
		answer(w, http.StatusOK, map[string]any{"mytoken": "a-token", "mytoken_type": "token"})
	}}
	c := f.client(t, nil)
	for name, req := range map[string]client.LoginRequest{
		"Capabilities":                {Properties: mytoken.Properties{Capabilities: capability.Set{}}},
		"Restrictions":                {Properties: mytoken.Properties{Restrictions: restriction.List{}}},
		"RestrictionsJSON":            {RestrictionsJSON: []byte{}},
		"RestrictionsJSON of none":    {RestrictionsJSON: []byte("[ ]\n")},
		"RestrictionsJSON of nothing": {RestrictionsJSON: []byte(" null")},
		"Include":                     {Include: []string{}},
		"both":                        {Properties: mytoken.Properties{Restrictions: restriction.List{}}, RestrictionsJSON: []byte(`[{"exp":"+1d"}]`)},
	} {
		_, err := c.StartLogin(t.Context(), req)
		require.ErrorIs(t, err, client.ErrEmptyList, name)
		_, err = c.Derive(t.Context(), aToken, client.DeriveRequest{
			Properties: req.Properties, RestrictionsJSON: req.RestrictionsJSON, Include: req.Include,
		})
		require.ErrorIs(t, err, client.ErrEmptyList, name)
	}
}
