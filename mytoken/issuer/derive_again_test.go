package issuer_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store/memstore"
	"github.com/mytoken-go/sdk/store/storetest"
)

// A repetition with the same ID gets the same child, and counts once.
//
// proves P8
func TestDeriveAgain(t *testing.T) {
	s := start(t, mytokentest.Options{})
	ctx := t.Context()
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Restrictions: restriction.List{{UsagesOther: usages(2)}}})
	req := issuer.DeriveRequest{Token: root.Token, ID: issuer.NewUseID(), Client: client, Response: mytoken.Response{Type: mytoken.ResponseShortToken}}
	values, errs := atOnce(8, func() (*mytoken.Issued, error) { return s.Issuer.Derive(ctx, req) })
	for k, err := range errs {
		require.NoError(t, err)
		require.True(t, values[0].Token.Equal(values[k].Token))
		require.Equal(t, values[0].ID, values[k].ID)
	}
	requireUsable(t, s, values[0].Token)
	counters := func() mytoken.Counter {
		i, err := s.Issuer.Introspect(ctx, issuer.IntrospectRequest{Token: root.Token, Client: client})
		require.NoError(t, err)
		return i.Counters[0]
	}
	require.EqualValues(t, 1, counters().OtherUsed)
	require.Len(t, stateOf(t, s).Tokens, 2)

	// The reply comes even after the last use of the parent.
	last := req
	last.ID = issuer.NewUseID()
	first, err := s.Issuer.Derive(ctx, last)
	require.NoError(t, err)
	again, err := s.Issuer.Derive(ctx, last)
	require.NoError(t, err)
	require.True(t, first.Token.Equal(again.Token))
	require.EqualValues(t, 2, counters().OtherUsed)

	// The same ID with another token is another request.
	stranger := login(t, s, mytoken.Properties{Capabilities: allCapabilities})
	other := req
	other.Token = stranger.Token
	foreign, err := s.Issuer.Derive(ctx, other)
	require.NoError(t, err)
	require.NotEqual(t, values[0].ID, foreign.ID)

	// After the lifetime of a code the reply is gone, and the ID cannot be used again.
	s.Clock.Advance(6 * time.Minute)
	_, err = s.Issuer.Derive(ctx, req)
	require.ErrorIs(t, err, issuer.ErrRepeatedID)
	require.Len(t, stateOf(t, s).Tokens, 5)
}

// If two calls have one ID, the slower one gets the result of the faster one, even if it
// looked before that was stored. That holds for the last use, and for the last token that
// the user may have.
//
// proves P8
func TestDeriveAgainMeanwhile(t *testing.T) {
	for _, method := range []string{"CreateChild", "Lookup", "Count"} {
		t.Run(method, func(t *testing.T) {
			var meanwhile func()
			faulty := storetest.NewFaulty(memstore.New(), func(c storetest.Call) error {
				if c.Method == method && c.Before && meanwhile != nil {
					f := meanwhile
					meanwhile = nil
					f()
				}
				return nil
			})
			s := start(t, mytokentest.Options{Store: faulty, Config: func(c *issuer.Config) { c.Limits.TokensPerUser = 2 }})
			root := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Restrictions: restriction.List{{UsagesOther: usages(1)}}})
			req := issuer.DeriveRequest{Token: root.Token, ID: issuer.NewUseID(), Client: client}
			var first *mytoken.Issued
			meanwhile = func() {
				var err error
				first, err = s.Issuer.Derive(t.Context(), req)
				require.NoError(t, err)
			}
			second, err := s.Issuer.Derive(t.Context(), req)
			require.NoError(t, err)
			require.True(t, first.Token.Equal(second.Token))
		})
	}
}

// A repetition does not hand out a revoked child.
//
// proves P6
func TestDeriveAgainAfterRevocation(t *testing.T) {
	s := start(t, mytokentest.Options{})
	ctx := t.Context()
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities})
	req := issuer.DeriveRequest{Token: root.Token, ID: issuer.NewUseID(), Client: client}
	child, err := s.Issuer.Derive(ctx, req)
	require.NoError(t, err)
	revoke(t, s, child.Token, false)
	_, err = s.Issuer.Derive(ctx, req)
	require.ErrorIs(t, err, issuer.ErrRepeatedID)
	require.Zero(t, ticketsLeft(t, s), "the answer is erased with its token")

	req.ID = issuer.NewUseID()
	_, err = s.Issuer.Derive(ctx, req)
	require.NoError(t, err)
	revoke(t, s, root.Token, false) // the child lives
	_, err = s.Issuer.Derive(ctx, req)
	requireTokenError(t, err, issuer.TokenRevoked)
}

// A repetition returns the successor of the parent, too.
//
// proves P8
func TestDeriveAgainAfterRotation(t *testing.T) {
	s := start(t, mytokentest.Options{})
	ctx := t.Context()
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Rotation: &mytoken.Rotation{OnOther: true, AutoRevoke: true}})
	req := issuer.DeriveRequest{Token: root.Token, ID: issuer.NewUseID(), Client: client}
	first, err := s.Issuer.Derive(ctx, req)
	require.NoError(t, err)
	require.NotNil(t, first.Update)
	again, err := s.Issuer.Derive(ctx, req)
	require.NoError(t, err)
	require.NotNil(t, again.Update)
	require.True(t, first.Token.Equal(again.Token))
	require.True(t, first.Update.Token.Equal(again.Update.Token))
	requireUsable(t, s, again.Update.Token)
}

// The store does not say whether a faster call with the same ID has made the child. So
// nobody may take the refusal of the slower one for final.
//
// proves P8
func TestDeriveAgainMeanwhileWithoutAnAnswer(t *testing.T) {
	var meanwhile func()
	down := false
	faulty := storetest.NewFaulty(memstore.New(), func(c storetest.Call) error {
		if down && c.Method == "ResolveTicket" {
			return storetest.ErrFault
		}
		if c.Method == "Lookup" && c.Before && meanwhile != nil {
			f := meanwhile
			meanwhile = nil
			f()
			down = true
		}
		return nil
	})
	s := start(t, mytokentest.Options{Store: faulty})
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Restrictions: restriction.List{{UsagesOther: usages(1)}}})
	req := issuer.DeriveRequest{Token: root.Token, ID: issuer.NewUseID(), Client: client}
	var first *mytoken.Issued
	meanwhile = func() {
		var err error
		first, err = s.Issuer.Derive(t.Context(), req)
		require.NoError(t, err)
	}
	_, err := s.Issuer.Derive(t.Context(), req)
	errAs[*issuer.StoreError](t, err)
	down = false
	second, err := s.Issuer.Derive(t.Context(), req)
	require.NoError(t, err)
	require.True(t, first.Token.Equal(second.Token))
}
