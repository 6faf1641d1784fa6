package issuer_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/paralleltest"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/storetest"
)

// countNotices counts the notices of one kind.
func countNotices(n *int, kind issuer.NoticeKind) func(context.Context, issuer.Notice) {
	return func(_ context.Context, notice issuer.Notice) {
		if notice.Kind == kind {
			*n++
		}
	}
}

// proves P8
func TestRepeatedRequestCountsOnce(t *testing.T) {
	w := newWorld(t, optest.RotateStrict, worldOptions{limit: 1})
	id := issuer.NewUseID()
	for range 3 {
		_, err := w.request(t.Context(), w.issuer, id)
		require.NoError(t, err)
		w.requireCharged(t, 1)
	}
	_, err := w.request(t.Context(), w.issuer, store.UseID{})
	errAs[*issuer.RefusedError](t, err)
}

// proves P8
func TestRepeatedAfterItWasGivenBack(t *testing.T) {
	w := newWorld(t, optest.RotateStrict, worldOptions{limit: 1})
	id := issuer.NewUseID()
	for range 4 {
		w.failOnce(optest.Fault{Refuse: "temporarily_unavailable"})
		_, err := w.request(t.Context(), w.issuer, id)
		errAs[*issuer.UpstreamError](t, err)
		w.requireCharged(t, 0)
	}
	for range 2 {
		_, err := w.request(t.Context(), w.issuer, id)
		require.NoError(t, err)
		w.requireCharged(t, 1)
	}
	// The outcome is known now. Nobody asks the provider again.
	w.failOnce(optest.Fault{Refuse: "temporarily_unavailable"})
	_, err := w.request(t.Context(), w.issuer, id)
	require.NoError(t, err)
	w.requireCharged(t, 1)
}

// proves P8
func TestRepeatedTooOften(t *testing.T) {
	w := newWorld(t, optest.RotateOff, worldOptions{limit: 1})
	w.fault(func(optest.FaultPoint) optest.Fault { return optest.Fault{Refuse: "temporarily_unavailable"} })
	id := issuer.NewUseID()
	n := 0
	for ; n < 100; n++ {
		_, err := w.request(t.Context(), w.issuer, id)
		if errors.Is(err, issuer.ErrRepeatedID) {
			break
		}
		errAs[*issuer.UpstreamError](t, err)
	}
	require.Equal(t, 32, n)
	w.requireCharged(t, 0)
	w.fault(nil)
	_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
	require.NoError(t, err)
}

// The store does not say whether a step took effect, at any step of a request.
//
// proves P8
func TestRepeatedAfterAnUnknownOutcome(t *testing.T) {
	for _, method := range []string{"Spend", "BeginRefresh", "Token", "ChangeTickets"} {
		for _, before := range []bool{true, false} {
			for _, calls := range []int{3, 100} { // 100: the request cannot be called off either
				t.Run(fmt.Sprintf("%s/before=%t/%d", method, before, calls), func(t *testing.T) {
					w := newWorld(t, optest.RotateStrict, worldOptions{limit: 1, apart: method == "BeginRefresh"})
					id := issuer.NewUseID()
					w.store.Reset(func(c storetest.Call) error {
						if c.Method == method && c.Before == before && c.N <= calls || calls == 100 && c.Method == "Refund" {
							return storetest.ErrFault
						}
						return nil
					})
					_, err := w.request(t.Context(), w.issuer, id)
					errAs[*issuer.StoreError](t, err)
					w.store.Reset(nil)
					_, err = w.request(t.Context(), w.issuer, id)
					require.NoError(t, err)
					w.requireCharged(t, 1)
					require.Zero(t, w.reuses())
				})
			}
		}
	}
}

// An ID answers with its access token while that is valid, which is an hour here. It is
// remembered for a day. Then it is refused for a while, rather than taken for a new one.
// Later still it is new.
//
// proves P3, P8
func TestRepeatedDaysLater(t *testing.T) {
	w := newWorld(t, optest.RotateOff, worldOptions{limit: 9})
	id := issuer.NewUseID()
	for _, c := range []struct {
		after   time.Duration
		refused bool
		charged int64
	}{{0, false, 1}, {59 * time.Minute, false, 1}, {22 * time.Hour, true, 1}, {2 * time.Hour, true, 1}, {48 * time.Hour, false, 2}} {
		w.clock.Advance(c.after)
		_, err := w.issuer.Sweep(t.Context(), 1000)
		require.NoError(t, err)
		_, err = w.request(t.Context(), w.issuer, id)
		if c.refused {
			require.ErrorIs(t, err, issuer.ErrRepeatedID)
		} else {
			require.NoError(t, err)
		}
		w.requireCharged(t, c.charged)
	}
}

