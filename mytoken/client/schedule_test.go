package client_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/client"
	"github.com/mytoken-go/sdk/restriction"
)

// TestDeriveWithASchedule: a child gets the schedule that was asked for, with the anchor
// that the server or the client fills in. A child with another schedule is revoked.
//
// proves P1
func TestDeriveWithASchedule(t *testing.T) {
	s := start(t, nil) // 1 March 2030, a Friday
	every2 := restriction.List{{Schedule: &restriction.Schedule{Every: 2}}}
	for name, parent := range map[string]mytoken.Secret{
		"unrestricted": s.token(mytoken.Properties{}),
		"scheduled":    s.token(mytoken.Properties{Restrictions: every2}),
	} {
		child, err := s.client.Derive(t.Context(), parent, client.DeriveRequest{Properties: mytoken.Properties{Restrictions: every2}})
		require.NoError(t, err, name)
		require.Equal(t, `[{"schedule":{"timezone":"UTC","every":2,"anchor":"2030-03-01"}}]`, child.Restrictions.String(), name)
	}
	days := restriction.List{{Schedule: &restriction.Schedule{Days: []int{5}}}}
	_, err := s.client.Derive(t.Context(), s.token(mytoken.Properties{Restrictions: days}), client.DeriveRequest{
		Properties: mytoken.Properties{Restrictions: restriction.List{{Schedule: &restriction.Schedule{Days: []int{5}, From: "22:00", To: "06:00"}}}},
	})
	require.ErrorContains(t, err, "schedule: the parent allows Fridays, UTC, not Fridays from 22:00 to 06:00, UTC")

	f := &fake{answer: func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
		_, _ = w.Write([]byte(`{"mytoken":"the-child","restrictions":[{"schedule":{"timezone":"UTC","every":2,"anchor":"1999-01-01"}}]}`))
	}}
	c := f.client(t, nil)
	narrower := restriction.List{{Schedule: &restriction.Schedule{Every: 4, Anchor: "1999-01-01"}}}
	_, err = c.Derive(t.Context(), aToken, client.DeriveRequest{Properties: mytoken.Properties{Restrictions: narrower}})
	var wider *client.WiderError
	require.ErrorAs(t, err, &wider)
	require.True(t, wider.Revoked)
}
