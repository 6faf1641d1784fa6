package restriction

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fourPhases is the list of a job. It submits in the first hour, reads data in the first
// two, and stores its output after a day.
func fourPhases(t testing.TB) List {
	t.Helper()
	list, err := Phases(epoch,
		First(time.Hour).Scopes("compute.submit"),
		First(2*time.Hour).Scopes("storage"),
		Between(24*time.Hour, 36*time.Hour).Scopes("storage"),
	)
	require.NoError(t, err)
	return list
}

// TestFourPhases walks through the day of a job.
//
// proves P10
func TestFourPhases(t *testing.T) {
	policy := mustCompile(t, fourPhases(t), Options{})
	for _, test := range []struct {
		after    time.Duration
		scope    string
		clauses  []int
		earliest string // offset, if refused
	}{
		{30 * time.Minute, "compute.submit", []int{0}, ""},
		{time.Hour, "compute.submit", []int{0}, ""},
		{time.Hour + time.Second, "compute.submit", nil, "never"},
		{90 * time.Minute, "compute.submit", nil, "never"},
		{0, "storage", []int{1}, ""},
		{90 * time.Minute, "storage", []int{1}, ""},
		{3 * time.Hour, "storage", nil, "24h0m0s"},
		{24*time.Hour - time.Second, "storage", nil, "24h0m0s"},
		{24 * time.Hour, "storage", []int{2}, ""},
		{36 * time.Hour, "storage", []int{2}, ""},
		{36*time.Hour + time.Second, "storage", nil, "never"},
		{-time.Second, "storage", nil, "0s"},
		{-time.Hour, "compute.submit", nil, "0s"},
		{time.Minute, "admin", nil, "never"},
	} {
		d := policy.Evaluate(&Request{Now: epoch.Add(test.after), Kind: AT, Scopes: []string{test.scope}})
		if got := slices.Collect(d.Candidates()); !slices.Equal(got, test.clauses) {
			t.Errorf("%v %s: clauses %v, want %v", test.after, test.scope, got, test.clauses)
			continue
		}
		if test.clauses != nil {
			continue
		}
		got := d.Explanation().Earliest.String()
		if at, ok := d.Explanation().Earliest.Time(); ok {
			got = at.Sub(epoch).String()
		}
		if got != test.earliest {
			t.Errorf("%v %s: earliest %s, want %s", test.after, test.scope, got, test.earliest)
		}
	}
}

