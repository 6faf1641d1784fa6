package issuer_test

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/dbtest"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store/memstore"
	"github.com/mytoken-go/sdk/store/sqlstore"
	"github.com/mytoken-go/sdk/store/storetest"
)

// stuck holds calls of a store method until the gate opens, whatever their contexts say.
// Before that, the first calls of another method lose their answers.
func stuck(gate *testGate, method, loses string) func(storetest.Call) error {
	return func(c storetest.Call) error {
		switch {
		case c.Method == method && c.Before:
			gate.wait(context.Background())
		case c.Method == loses && !c.Before && c.N <= 3:
			return storetest.ErrFault
		}
		return nil
	}
}

// A step of the store, or a call to the provider, that must not end with its request
// hangs. The request is answered when its time is over. The step goes on, Close waits for
// it, and no use stays charged for nothing.
//
// proves P3
func TestAnswerDoesNotWaitBeyondTheDeadline(t *testing.T) {
	access := func(id issuer.UseID) func(context.Context, *world) error {
		return func(ctx context.Context, w *world) error {
			_, err := w.request(ctx, w.issuer, id)
			return err
		}
	}
	rotating := &mytoken.Rotation{OnAT: true, AutoRevoke: true}
	for name, c := range map[string]struct {
		method, loses string
		fault         optest.Fault
		rotation      *mytoken.Rotation
		do            func(context.Context, *world) error
	}{
		"charge unknown":          {method: "Refund", loses: "Spend", do: access(issuer.UseID{})},
		"charge unknown, with id": {method: "ChangeTickets", loses: "Spend", do: access(issuer.NewUseID())},
		"provider refuses":        {method: "Refund", fault: optest.Fault{Refuse: "invalid_scope"}, do: access(issuer.UseID{})},
		"broader answer":          {method: "Refund", fault: optest.Fault{Scopes: []string{"compute", "storage.write"}}, do: access(issuer.UseID{})},
		"rotation":                {method: "Rotate", rotation: rotating, do: access(issuer.UseID{})},
		"child unknown": {method: "Revoke", loses: "CreateChild", do: func(ctx context.Context, w *world) error {
			_, err := w.issuer.Derive(ctx, issuer.DeriveRequest{Token: w.token, Client: client})
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, optest.RotateStrict, worldOptions{limit: 9, rotation: c.rotation})
			gate := newGate(t)
			w.store.Reset(stuck(gate, c.method, c.loses))
			if c.fault.Refuse != "" || c.fault.Scopes != nil {
				w.failOnce(c.fault)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			answered := make(chan error, 1)
			go func() { answered <- c.do(ctx, w) }()
			gate.await(t)
			requireAnswer(t, answered)
			gate.open()
			require.NoError(t, w.close(t.Context()))
			w.requireCharged(t, 0)
			require.Zero(t, w.told(issuer.NoticeRefundFailed))
		})
	}
}

// requireAnswer checks that an operation ends with an error, although the gate is closed.
func requireAnswer(t *testing.T, answered <-chan error) {
	t.Helper()
	select {
	case err := <-answered:
		require.Error(t, err)
	case <-time.After(soon / 4):
		require.Fail(t, "no answer")
	}
}

// The same for somebody who presents an outdated token: its tree is revoked in any case.
//
// proves P4
func TestReuseIsAnsweredInTime(t *testing.T) {
	w := newWorld(t, optest.RotateStrict, worldOptions{rotation: &mytoken.Rotation{OnAT: true, AutoRevoke: true}})
	outdated := w.token
	for range 2 {
		_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
		require.NoError(t, err)
	}
	w.clock.Advance(time.Minute)
	gate := newGate(t)
	w.store.Reset(stuck(gate, "Revoke", ""))
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	r := w.start(ctx, w.issuer, issuer.AccessTokenRequest{Token: outdated})
	gate.await(t)
	require.Equal(t, issuer.TokenReused, errAs[*issuer.TokenError](t, await(t, r).err).Reason)
	gate.open()
	require.NoError(t, w.close(t.Context()))
	info, err := w.inner.Token(t.Context(), w.id)
	require.NoError(t, err)
	require.False(t, info.Live)
}

