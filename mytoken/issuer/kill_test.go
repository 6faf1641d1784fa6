package issuer_test

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/dbtest"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/store/seal"
	"github.com/mytoken-go/sdk/store/sqlstore"
	"github.com/mytoken-go/sdk/store/storetest"
)

// killOrder tells a process what to do. It is for tests: it holds secrets.
type killOrder struct {
	DSN, Dir, Provider, ClientID, Secret, Key, Signing, Token string

	At string // the step of the store that never begins
}

const killVariable = "ISSUER_TEST_KILL_ORDER"

// issuer returns an issuer of the service in this process.
func (o *killOrder) issuer(t *testing.T, change func(*issuer.Config)) *issuer.Issuer {
	t.Helper()
	db, err := sql.Open("pgx", o.DSN)
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	st, err := sqlstore.New(t.Context(), db, sqlstore.PostgreSQL, sqlstore.Options{})
	require.NoError(t, err)
	upstream, err := oidcupstream.New(oidcupstream.Config{
		Issuer: o.Provider, ClientID: o.ClientID, Auth: oidcupstream.ClientSecretBasic(o.Secret), RedirectURL: mytokentest.IssuerURL + "/redirect",
	})
	require.NoError(t, err)
	key, err := seal.ParseKey(o.Key)
	require.NoError(t, err)
	ring, err := seal.NewRing(seal.RingConfig{Active: key})
	require.NoError(t, err)
	signing, err := mytoken.ParseKeyPEM([]byte(o.Signing), mytoken.ES256)
	require.NoError(t, err)
	keys, err := mytoken.NewKeys(signing)
	require.NoError(t, err)
	c := issuer.Config{
		Issuer: mytokentest.IssuerURL, Store: st, Seal: ring, Keys: keys, Providers: []issuer.Provider{{Upstream: upstream}},
		Logger: quiet, SpillDir: o.Dir, Lease: 10 * time.Minute, InDoubtWait: -1, WaitLimit: soon,
	}
	if change != nil {
		change(&c)
	}
	i, err := issuer.New(c)
	require.NoError(t, err)
	return i
}

// TestKilledProcess is what a process runs that is killed before a step, or while one is
// still outstanding after it has answered.
func TestKilledProcess(t *testing.T) {
	text := os.Getenv(killVariable)
	if text == "" {
		t.SkipNow()
	}
	var o killOrder
	require.NoError(t, json.Unmarshal([]byte(text), &o))
	i := o.issuer(t, func(c *issuer.Config) {
		c.Store = storetest.NewFaulty(c.Store, func(call storetest.Call) error {
			if call.Method == o.At && call.Before {
				if o.At != "EndRefresh" { // nobody waits for that
					fmt.Println("here")
				}
				select {}
			}
			return nil
		})
	})
	require.NoError(t, i.Recover(t.Context()))
	_, err := i.AccessToken(t.Context(), issuer.AccessTokenRequest{Token: mytoken.NewSecret(o.Token), Client: client})
	require.NoError(t, err)
	fmt.Println("here")
	select {}
}

// killed runs such a process and kills it. At CommitRefresh, the answer of the provider is
// in its spill directory and not in the store. At EndRefresh, the client has its answer, and
// the store does not know yet that the lease has ended.
func (o *killOrder) killed(t *testing.T) {
	t.Helper()
	text, err := json.Marshal(o)
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledProcess$", "-test.count=1")
	cmd.Env = append(os.Environ(), killVariable+"="+string(text))
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan(), "the process has ended")
	require.Equal(t, "here", lines.Text())
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
}