// TestExplanationCollectsEverything shows that one objection does not hide another.
//
// proves P10
func TestExplanationCollectsEverything(t *testing.T) {
	list := mustParse(t, `[
		{"nbf":1800000100,"exp":1800000200,"scope":"a b","audience":["x"],"hosts":["192.0.2.0/24","*.example.org"],"geoip_allow":["de"],"usages_AT":3,"own":1,"unknown":1},
		{"exp":1799999990,"geoip_disallow":["FR"],"usages_AT":0},
		{"nbf":1800000050,"hosts":["198.51.100.7"]}
	]`)
	options := Options{
		Resolver: fakeDNS{}, PrivateCountry: "FR", Locator: fakeGeo{"198.51.100.7": "FR"},
		Conditions: map[string]Factory{"own": func([]byte) (Condition, error) { return objectingUntil{epoch.Add(time.Hour)}, nil }},
	}
	policy := mustCompile(t, list, options)
	request := &Request{
		Now: epoch, Kind: AT, Address: addr("198.51.100.7"), Scopes: []string{"a", "c"}, Audiences: []string{"y"},
		Used: []Usage{{AT: 3}, {}, {}},
	}
	d := policy.Decide(t.Context(), request)
	e := d.Explanation()
	if e == nil || e.Admitted {
		t.Fatalf("got %v", e)
	}
	want := [][]string{
		{KeyNotBefore, KeyUsagesAT, KeyScope, KeyAudience, KeyHosts, KeyGeoIPAllow, "unknown", "own"},
		{KeyExpires, KeyUsagesAT, KeyGeoIPDisallow},
		{KeyNotBefore},
	}
	for i, keys := range want {
		var got []string
		for _, o := range e.Clauses[i].Objections {
			got = append(got, o.Key)
		}
		if !slices.Equal(got, keys) {
			t.Errorf("clause %d: got %v, want %v", i, got, keys)
		}
		if e.Clauses[i].Clause != i {
			t.Errorf("clause %d says it is %d", i, e.Clauses[i].Clause)
		}
	}
	text := e.String()
	for _, want := range []string{
		"refused, earliest 2027-01-15T08:00:50Z",
		"clause 0: nbf: needs a time from 2027-01-15T08:01:40Z",
		"clause 0: usages_AT: needs a use left, 3 of 3 are spent",
		`clause 0: scope: needs scopes among a b, not "c"`,
		`clause 0: audience: needs audiences among x, not "y"`,
		"clause 0: hosts: needs an address among 192.0.2.0/24 *.example.org, not 198.51.100.7",
		"clause 0: geoip_allow: needs a country among de",
		"clause 0: unknown: needs a key that is supported here (unsupported key)",
		"clause 0: own: needs patience",
		"clause 1: exp: needs a time until 2027-01-15T07:59:50Z",
		"clause 1: usages_AT: needs a limit above 0",
		"clause 1: geoip_disallow: needs a known country that is none of FR",
		"clause 2: nbf: needs a time from 2027-01-15T08:00:50Z",
	} {
		if !strings.Contains(text, want+"\n") && !strings.HasSuffix(text, want) {
			t.Errorf("the text lacks %q:\n%s", want, text)
		}
	}
	if closest := e.Closest(); closest == nil || closest.Clause != 2 {
		t.Errorf("closest is %+v", closest)
	}
	// Each key alone.
	objections := e.Clauses[0].Objections
	if at, ok := objections[0].Earliest.Time(); !ok || at.Unix() != 1800000100 {
		t.Errorf("nbf: %v", objections[0].Earliest)
	}
	if at, ok := objections[7].Earliest.Time(); !ok || !at.Equal(epoch.Add(time.Hour)) {
		t.Errorf("own: %v", objections[7].Earliest)
	}
	if !objections[1].Earliest.IsNever() || !e.Clauses[1].Objections[0].Earliest.IsNever() {
		t.Error("counter or exp: not never")
	}
}

// TestUntrusted shows that a stranger learns which keys refuse, but no value and no time.
//
// proves P9
func TestUntrusted(t *testing.T) {
	list := mustParse(t, `[{"nbf":1800000100,"exp":1800000200,"scope":"secretscope","hosts":["192.0.2.33"],"geoip_allow":["QX"],"usages_AT":4242,"own":"secretvalue"}]`)
	policy := mustCompile(t, list, Options{PrivateCountry: "DE", Conditions: map[string]Factory{"own": func(v []byte) (Condition, error) {
		return objecting{fmt.Errorf("not %s", v)}, nil
	}}})
	request := &Request{Now: epoch, Kind: AT, Address: addr("10.9.8.7"), Scopes: []string{"x"}, Used: []Usage{{AT: 4242}}}
	d := policy.Decide(t.Context(), request)
	trusted := d.Explanation()
	u := trusted.Untrusted()
	keys := []string{KeyNotBefore, KeyUsagesAT, KeyScope, KeyHosts, KeyGeoIPAllow, "own"}
	if !slices.Equal(u.Keys(), keys) {
		t.Errorf("got %v, want %v", u.Keys(), keys)
	}
	if !u.Earliest.IsUnknown() {
		t.Errorf("tells %v", u.Earliest)
	}
	for _, c := range u.Clauses {
		if !c.Earliest.IsUnknown() {
			t.Errorf("clause %d tells %v", c.Clause, c.Earliest)
		}
		for _, o := range c.Objections {
			if o != (Objection{Key: o.Key}) {
				t.Errorf("tells %+v", o)
			}
		}
	}
	for _, text := range []string{u.String(), d.Err().Error()} {
		for _, secret := range []string{"secret", "192.0.2.33", "QX", "4242", "2027", "1800000", "10.9.8.7", "never"} {
			if strings.Contains(text, secret) {
				t.Errorf("%q tells %q", text, secret)
			}
		}
	}
	if !strings.Contains(trusted.String(), "secretvalue") || !strings.Contains(trusted.String(), "192.0.2.33") {
		t.Errorf("the trusted text lacks values: %s", trusted)
	}
	if u := (*Policy)(nil).Explain(nil).Untrusted(); u.Objection == nil || u.Objection.Need != "" || u.String() != "refused\n  policy" {
		t.Errorf("got %v", u)
	}
	if got, want := d.Err().Error(), "restriction: use refused: nbf, usages_AT, scope, hosts, geoip_allow, own"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if (&RefusedError{}).Error() != ErrRefused.Error() {
		t.Error("the zero error has no text")
	}
}