// An ID counts for one token and one kind of request.
func TestRepeatedForSomethingElse(t *testing.T) {
	w := newWorld(t, optest.RotateOff, worldOptions{limit: 9})
	id := issuer.NewUseID()
	child, err := w.issuer.Derive(t.Context(), issuer.DeriveRequest{Token: w.token, ID: id, Client: mytokentest.Client})
	require.NoError(t, err)
	first, err := w.request(t.Context(), w.issuer, id)
	require.NoError(t, err)
	w.requireCharged(t, 1) // and not taken for the use that derived
	other, err := w.issuer.AccessToken(t.Context(), issuer.AccessTokenRequest{Token: child.Token, ID: id, Client: mytokentest.Client})
	require.NoError(t, err)
	w.requireCharged(t, 2) // and not taken for the use of the parent
	require.False(t, first.Token.Equal(other.Token))
}

// The clause that a request was charged to does not admit its repetition any more, but
// another clause does. If nothing was handed out, the charge moves there. If something
// was, it cannot move.
//
// proves P1, P8
func TestRepeatedInAnotherPhase(t *testing.T) {
	for _, delivered := range []bool{false, true} {
		s := start(t, mytokentest.Options{})
		list, err := restriction.Phases(s.Clock.Now(), restriction.First(time.Hour).AccessTokens(1), restriction.After(time.Hour).AccessTokens(1))
		require.NoError(t, err)
		token := login(t, s, mytoken.Properties{Restrictions: list})
		cfg := s.Config
		f := storetest.NewFaulty(s.Store, nil)
		cfg.Store = f
		iss, err := issuer.New(cfg)
		require.NoError(t, err)
		req := issuer.AccessTokenRequest{Token: token.Token, ID: issuer.NewUseID(), Client: mytokentest.Client}
		if !delivered {
			f.Reset(failFirst("ChangeTickets", 100, true)) // neither handed out nor called off
		}
		_, err = iss.AccessToken(t.Context(), req)
		require.Equal(t, delivered, err == nil, "%v", err)
		f.Reset(nil)
		s.Clock.Advance(time.Hour + time.Minute)
		_, err = iss.AccessToken(t.Context(), req)
		info, ierr := s.Store.Token(t.Context(), token.ID)
		require.NoError(t, ierr)
		used := []int64{info.Counters[0].ATUsed, info.Counters[1].ATUsed}
		if delivered {
			require.ErrorIs(t, err, issuer.ErrRepeatedID)
			require.Equal(t, []int64{1, 0}, used)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, []int64{0, 1}, used)
	}
}

// Two calls with one ID run on two nodes. One is called off before or after the other has
// handed out. Either way, what is handed out stays charged.
//
// proves P3, P8
func TestRepeatedWhileItRuns(t *testing.T) {
	for _, handedOutFirst := range []bool{true, false} {
		t.Run(fmt.Sprintf("handedOutFirst=%t", handedOutFirst), func(t *testing.T) {
			w := newWorld(t, optest.RotateOff, worldOptions{limit: 1})
			id := issuer.NewUseID()
			// The held node stops just before it hands out, or just before it refunds.
			// The first verdict counts.
			gate := newGate(t)
			held, err := w.node(func(c *issuer.Config) {
				c.Store = storetest.NewFaulty(w.store, func(call storetest.Call) error {
					if call == storetest.Before("ChangeTickets", 1) {
						gate.wait(t.Context())
					}
					return nil
				})
			})
			require.NoError(t, err)
			req := issuer.AccessTokenRequest{ID: id, Scopes: []string{"compute"}}
			if handedOutFirst {
				w.failOnce(optest.Fault{Refuse: "temporarily_unavailable"})
			}
			r := w.start(t.Context(), held, req)
			gate.await(t)

			if !handedOutFirst {
				w.failOnce(optest.Fault{Refuse: "temporarily_unavailable"})
			}
			_, err = w.request(t.Context(), w.issuer, id)
			require.Equal(t, handedOutFirst, err == nil, "%v", err)
			gate.open()
			err = await(t, r).err
			require.Equal(t, handedOutFirst, err != nil, "%v", err)
			w.requireCharged(t, 1) // whichever handed out
		})
	}
}