// killScene is a login on two machines, at a provider with that rotation. It returns an
// order for a process of the first machine, the issuer of the other one, and a function
// that obtains an access token.
func killScene(t *testing.T, rotation optest.Rotation) (o *killOrder, elsewhere killOrder, other *issuer.Issuer, op *optest.Server, access func(*issuer.Issuer) error) {
	t.Helper()
	o = &killOrder{DSN: dbtest.NewPostgreSQL(t), Dir: t.TempDir(), At: "CommitRefresh"}
	db, err := sql.Open("pgx", o.DSN)
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	require.NoError(t, sqlstore.Migrate(t.Context(), db, sqlstore.PostgreSQL, sqlstore.Options{}))
	op, err = optest.Start(optest.Options{Rotation: rotation})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, op.Close()) })
	up := op.ClientConfig(mytokentest.IssuerURL + "/redirect")
	o.Provider, o.ClientID, o.Secret = up.Issuer, up.ClientID, optest.DefaultClientSecret
	o.Key = seal.NewKey().Reveal()
	signing, err := mytoken.GenerateKey(mytoken.ES256)
	require.NoError(t, err)
	pem, err := signing.RevealPEM()
	require.NoError(t, err)
	o.Signing = string(pem)

	elsewhere = *o
	elsewhere.Dir = t.TempDir()
	other = elsewhere.issuer(t, nil)
	service := &mytokentest.Service{Issuer: other, Provider: op}
	result, err := service.LoginWith(t.Context(), "alice", issuer.LoginRequest{Client: client})
	require.NoError(t, err)
	o.Token = result.Issued.Token.Reveal()
	return o, elsewhere, other, op, func(i *issuer.Issuer) error {
		_, err := i.AccessToken(t.Context(), issuer.AccessTokenRequest{Token: result.Issued.Token, Client: client})
		return err
	}
}

// later returns an issuer of a third machine whose clock is so far ahead that heartbeats
// have lapsed.
func (o *killOrder) later(t *testing.T) *issuer.Issuer {
	t.Helper()
	return o.issuer(t, func(c *issuer.Config) {
		c.SpillDir, c.Clock = t.TempDir(), func() time.Time { return time.Now().Add(25 * time.Second) }
	})
}

// Processes are killed right after the client has its answer, while the store has not got
// the end of the lease, which would last for minutes. The provider has given no new refresh
// token, but other machines cannot know that: they answer 503. After each restart the first
// request is answered at once, on both machines.
//
// proves P5
func TestKilledAfterTheAnswer(t *testing.T) {
	o, elsewhere, other, op, access := killScene(t, optest.RotateOff)
	o.At = "EndRefresh"
	for round := range 3 {
		o.killed(t)
		require.Equal(t, 4*round+1, op.Count(optest.Refreshed), "it got its answer")
		later := elsewhere.later(t)
		errAs[*issuer.BusyError](t, access(later))
		restarted := o.issuer(t, nil)
		require.NoError(t, restarted.Recover(t.Context()))
		for _, i := range []*issuer.Issuer{restarted, other, later} {
			require.NoError(t, access(i))
			waitUntil(t, "the lease ends", func() bool { return i.Ends() == 0 }) // to the last one, all heartbeats have lapsed
		}
		for _, i := range []*issuer.Issuer{restarted, later} {
			require.NoError(t, i.Close(context.WithoutCancel(t.Context())))
		}
	}
	require.NoError(t, other.Close(context.WithoutCancel(t.Context())))
}

// Processes are killed with the answer of a provider that revokes on reuse in the spill
// directory of their machine, and the lease would last for minutes. The process of another
// machine answers 503 meanwhile and presents no old refresh token. After each restart the
// first request is answered at once, on both machines: no login is lost. A machine that
// does not come back is given up.
//
// proves P5
func TestKilledOnOneOfTwoMachines(t *testing.T) {
	o, elsewhere, other, op, access := killScene(t, optest.RotateStrict)
	for range 3 {
		o.killed(t)
		// Its heartbeat is in force, so that the lease would be too; 25 s later it is not.
		later := elsewhere.later(t)
		for range 3 {
			errAs[*issuer.BusyError](t, access(later))
		}
		restarted := o.issuer(t, nil)
		require.NoError(t, restarted.Recover(t.Context()))
		for _, i := range []*issuer.Issuer{restarted, other, later} {
			require.NoError(t, access(i))
		}
		for _, i := range []*issuer.Issuer{restarted, later} {
			require.NoError(t, i.Close(context.WithoutCancel(t.Context())))
		}
	}
	require.Zero(t, op.Reuses(), "no refresh token is presented twice")

	// This machine does not come back. The login that it held is lost, and nothing else.
	o.killed(t)
	later := elsewhere.later(t)
	errAs[*issuer.BusyError](t, access(later))
	node, err := os.ReadFile(o.Dir + "/node")
	require.NoError(t, err)
	got, err := later.Abandon(t.Context(), string(bytes.TrimSpace(node)))
	require.NoError(t, err)
	require.Len(t, got.Settled, 1)
	err = access(later)
	require.False(t, is[*issuer.BusyError](err), "the provider is asked: %v", err)
	require.Equal(t, 1, op.Reuses())
	require.NoError(t, later.Close(context.WithoutCancel(t.Context())))
	require.NoError(t, other.Close(context.WithoutCancel(t.Context())))
}
