package client_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/client"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/memstore"
	"github.com/mytoken-go/sdk/store/storetest"
)

// The database of a server restarts. The client tries again when the server says so, and
// a request counts once.
//
// proves P3, P8
func TestDatabaseRestarts(t *testing.T) {
	faulty := storetest.NewFaulty(memstore.New(), nil)
	s := start(t, func(o *setup) { o.Store = faulty })
	token := s.token(mytoken.Properties{Restrictions: restriction.List{{UsagesAT: restriction.Usages(1)}}})
	back := s.Clock.Now().Add(5 * time.Second)
	faulty.Reset(func(c storetest.Call) error {
		if c.Before && s.Clock.Now().Before(back) {
			return fmt.Errorf("%w: connection refused", store.ErrUnavailable)
		}
		return nil
	})
	got, err := s.client.AccessToken(t.Context(), token, client.AccessTokenRequest{})
	require.NoError(t, err)
	require.False(t, got.Token.IsEmpty())
	require.False(t, s.Clock.Now().Before(back))
	faulty.Reset(nil)
	info, err := s.client.Introspect(t.Context(), token)
	require.NoError(t, err)
	require.EqualValues(t, 1, info.Used[0].AT)
}