// TestReadable shows that a reader of the clauses learns their values and every instant,
// and nothing else.
//
// proves P9, P10
func TestReadable(t *testing.T) {
	list := mustParse(t, `[{"nbf":1800000100,"scope":"storage","hosts":["*.example.org"],"usages_AT":3,"own":true}]`)
	policy := mustCompile(t, list, Options{Conditions: map[string]Factory{"own": func([]byte) (Condition, error) {
		return objecting{errors.New("closed by order 77")}, nil
	}}})
	request := &Request{Now: epoch, Kind: AT, Address: addr("10.9.8.7"), Scopes: []string{"x"}, Used: []Usage{{AT: 3}}}
	full := policy.Explain(request, Spent{Kind: AT, Used: 8, Limit: 8, Inherited: true})
	got := full.Readable()
	if want := []string{KeyNotBefore, KeyUsagesAT, KeyScope, KeyHosts, "own"}; !slices.Equal(got.Keys(), want) {
		t.Errorf("got %v, want %v", got.Keys(), want)
	}
	if got.Earliest != full.Earliest || got.Clauses[0].Earliest != full.Clauses[0].Earliest {
		t.Errorf("got %v and %v", got.Earliest, got.Clauses[0].Earliest)
	}
	for i, o := range got.Clauses[0].Objections {
		was := full.Clauses[0].Objections[i]
		beyond := o.Key == "own" || o.Key == KeyUsagesAT && strings.Contains(was.Need, "ancestor")
		if o.Err != nil || o.Earliest != was.Earliest || (o.Need == "") != beyond || !beyond && o.Need != was.Need {
			t.Errorf("%+v became %+v", was, o)
		}
	}
	for _, hidden := range []string{"77", "8 of 8", errNotPrepared.Error()} {
		if strings.Contains(got.String(), hidden) || !strings.Contains(full.String(), hidden) {
			t.Errorf("%q in %q, from %q", hidden, got, full)
		}
	}
	if none := (*Policy)(nil).Explain(nil).Readable(); none.Objection == nil || none.Objection.Key != KeyPolicy {
		t.Errorf("got %v", none)
	}
}

