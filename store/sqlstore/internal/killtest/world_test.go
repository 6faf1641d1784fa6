package killtest_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/seal"
	"github.com/mytoken-go/sdk/store/sqlstore"
)

// These are the scopes that orders ask for. Uses with usualScope and answerScope are
// limited. The provider stops uses with answerScope after it has rotated. Uses with
// probeScope are not limited, and only roots admit them.
const (
	usualScope  = "compute"
	answerScope = "storage.read"
	probeScope  = "storage.write"
)

var scopes = []string{"openid", "offline_access", usualScope, answerScope, probeScope}

// patient is the timing of an issuer with long timeouts that does not wait for a doubt to
// resolve: the spill of every dead process is replayed before the test asks this issuer.
var patient = timing{Timeout: time.Minute, Lease: 2 * time.Minute, WaitLimit: 2 * time.Minute, InDoubtWait: -1}

// world is a service: a database, a provider that rotates strictly, and what its
// processes share.
type world struct {
	t      testing.TB
	site   site
	store  *sqlstore.Store
	op     *optest.Server
	setup  setup
	issuer *issuer.Issuer // in this process, which nobody kills
	ahead  atomic.Int64   // nanoseconds that the clock of this process is ahead
	// onAnswer is called after the provider has rotated for an order that asks for
	// answerScope, and before it answers.
	onAnswer func(ctx context.Context, subject string)
	users    int
}

func newWorld(t testing.TB, on site) *world {
	t.Helper()
	w := &world{t: t, site: on, store: on.migrated(t)}
	var err error
	w.op, err = optest.Start(optest.Options{
		Rotation: optest.RotateStrict, Scopes: scopes, OpaqueAccessTokens: true, Faults: w.fault,
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.op.Close()) })
	key, err := mytoken.GenerateKey(mytoken.ES256)
	require.NoError(t, err)
	pem, err := key.RevealPEM()
	require.NoError(t, err)
	w.setup = setup{Site: on, Provider: w.op.Issuer(), Key: string(pem), Seal: seal.NewKey().Reveal()}
	w.issuer = w.newIssuer(patient, "")
	return w
}

// newIssuer returns an issuer in this process.
func (w *world) newIssuer(timing timing, spill string) *issuer.Issuer {
	w.t.Helper()
	s := w.setup
	s.Timing, s.Spill = timing, spill
	iss, err := s.issuer(w.store, new(http.Transport), nil, func() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) })
	require.NoError(w.t, err)
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		require.NoError(w.t, iss.Close(ctx))
	})
	return iss
}

// fault marks the provider's answers and stops some of them.
func (w *world) fault(at optest.FaultPoint) optest.Fault {
	if at.Endpoint != optest.EndpointRefresh {
		return optest.Fault{}
	}
	f := optest.Fault{Edit: func(answer map[string]any) {
		answer["test_subject"], answer["test_generation"] = at.Subject, at.Generation+1
	}}
	if w.onAnswer != nil && slices.Equal(at.Scopes, []string{answerScope}) {
		f.WaitAfter = func(ctx context.Context) { w.onAnswer(ctx, at.Subject) }
	}
	return f
}

// grant is a login with three tokens, each below the one before. The last one rotates at
// every use.
type grant struct {
	subject string
	id      store.GrantID
	tokens  [3]*token
	// lost says that the provider has ended the login.
	lost bool
}

func (g *grant) root() *token { return g.tokens[0] }

// limits are the uses that each token of a grant admits. The uses of a child count
// against the tokens above it.
var limits = [3]int{24, 16, 10}

type token struct {
	grant   *grant
	depth   int
	limit   int
	id      store.TokenID
	compact string
	rotates bool
}

func (w *world) login(subject string) (*grant, error) {
	ctx := w.t.Context()
	g := &grant{subject: subject}
	limited := func(n int) restriction.Clause {
		return restriction.Clause{Scopes: []string{usualScope, answerScope}, UsagesAT: restriction.Usages(int64(n))}
	}
	add := func(depth int, issued *mytoken.Issued) {
		g.tokens[depth] = &token{grant: g, depth: depth, limit: limits[depth], id: issued.ID, compact: issued.Token.Reveal(), rotates: depth == 2}
	}
	service := &mytokentest.Service{Issuer: w.issuer, Provider: w.op}
	rights := capability.Set{capability.AT, capability.CreateMytoken}
	issued, err := service.Login(ctx, subject, mytoken.Properties{
		Capabilities: rights, Restrictions: restriction.List{limited(limits[0]), {Scopes: []string{probeScope}}},
	})
	if err != nil {
		return nil, err
	}
	add(0, issued)
	for depth := 1; depth < len(limits); depth++ {
		p := mytoken.Properties{Capabilities: rights, Restrictions: restriction.List{limited(limits[depth])}}
		if depth == 2 {
			p.Rotation = &mytoken.Rotation{OnAT: true}
		}
		issued, err = w.issuer.Derive(ctx, issuer.DeriveRequest{Token: issued.Token, Properties: p, Client: mytokentest.Client})
		if err != nil {
			return nil, fmt.Errorf("depth %d: %w", depth, err)
		}
		add(depth, issued)
	}
	info, err := w.store.Token(ctx, issued.ID)
	g.id = info.Grant
	return g, err
}

// logins creates grants, each for a user of its own.
func (w *world) logins(n int) []*grant {
	w.t.Helper()
	var grants []*grant
	for range n {
		w.users++
		g, err := w.login(fmt.Sprintf("user-%d", w.users))
		require.NoError(w.t, err)
		grants = append(grants, g)
	}
	return grants
}

// rotations returns the generations that the provider gave for each subject after the
// login.
func (w *world) rotations() map[string][]int {
	out := make(map[string][]int)
	for _, e := range w.op.Record() {
		if e.Kind == optest.Refreshed {
			out[e.Subject] = append(out[e.Subject], e.Next)
		}
	}
	return out
}
