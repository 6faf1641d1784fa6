package killtest_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
)

// verdict compares everything after all processes have ended.
func (r *run) verdict() {
	r.spillsAreEmpty()
	r.revokedStaysRevoked()
	r.nothingIsLostWithoutReason()
	for _, g := range r.grants[:hot] {
		if !g.lost && !r.dead[g.root()] {
			r.useUp(g)
		}
	}
	r.balance()
}

func (r *run) spillsAreEmpty() {
	for _, s := range r.slots {
		files, err := os.ReadDir(s.spill)
		require.NoError(r.t, err)
		for _, f := range files {
			if strings.HasSuffix(f.Name(), ".refresh") {
				r.t.Errorf("process %d left %s", s.n, f.Name())
			}
		}
	}
}

// ask uses a token, patiently and in this process. If the provider refuses the login, ask
// lets the pause pass and asks again.
func (r *run) ask(u *use) outcome {
	u.Token = u.token.compact
	at, err := r.issuer.AccessToken(r.t.Context(), u.request())
	if wait, ok := errors.AsType[*issuer.UpstreamError](err); ok && wait.RetryAfter > 0 {
		r.ahead.Add(int64(wait.RetryAfter + time.Second))
		at, err = r.issuer.AccessToken(r.t.Context(), u.request())
	}
	u.last = outcomeOf(err)
	if err == nil && at.Update != nil {
		u.token.compact = at.Update.Token.Reveal()
	}
	return u.last
}

func (r *run) revokedStaysRevoked() {
	n := 0
	for t := range r.dead {
		n++
		if got := r.ask(r.add(t, usualScope, atRandom)); got != dead {
			r.t.Errorf("a revoked token of %s: %s", t.grant.subject, got)
		}
		_, err := r.issuer.Derive(r.t.Context(), issuer.DeriveRequest{Token: mytoken.NewSecret(t.compact), Client: mytokentest.Client})
		if outcomeOf(err) != dead {
			r.t.Errorf("a child of a revoked token of %s: %v", t.grant.subject, err)
		}
	}
	r.t.Logf("%d tokens were revoked", n)
}

// nothingIsLostWithoutReason asks for an access token from each login. If the provider
// has ended a login, its record must say why.
func (r *run) nothingIsLostWithoutReason() {
	rotations := r.rotations()
	reasons := make(map[string]int)
	for _, g := range r.grants {
		if r.dead[g.root()] {
			continue
		}
		switch got := r.ask(r.add(g.root(), probeScope, atRandom)); got {
		case delivered:
			g.lost = false
			if r.answered[g] {
				r.t.Errorf("%s: the answer was in flight, and yet the provider takes the old refresh token", g.subject)
			}
		case ended:
			g.lost = true
			reasons[r.reason(g, rotations[g.subject])]++
		default:
			r.t.Errorf("%s: %s", g.subject, got)
		}
	}
	r.t.Logf("%d logins; lost: %v", len(r.grants), reasons)
}

// reason checks why a login is lost: a refresh token of the provider must have been lost.
func (r *run) reason(g *grant, generations []int) string {
	for _, generation := range generations {
		receipt := r.receipts[answer{g.subject, generation}]
		switch {
		case receipt == nil && r.answered[g]:
			return "a process was killed while the answer was in flight"
		case receipt == nil:
			return "the answer did not arrive in time"
		case receipt.kept:
		case !receipt.by.died[receipt.use]:
			r.t.Errorf("%s: generation %d arrived and was not kept, though nobody died", g.subject, generation)
		default:
			return "a process died before it could write the spill"
		}
	}
	for _, generation := range generations {
		receipt := r.receipts[answer{g.subject, generation}]
		// The lease began earlier; nobody knows how much earlier.
		if receipt.by.died[receipt.use] && receipt.by.recovered.Sub(receipt.asked) > hasty.InDoubtWait/2 {
			return "a process came back too late"
		}
	}
	switch {
	case r.late[g]:
		return "a process was slower than others wait"
	case r.overtaken(g):
		return "a request that was given up arrived after the next one"
	}
	r.t.Errorf("%s: the login is lost without reason", g.subject)
	return "none"
}

// overtaken reports whether the provider saw two requests in the reverse order. Then it
// ended the login, because the later of them presented a refresh token that the other one
// had used up.
func (r *run) overtaken(g *grant) bool {
	for _, e := range r.op.Record() {
		receipt := r.receipts[answer{e.Subject, e.Generation + 1}]
		if e.Subject == g.subject && e.Reuse && receipt != nil &&
			slices.ContainsFunc(r.unheard[g], func(asked time.Time) bool { return asked.Before(receipt.asked) }) {
			return true
		}
	}
	return false
}

// useUp uses the tokens of a grant until nothing is left.
func (r *run) useUp(g *grant) {
	for depth := len(g.tokens) - 1; depth >= 0; depth-- {
		for {
			got := r.ask(r.add(g.tokens[depth], usualScope, atRandom))
			if got == exhausted || got == outdated && !r.risk[g.tokens[depth]].IsZero() {
				break
			}
			if got != delivered {
				r.t.Errorf("%s: %s", g.subject, got)
				return
			}
		}
	}
	info, err := r.store.Token(r.t.Context(), g.root().id)
	require.NoError(r.t, err)
	if used := info.Counters[0].ATUsed; used != int64(g.root().limit) {
		r.t.Errorf("%s: used up, and %d of %d are charged", g.subject, used, g.root().limit)
	}
}