// TestExplainSpent adds counters that the store found without uses left.
//
// proves P10
func TestExplainSpent(t *testing.T) {
	policy := mustCompile(t, mustParse(t, `[{"usages_AT":3},{"usages_AT":9},{"scope":"a"},{"nbf":1800000100}]`), Options{})
	request := &Request{Now: epoch, Kind: AT, Scopes: []string{"a"}}
	if e := policy.Explain(request); !e.Admitted || e.Earliest.String() != At(epoch).String() || !strings.Contains(e.String(), "clause 0: admits") {
		t.Errorf("nothing spent: %v", e)
	}
	e := policy.Explain(request,
		Spent{Clause: 0, Kind: AT, Used: 3, Limit: 3},
		Spent{Clause: 1, Kind: AT, Used: 5, Limit: 5, Inherited: true},
		Spent{Clause: 2, Kind: Other, Used: 5, Limit: 5}, // of another kind of use
		Spent{Clause: 9, Kind: AT}, Spent{Clause: -1, Kind: AT},
	)
	text := e.String()
	for _, want := range []string{
		"admitted\n", "clause 2: admits",
		"clause 0: usages_AT: needs a use left, 3 of 3 are spent\n",
		"clause 1: usages_AT: needs a use left, 5 of 5 are spent by an ancestor and its descendants\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the text lacks %q:\n%s", want, text)
		}
	}
	e = policy.Explain(request, Spent{Clause: 0, Kind: AT, Used: 3, Limit: 3}, Spent{Clause: 1, Kind: AT}, Spent{Clause: 2, Kind: AT})
	if at, ok := e.Earliest.Time(); e.Admitted || !ok || at.Unix() != 1800000100 {
		t.Errorf("got %v", e)
	}
	request.Used = []Usage{{AT: 3}, {AT: 9}, {}, {}}
	e = policy.Explain(request, Spent{Clause: 0, Kind: AT, Used: 3, Limit: 3})
	if n := len(e.Clauses[0].Objections); n != 1 {
		t.Errorf("one counter, %d objections", n)
	}
	other := policy.Explain(&Request{Now: epoch, Kind: Other}, Spent{Clause: 0, Kind: Other, Used: 1, Limit: 1})
	if !strings.Contains(other.String(), "usages_other") {
		t.Errorf("got %v", other)
	}
}

// TestEarliest shows the three states, their texts, and which of two is sooner.
func TestEarliest(t *testing.T) {
	if (Earliest{}) != Unknown() || !(Earliest{}).IsUnknown() {
		t.Error("the zero value is not unknown")
	}
	at := At(epoch)
	if _, ok := Never().Time(); ok || at.IsNever() || at.IsUnknown() || Unknown().IsNever() {
		t.Error("the states overlap")
	}
	if at.String() != "2027-01-15T08:00:00Z" || Never().String() != "never" || Unknown().String() != "unknown" {
		t.Errorf("texts %v %v %v", at, Never(), Unknown())
	}
	if text, err := json.Marshal([]Earliest{at, Never(), Unknown()}); err != nil || string(text) != `["2027-01-15T08:00:00Z","never","unknown"]` {
		t.Errorf("JSON %s, %v", text, err)
	}
	later := At(epoch.Add(time.Hour))
	for _, test := range []struct{ a, b, want Earliest }{
		{Never(), Never(), Never()},
		{Never(), at, at},
		{Never(), Unknown(), Unknown()},
		{at, later, at},
		{at, Unknown(), Unknown()},
		{at, unknownFrom(epoch.Add(time.Minute)), at},
		{at, unknownFrom(epoch), at},
		{later, unknownFrom(epoch), unknownFrom(epoch)},
		{unknownFrom(epoch), unknownFrom(epoch.Add(1)), unknownFrom(epoch)},
	} {
		if got := test.a.sooner(test.b); got != test.want {
			t.Errorf("%v or %v: got %v, want %v", test.a, test.b, got, test.want)
		}
		if got := test.b.sooner(test.a); got != test.want {
			t.Errorf("%v or %v: got %v, want %v", test.b, test.a, got, test.want)
		}
	}
}

// TestConditionTexts shows the words of the conditions that this package provides.
func TestConditionTexts(t *testing.T) {
	for want, condition := range map[string]Condition{
		"own: needs a time from 2027-01-15T08:00:01Z":             Window(epoch.Add(time.Second), time.Time{}),
		"own: needs a time until 2027-01-15T07:59:59Z":            Window(time.Time{}, epoch.Add(-time.Second)),
		"own: needs a request that the negated condition refuses": Not(Window(epoch, time.Time{})),
		"own: cannot be determined: the address is unknown":       Network(netip.MustParsePrefix("192.0.2.0/24")),
		"own: cannot be determined: no condition is given":        All(),
	} {
		factory := func([]byte) (Condition, error) { return condition, nil }
		policy, err := Compile(List{{Extra: []Extra{{"own", []byte("1")}}}}, Options{Conditions: map[string]Factory{"own": factory}})
		require.NoError(t, err)
		e := policy.Explain(&Request{Now: epoch, Kind: AT})
		require.Equal(t, want, e.Clauses[0].Objections[0].String())
	}
}

