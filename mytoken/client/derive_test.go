package client_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/client"
	"github.com/mytoken-go/sdk/restriction"
)

// A child for this host alone: what that is, the server knows.
func TestDeriveForThisHost(t *testing.T) {
	s := start(t, nil)
	token := s.token(mytoken.Properties{})
	child, err := s.client.Derive(t.Context(), token, client.DeriveRequest{Properties: client.Properties{
		Restrictions: restriction.List{{Hosts: []string{"this"}, Scopes: []string{"compute"}}},
	}})
	require.NoError(t, err)
	require.Equal(t, []string{"127.0.0.1"}, child.Restrictions[0].Hosts)

	// A child that is too wide in something else is found all the same.
	f := &fake{answer: func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
		_, _ = w.Write([]byte(`{"mytoken":"the-child","restrictions":[{"scope":"compute profile","hosts":["192.0.2.1"]}]}`))
	}}
	_, err = f.client(t, nil).Derive(t.Context(), aToken, client.DeriveRequest{Properties: client.Properties{
		Restrictions: restriction.List{{Hosts: []string{"THIS"}, Scopes: []string{"compute"}}},
	}})
	var wider *client.WiderError
	require.ErrorAs(t, err, &wider)
	require.True(t, wider.Revoked)
	require.Equal(t, 1, f.count("/revoke"))
}
