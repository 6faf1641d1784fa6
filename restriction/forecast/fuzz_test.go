package forecast_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
	"github.com/mytoken-go/sdk/restriction/timeline"
)

// FuzzForecast checks for any token and instant that the forecast agrees with the policy.
// An admitted use lies in a window that says so. An open clause admits uses unless it
// restricts the place. Nothing is certain after the end of the generation.
//
// proves P10
func FuzzForecast(f *testing.F) {
	for _, seed := range []struct {
		clauses          string
		from, span, at   int64
		used             uint8
		lifetime, issued int64
	}{
		{`[{"nbf":1898582410,"exp":1898582420,"scope":"a b","usages_AT":3},{"usages_other":0}]`, 0, 60, 20, 1, 0, 0},
		{`[{"own":{"Window":[3,9]},"exp":1898582405},{"own":{"Not":{"Network":"192.0.2.0/24"}}}]`, -5, 0, 5, 0, 0, 0},
		{`[{"foreign":1},{"hosts":["*.example.org","192.0.2.0/24"]},{"geoip_allow":["DE"],"geoip_disallow":["FR"]}]`, 0, 9, 9, 3, 4, -2},
		{`[{"own":{"Any":[{"Mute":true},{"Window":[1,2]}]}}]`, 1 << 40, 1, 0, 9, 1, 0},
		{`[{"exp":9223372036854775807,"nbf":-9223372036854775808}]`, 0, 30, 12, 0, 12, 0},
		{`[{"usages_AT":2,"nbf":1898582405},{"exp":1898582403}]`, 0, 40, 11, 0x81, 5, 0},
		{`[]`, 0, 0, 86400, 0, 3600, -3600},
	} {
		f.Add([]byte(seed.clauses), seed.from, seed.span, seed.at, seed.used, seed.lifetime, seed.issued)
	}
	f.Fuzz(func(t *testing.T, clauses []byte, from, span, at int64, used uint8, lifetime, issued int64) {
		const most = 1 << 36 // seconds
		list, err := restriction.Parse(clauses)
		if err != nil || len(list) > 6 || max(from, -from, span, -span, at, -at, issued, -issued) > most {
			return
		}
		token := forecast.Token{Restrictions: list, Options: worldOptions(), Elsewhere: used&64 != 0}
		token.Request.Address = netip.MustParseAddr(worldAddresses[int(used)%len(worldAddresses)])
		if used&128 != 0 {
			token.Capabilities = capability.Set{capability.Tokeninfo}
		}
		if used&1 != 0 {
			for range list {
				token.Used = append(token.Used, restriction.Usage{AT: int64(used>>1) & 3, Other: int64(used>>3) & 3})
			}
		}
		if lifetime != 0 {
			token.Rotation = &forecast.Rotation{OnAT: used&2 != 0, OnOther: used&4 != 0, Lifetime: uint64(lifetime), Issued: epoch.Add(time.Duration(issued) * time.Second)}
		}
		start, until := time.Unix(epoch.Unix()+from, 0), time.Time{}
		if span != 0 {
			until = start.Add(time.Duration(span) * time.Second)
		}
		fc, err := forecast.New(token, start, until)
		if err != nil {
			return
		}
		checkInstant(t, &token, fc, fc.From.Add(time.Duration(at)*time.Second+time.Duration(used)))
		for i := range min(len(fc.Windows), 4) {
			checkInstant(t, &token, fc, fc.Windows[i].From)
			checkInstant(t, &token, fc, fc.Windows[i].Until.Add(-1))
		}
		if len(fc.Windows) < 64 {
			style := forecast.Style{Start: start}
			if fc.Describe(style) == "" || timeline.Text(fc, 60, style) == "" || len(timeline.SVG(fc, style, timeline.Drawing{})) == 0 {
				t.Fatal("nothing is told or drawn")
			}
		}
	})
}

// checkInstant compares a forecast with the policy of each clause.
func checkInstant(t *testing.T, token *forecast.Token, f *forecast.Forecast, at time.Time) {
	w, inside := f.At(at)
	if inside != (!at.Before(f.From) && at.Before(f.Until)) {
		t.Fatalf("%v is inside of %v to %v: %v", at, f.From, f.Until, inside)
	}
	if !inside {
		return
	}
	for i := range f.Clauses {
		state, clause := f.Clauses[i].At(at), restriction.Clause{}
		admitted := true
		if len(token.Restrictions) > 0 {
			clause = token.Restrictions[i]
			admitted = admittedBy(t, token, clause, at)
		}
		life := f.Life
		switch idle, last := life.Idle, life.Last; {
		case !last.IsZero() && at.Unix() > last.Unix():
			if state != forecast.Closed {
				t.Fatalf("clause %d is %v after the last second %v", i, state, last)
			}
			continue
		case !idle.IsZero() && at.Unix() > idle.Unix():
			if state == forecast.Open {
				t.Fatalf("clause %d is open at %v, after the generation ends at %v", i, at, idle)
			}
			continue
		}
		placed := clause.Hosts != nil || clause.GeoIPAllow != nil || clause.GeoIPDisallow != nil
		switch {
		case admitted && state == forecast.Closed:
			t.Fatalf("clause %d admits at %v, and is closed", i, at)
		case state == forecast.Open && !admitted && !placed:
			t.Fatalf("clause %d is open at %v, and refuses", i, at)
		}
		if admitted && !f.Clauses[i].Spent() && w.Gap() {
			t.Fatalf("clause %d admits at %v, in a gap", i, at)
		}
	}
}

// admittedBy asks the policy of one clause about a use with the scopes and audiences that
// the clause states, from the address in the token.
func admittedBy(t *testing.T, token *forecast.Token, c restriction.Clause, at time.Time) bool {
	c.UsagesAT, c.UsagesOther = nil, nil
	if c.IsEmpty() {
		return true
	}
	r := restriction.Request{Now: at, Kind: restriction.Uncounted, Address: token.Request.Address}
	if c.Scopes != nil || c.Audiences != nil {
		r.Kind, r.Scopes, r.Audiences = restriction.AT, c.Scopes, c.Audiences
	}
	return admits(t, restriction.List{c}, token.Options, r)
}
