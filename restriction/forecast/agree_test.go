package forecast_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
)

// TestForecastAgreesWithEvaluate asks the policy at random instants and around every
// boundary whether a clause admits any request, and compares.
//
// proves P10
func TestForecastAgreesWithEvaluate(t *testing.T) {
	var seen [3]int
	rapid.Check(t, func(t *rapid.T) {
		token := drawToken(t)
		f := newForecast(t, token, second(-5), second(horizon+20))
		for _, at := range instants(t, f) {
			w, ok := f.At(at)
			if !ok {
				t.Fatalf("no window at %v", at)
			}
			for i := range f.Clauses {
				c := &f.Clauses[i]
				want := oracle(t, &token, i, at)
				if got := c.At(at); got != want {
					t.Fatalf("clause %d at %v is %v, want %v", i, at, got, want)
				}
				seen[want]++
				if open := slices.Contains(w.Clauses, i); open != (want == forecast.Open && !c.Spent()) {
					t.Fatalf("clause %d at %v: in the window is %v", i, at, open)
				}
				if unknown := slices.Contains(w.Unknown, i); unknown != (want == forecast.Unknown && !c.Spent()) {
					t.Fatalf("clause %d at %v: unknown in the window is %v", i, at, unknown)
				}
			}
		}
	})
	for state, n := range seen {
		if n < 100 {
			t.Errorf("%v was seen %d times: the test shows little", forecast.State(state), n)
		}
	}
}

// TestNothingIsAdmittedInAGap checks every request that the policy admits: its window
// names the clause, and the clause has a use left. No such request lies in a gap.
func TestNothingIsAdmittedInAGap(t *testing.T) {
	admitted, gaps := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		token := drawToken(t)
		f := newForecast(t, token, second(-5), second(horizon+20))
		policy := compile(t, token.Restrictions, token.Options)
		for _, at := range instants(t, f) {
			r := token.Request
			r.Now, r.Used = at, token.Used
			r.Kind = rapid.SampledFrom([]restriction.Kind{restriction.AT, restriction.Other}).Draw(t, "kind")
			r.Scopes = rapid.SliceOfN(rapid.SampledFrom(worldScopes), 0, 2).Draw(t, "scopes")
			d := policy.Decide(context.Background(), &r)
			w, _ := f.At(at)
			if !alive(&token, at) || !d.Admitted() || r.Kind == restriction.AT && token.Lacks(capability.AT) {
				if w.Gap() {
					gaps++
				}
				continue
			}
			admitted++
			if w.Gap() {
				t.Fatalf("admitted at %v, in a gap", at)
			}
			for i := range d.Candidates() {
				if !slices.Contains(w.Clauses, i) && !slices.Contains(w.Unknown, i) {
					t.Fatalf("clause %d admits at %v, and is not in the window", i, at)
				}
				if n, limited := f.Clauses[i].Left.Of(r.Kind); limited && n == 0 {
					t.Fatalf("clause %d admits %v, and none is left", i, r.Kind)
				}
			}
		}
	})
	if admitted < 1000 || gaps < 1000 {
		t.Errorf("%d admitted, %d gaps: the test shows little", admitted, gaps)
	}
}

// TestLeftIsWhatEvaluateLeaves checks that a use is left exactly if the policy admits it
// with the same counters.
//
// proves P3
func TestLeftIsWhatEvaluateLeaves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		token := drawToken(t)
		f := newForecast(t, token, second(0), second(1))
		for i := range token.Restrictions {
			limits := token.Restrictions[i]
			only := restriction.Clause{UsagesAT: limits.UsagesAT, UsagesOther: limits.UsagesOther}
			if only.IsEmpty() {
				continue
			}
			for _, kind := range []restriction.Kind{restriction.AT, restriction.Other} {
				r := restriction.Request{Now: epoch, Kind: kind}
				if token.Used != nil {
					r.Used = token.Used[i : i+1]
				}
				n, limited := f.Clauses[i].Left.Of(kind)
				if got, want := !limited || n > 0, admits(t, restriction.List{only}, restriction.Options{}, r); got != want {
					t.Fatalf("clause %d has %d %v left, the policy says %v", i, n, kind, want)
				}
			}
		}
	})
}