// Many calls with few IDs run on several nodes, while the provider fails at random. An ID
// is charged once if something was handed out for it, and not at all if nothing was and
// the outcome is known.
//
// proves P3, P8
func TestRepeatedUnderLoad(t *testing.T) {
	site := newSite(t, optest.Options{Rotation: optest.RotateGrace, Grace: time.Minute})
	const ids, calls = 4, 6
	for round := range loadRounds / 2 {
		w, err := site.world(t.Context(), worldOptions{limit: ids})
		require.NoError(t, err)
		nodes := nodesOf(t, w, 3)
		var n atomic.Int64
		w.fault(func(optest.FaultPoint) optest.Fault {
			switch (int(n.Add(1)) + round) % 3 {
			case 0:
				return optest.Fault{Refuse: "temporarily_unavailable"}
			case 1:
				return optest.Fault{Scopes: []string{"storage.write"}} // withheld
			}
			return optest.Fault{}
		})
		names := make([]store.UseID, ids)
		for k := range names {
			names[k] = issuer.NewUseID()
		}
		var handedOut [ids]atomic.Bool
		paralleltest.Do(ids*calls, func(k int) {
			_, err := nodes[k%3].AccessToken(t.Context(), issuer.AccessTokenRequest{
				Token: w.token, ID: names[k%ids], Scopes: distinctScopes[k/ids%2], Client: mytokentest.Client,
			})
			var upstream *issuer.UpstreamError
			switch {
			case err == nil:
				handedOut[k%ids].Store(true)
			case !errors.As(err, &upstream) || upstream.Charged:
				assert.NoError(t, err)
			}
		})
		want := int64(0)
		for k := range handedOut {
			if handedOut[k].Load() {
				want++
			}
		}
		w.requireCharged(t, want)
	}
}

// Requests that count as other uses can be repeated too, after the store did not say
// whether it charged.
//
// proves P8
func TestRepeatedOtherUse(t *testing.T) {
	for _, before := range []bool{true, false} {
		w := newWorld(t, optest.RotateOff, worldOptions{limit: 9})
		req := issuer.HistoryRequest{Token: w.token, ID: issuer.NewUseID(), Client: mytokentest.Client}
		for range 2 {
			w.store.Reset(failFirst("Spend", 3, before))
			_, err := w.issuer.History(t.Context(), req)
			errAs[*issuer.StoreError](t, err)
		}
		w.store.Reset(nil)
		for range 2 {
			_, err := w.issuer.History(t.Context(), req)
			require.NoError(t, err)
		}
		info, err := w.inner.Token(t.Context(), w.id)
		require.NoError(t, err)
		require.EqualValues(t, 1, info.Counters[0].OtherUsed)
	}
}

// A child that the store may have made stays charged: the repetition gets it.
//
// proves P3, P8
func TestRepeatedDerivation(t *testing.T) {
	for _, before := range []bool{true, false} {
		w := newWorld(t, optest.RotateOff, worldOptions{limit: 9})
		req := issuer.DeriveRequest{Token: w.token, ID: issuer.NewUseID(), Client: mytokentest.Client}
		w.store.Reset(failFirst("CreateChild", 3, before))
		_, err := w.issuer.Derive(t.Context(), req)
		errAs[*issuer.StoreError](t, err)
		w.store.Reset(nil)
		first, err := w.issuer.Derive(t.Context(), req)
		require.NoError(t, err)
		again, err := w.issuer.Derive(t.Context(), req)
		require.NoError(t, err)
		require.Equal(t, first.ID, again.ID)
		info, err := w.inner.Token(t.Context(), w.id)
		require.NoError(t, err)
		require.EqualValues(t, 1, info.Counters[0].OtherUsed)
	}
}