// A provider that does not answer a revocation does not delay the answer either. The token
// is revoked here, and the answer says that the provider does not know yet.
//
// proves P4
func TestRevocationIsAnsweredInTime(t *testing.T) {
	gate := newGate(t)
	s := start(t, mytokentest.Options{Provider: optest.Options{Faults: func(at optest.FaultPoint) optest.Fault {
		if at.Endpoint == optest.EndpointRevoke {
			return optest.Fault{Wait: gate.wait}
		}
		return optest.Fault{}
	}}})
	token := login(t, s, mytoken.Properties{Capabilities: allCapabilities})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	began := time.Now()
	r, err := s.Issuer.Revoke(ctx, issuer.RevokeRequest{Token: token.Token, Recursive: true, Client: client})
	require.NoError(t, err)
	require.Less(t, time.Since(began), 6*time.Second, "the provider may take 8 s")
	require.Equal(t, token.ID, r.Revoked)
	require.False(t, r.AtProvider)
	require.ErrorIs(t, r.ProviderErr, context.DeadlineExceeded)
	gate.open()
	require.NoError(t, s.Issuer.Close(t.Context()))
	require.Equal(t, "alice", lastEvent(t, s, optest.Revoked).Subject)
}

// A login that takes longer than the browser may wait goes on without it, and whoever
// polls gets the outcome.
func TestLoginIsAnsweredInTime(t *testing.T) {
	for _, fails := range []bool{false, true} {
		t.Run(fmt.Sprintf("fails=%t", fails), func(t *testing.T) {
			steps := storetest.NewFaulty(memstore.New(), nil)
			s := start(t, mytokentest.Options{Store: steps})
			n := native(t, s, issuer.LoginRequest{Properties: agreedProperties})
			login, err := s.Issuer.Approve(t.Context(), n.ConsentCode, agreedProperties)
			require.NoError(t, err)
			finish := browse(t, login, "alice")
			if fails {
				finish.Query.Del("code")
			}
			gate := newGate(t)
			steps.Reset(func(c storetest.Call) error {
				if c.Before && (c.Method == "CreateRoot" || c.Method == "ChangeTickets" && c.N == 2) {
					gate.wait(context.Background())
				}
				return nil
			})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			answered := make(chan error, 1)
			go func() {
				_, err := s.Issuer.FinishLogin(ctx, finish)
				answered <- err
			}()
			gate.await(t)
			requireAnswer(t, answered)
			gate.open()
			require.NoError(t, s.Issuer.Close(t.Context()))
			_, err = poll(t, s, n)
			if fails {
				requireCodeError(t, err, issuer.CodeFailed)
			} else {
				require.NoError(t, err)
			}
		})
	}
}

// Another transaction of the database holds the rows that a use needs. The answer comes
// when the request's time is over, not seconds later. The charge, if there is one, is
// given back as soon as the lock is gone.
//
// proves P3
func TestAnswerWithALockedRow(t *testing.T) {
	db, err := sql.Open("pgx", dbtest.NewPostgreSQL(t))
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	require.NoError(t, sqlstore.Migrate(t.Context(), db, sqlstore.PostgreSQL, sqlstore.Options{}))
	st, err := sqlstore.New(t.Context(), db, sqlstore.PostgreSQL, sqlstore.Options{})
	require.NoError(t, err)
	s := start(t, mytokentest.Options{Store: st})
	token := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Restrictions: restriction.List{{UsagesAT: restriction.Usages(9)}}})
	for _, id := range []issuer.UseID{{}, issuer.NewUseID()} {
		tx, err := db.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		for _, table := range []string{"mytoken_counters", "mytoken_history", "mytoken_tickets"} {
			_, err = tx.ExecContext(t.Context(), "LOCK TABLE "+table+" IN EXCLUSIVE MODE")
			require.NoError(t, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		began := time.Now()
		_, err = s.Issuer.AccessToken(ctx, issuer.AccessTokenRequest{Token: token.Token, ID: id, Client: client})
		require.Error(t, err)
		require.Less(t, time.Since(began), 4*time.Second, "%v", err)
		cancel()
		require.NoError(t, tx.Rollback())
	}
	require.NoError(t, s.Issuer.Close(t.Context()))
	info, err := st.Token(t.Context(), token.ID)
	require.NoError(t, err)
	require.Zero(t, info.Counters[0].ATUsed)
}