// TestWindowsAreMaximal checks that windows and spans cover the horizon without overlap,
// and that neighbours differ.
func TestWindowsAreMaximal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		token := drawToken(t)
		from := drawInstant(t, "from")
		f := newForecast(t, token, from, from.Add(time.Duration(rapid.IntRange(1, 40).Draw(t, "seconds"))*time.Second))
		at := f.From
		for i, w := range f.Windows {
			if !w.From.Equal(at) || !w.From.Before(w.Until) {
				t.Fatalf("window %d is %v to %v, after %v", i, w.From, w.Until, at)
			}
			if i > 0 && slices.Equal(w.Clauses, f.Windows[i-1].Clauses) && slices.Equal(w.Unknown, f.Windows[i-1].Unknown) {
				t.Fatalf("windows %d and %d are one", i-1, i)
			}
			at = w.Until
		}
		if !at.Equal(f.Until) {
			t.Fatalf("the last window ends at %v", at)
		}
		for _, c := range f.Clauses {
			at := f.From
			for i, s := range c.Spans {
				if !s.From.Equal(at) || !s.From.Before(s.Until) || i > 0 && s.State == c.Spans[i-1].State {
					t.Fatalf("clause %d: span %d of %v", c.Index, i, c.Spans)
				}
				at = s.Until
			}
			if !at.Equal(f.Until) {
				t.Fatalf("clause %d ends at %v", c.Index, at)
			}
		}
	})
}

// instants returns random instants and those around every boundary.
func instants(t *rapid.T, f *forecast.Forecast) []time.Time {
	at := []time.Time{drawInstant(t, "instant"), drawInstant(t, "instant").Add(999 * time.Millisecond)}
	for _, w := range f.Windows {
		for _, d := range []time.Duration{-time.Second, -time.Nanosecond, 0, time.Second} {
			if b := w.From.Add(d); !b.Before(f.From) {
				at = append(at, b)
			}
		}
	}
	return at
}

func alive(token *forecast.Token, at time.Time) bool {
	return (token.NotBefore.IsZero() || at.Unix() >= token.NotBefore.Unix()) &&
		(token.Expires.IsZero() || at.Unix() <= token.Expires.Unix())
}

// oracle returns the state of a clause according to policies alone. It asks about time,
// place and country separately, because a forecast assumes that the look-ups succeed.
func oracle(t *rapid.T, token *forecast.Token, i int, at time.Time) forecast.State {
	if !alive(token, at) {
		return forecast.Closed
	}
	if len(token.Restrictions) == 0 {
		return forecast.Open
	}
	c := token.Restrictions[i]
	for _, part := range []restriction.Clause{
		{NotBefore: c.NotBefore, Expires: c.Expires, Scopes: c.Scopes, Audiences: c.Audiences},
		{Hosts: c.Hosts},
		{GeoIPAllow: c.GeoIPAllow, GeoIPDisallow: c.GeoIPDisallow},
	} {
		if !part.IsEmpty() && !anywhere(t, restriction.List{part}, token.Options, at) {
			return forecast.Closed
		}
	}
	state := forecast.Open
	for _, extra := range c.Extra {
		state = min(state, foreign(t, token, extra, at))
	}
	return state
}

// anywhere reports whether a list admits some address of the world.
func anywhere(t *rapid.T, list restriction.List, o restriction.Options, at time.Time) bool {
	return slices.ContainsFunc(worldAddresses, func(text string) bool {
		return admits(t, list, o, restriction.Request{Now: at, Kind: restriction.AT, Address: netip.MustParseAddr(text)})
	})
}

// foreign returns the state of a condition of the embedding program.
func foreign(t *rapid.T, token *forecast.Token, extra restriction.Extra, at time.Time) forecast.State {
	factory := token.Options.Conditions[extra.Key]
	if factory == nil {
		return forecast.Closed
	}
	condition, err := factory(extra.Value)
	require.NoError(t, err)
	r := token.Request
	r.Now, r.Kind = at, restriction.AT
	err = condition.Check(&r)
	_, tells := condition.(restriction.Forecaster)
	switch {
	case !tells || errors.Is(err, restriction.ErrUndetermined):
		return forecast.Unknown
	case err != nil:
		return forecast.Closed
	}
	return forecast.Open
}