// TestEarliestWithOwnConditions shows that an instant is unknown if, and only if, a
// condition cannot tell.
//
// proves P10
func TestEarliestWithOwnConditions(t *testing.T) {
	hour := func(n int) time.Time { return epoch.Add(time.Duration(n) * time.Hour) }
	conditions := map[string]Condition{
		"mute":      objecting{errors.New("no")},
		"broken":    broken{},
		"hour1":     objectingUntil{hour(1)},
		"hour3":     objectingUntil{hour(3)},
		"never":     Not(Window(hour(-9), time.Time{})),
		"windows":   Any(Window(hour(1), hour(2)), Window(hour(4), hour(5)), Window(hour(7), hour(8))),
		"windows2":  Any(Window(hour(2), hour(4).Add(-time.Second)), Window(hour(5), hour(6)), Window(hour(9), time.Time{})),
		"lateMute":  muteUntil{hour(3)},
		"oscillate": oscillating{},
	}
	factories := map[string]Factory{}
	for key, condition := range conditions {
		factories[key] = func([]byte) (Condition, error) { return condition, nil }
	}
	for _, test := range []struct{ clauses, want string }{
		{`[{"hour1":1}]`, "+1h0m0s"},
		{`[{"hour1":1,"hour3":1}]`, "+3h0m0s"},
		{`[{"hour3":1,"hour1":1}]`, "+3h0m0s"},
		{`[{"never":1}]`, "never"},
		{`[{"mute":1}]`, "unknown"},
		{`[{"mute":1,"never":1}]`, "never"},
		{`[{"never":1,"mute":1}]`, "never"},
		{`[{"mute":1,"exp":1799999999}]`, "never"},
		{`[{"mute":1,"hour3":1,"exp":1800003600}]`, "never"},
		{`[{"mute":1,"usages_AT":0}]`, "never"},
		{`[{"broken":1}]`, "unknown"},
		{`[{"oscillate":1}]`, "unknown"},
		{`[{"windows":1}]`, "+1h0m0s"},
		{`[{"windows":1,"windows2":1}]`, "+2h0m0s"},
		{`[{"windows":1,"windows2":1,"nbf":1800007201}]`, "+5h0m0s"},
		{`[{"windows":1,"windows2":1,"nbf":1800018001}]`, "never"},
		{`[{"windows":1,"windows2":1,"nbf":1800007201,"exp":1800017999}]`, "never"},
		{`[{"windows":1,"windows2":1,"nbf":1800007201,"exp":1800018000}]`, "+5h0m0s"},
		// A condition that cannot tell, but admits the later instant.
		{`[{"lateMute":1}]`, "unknown"},
		{`[{"lateMute":1,"nbf":1800010800}]`, "+3h0m0s"},
		{`[{"lateMute":1,"hour3":1}]`, "+3h0m0s"},
		{`[{"lateMute":1,"hour1":1}]`, "unknown"},
		// Clauses that cannot tell count only if they might be first.
		{`[{"mute":1},{"hour1":1}]`, "unknown"},
		{`[{"hour1":1},{"mute":1}]`, "unknown"},
		{`[{"hour1":1},{"mute":1,"nbf":1800003600}]`, "+1h0m0s"},
		{`[{"hour1":1},{"mute":1,"nbf":1800003599}]`, "unknown"},
		{`[{"hour3":1},{"hour1":1},{"never":1}]`, "+1h0m0s"},
		{`[{"mute":1},{"never":1}]`, "unknown"},
	} {
		policy := mustCompile(t, mustParse(t, test.clauses), Options{Conditions: factories})
		d := policy.Evaluate(&Request{Now: epoch, Kind: AT})
		if d.Admitted() {
			t.Errorf("%s: admitted", test.clauses)
			continue
		}
		got := d.Explanation().Earliest.String()
		if at, ok := d.Explanation().Earliest.Time(); ok {
			got = "+" + at.Sub(epoch).String()
		}
		if got != test.want {
			t.Errorf("%s: got %s, want %s", test.clauses, got, test.want)
		}
	}
}
