package restriction

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestEvaluateKeys has rows for each key of protocol section 2.1.
func TestEvaluateKeys(t *testing.T) {
	at := func(text string) netip.Addr { return addr(text) }
	for _, test := range []struct {
		name    string
		clause  string
		request Request
		want    bool
	}{
		{"nbf in the past", `{"nbf":1799999999}`, Request{Kind: Uncounted}, true},
		{"nbf now", `{"nbf":1800000000}`, Request{Kind: Uncounted}, true},
		{"nbf in the future", `{"nbf":1800000001}`, Request{Kind: Uncounted}, false},
		{"exp in the future", `{"exp":1800000001}`, Request{Kind: Uncounted}, true},
		{"exp now", `{"exp":1800000000}`, Request{Kind: Uncounted}, true},
		{"exp in the past", `{"exp":1799999999}`, Request{Kind: Uncounted}, false},

		{"scope in the list", `{"scope":"a b"}`, Request{Kind: AT, Scopes: []string{"b", "a"}}, true},
		{"scope not in the list", `{"scope":"a b"}`, Request{Kind: AT, Scopes: []string{"a", "c"}}, false},
		{"scope in another case", `{"scope":"a"}`, Request{Kind: AT, Scopes: []string{"A"}}, false},
		{"part of a scope", `{"scope":"abc"}`, Request{Kind: AT, Scopes: []string{"ab"}}, false},
		{"no scope requested", `{"scope":"a"}`, Request{Kind: AT}, true},
		{"scope of another use", `{"scope":"a"}`, Request{Kind: Other, Scopes: []string{"b"}}, true},
		{"scope without a list", `{"exp":1900000000}`, Request{Kind: AT, Scopes: []string{"b"}}, true},

		{"audience in the list", `{"audience":["a","b"]}`, Request{Kind: AT, Audiences: []string{"a"}}, true},
		{"audience not in the list", `{"audience":["a","b"]}`, Request{Kind: AT, Audiences: []string{"a", "c"}}, false},
		{"no audience requested", `{"audience":["a"]}`, Request{Kind: AT}, true},
		{"audience of another use", `{"audience":["a"]}`, Request{Kind: Uncounted, Audiences: []string{"b"}}, true},

		{"host", `{"hosts":["198.51.100.1","192.0.2.0/24"]}`, Request{Kind: Other, Address: at("192.0.2.9")}, true},
		{"another host", `{"hosts":["198.51.100.1","192.0.2.0/24"]}`, Request{Kind: Other, Address: at("198.51.100.2")}, false},
		{"ip, the older name", `{"ip":["192.0.2.0/24"]}`, Request{Kind: Other, Address: at("198.51.100.2")}, false},
		{"malformed hosts", `{"hosts":["*","this",""]}`, Request{Kind: Other, Address: at("198.51.100.2")}, false},

		{"usages_AT", `{"usages_AT":1}`, Request{Kind: AT}, true},
		{"usages_AT of zero", `{"usages_AT":0}`, Request{Kind: AT}, false},
		{"usages_AT below zero", `{"usages_AT":-1}`, Request{Kind: AT}, false},
		{"usages_AT of zero, other use", `{"usages_AT":0}`, Request{Kind: Other}, true},
		{"usages_AT of zero, uncounted", `{"usages_AT":0,"usages_other":0}`, Request{Kind: Uncounted}, true},
		{"usages_AT left", `{"usages_AT":3}`, Request{Kind: AT, Used: []Usage{{AT: 2, Other: 9}}}, true},
		{"usages_AT spent", `{"usages_AT":3}`, Request{Kind: AT, Used: []Usage{{AT: 3}}}, false},
		{"usages_AT without its counter", `{"usages_AT":3}`, Request{Kind: AT, Used: []Usage{}}, false},
		{"no limit without its counter", `{"usages_other":3}`, Request{Kind: AT, Used: []Usage{}}, true},
		{"usages_other", `{"usages_other":1}`, Request{Kind: Other}, true},
		{"usages_other of zero", `{"usages_other":0}`, Request{Kind: Other}, false},
		{"usages_other left", `{"usages_other":3}`, Request{Kind: Other, Used: []Usage{{AT: 9, Other: 2}}}, true},
		{"usages_other spent", `{"usages_other":3}`, Request{Kind: Other, Used: []Usage{{Other: 3}}}, false},

		{"all keys", `{"nbf":1,"exp":1900000000,"scope":"a","audience":["b"],"hosts":["192.0.2.1"],"usages_AT":1}`, Request{Kind: AT, Scopes: []string{"a"}, Audiences: []string{"b"}, Address: at("192.0.2.1")}, true},
		{"include in a token", `{"include":"x"}`, Request{Kind: Uncounted}, false},
		{"an unknown key", `{"exp":1900000000,"x":null}`, Request{Kind: Uncounted}, false},
		{"a key in another case", `{"exp":1900000000,"Scope":"a"}`, Request{Kind: Uncounted}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			list := mustParse(t, "["+test.clause+"]")
			policy := mustCompile(t, list, Options{})
			test.request.Now = epoch
			d := policy.Evaluate(&test.request)
			if d.Admitted() != test.want {
				t.Errorf("got %v, want %v: %v", d.Admitted(), test.want, d.Explanation())
			}
			if e := policy.Explain(&test.request); e.Admitted != test.want {
				t.Errorf("the explanation says %v", e)
			}
			if err := d.Err(); (err == nil) != test.want || err != nil && !errors.Is(err, ErrRefused) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// TestTimeIsInWholeSeconds shows that parts of a second do not matter.
func TestTimeIsInWholeSeconds(t *testing.T) {
	policy := mustCompile(t, List{{NotBefore: epoch.Unix(), Expires: epoch.Unix() + 10}}, Options{})
	for offset, want := range map[time.Duration]bool{
		-time.Microsecond:                 false,
		0:                                 true,
		10 * time.Second:                  true,
		10*time.Second + time.Microsecond: true,
		11*time.Second - time.Nanosecond:  true,
		11 * time.Second:                  false,
	} {
		d := policy.Evaluate(&Request{Now: epoch.Add(offset), Kind: Uncounted})
		if d.Admitted() != want {
			t.Errorf("at %v: got %v", offset, d.Admitted())
		}
	}
}

// TestZeroValuesRefuse shows that zero and empty values deny.
//
// proves P2
func TestZeroValuesRefuse(t *testing.T) {
	if (&Decision{}).Admitted() {
		t.Error("the zero Decision admits")
	}
	unrestricted := mustCompile(t, nil, Options{})
	good := Request{Now: epoch, Kind: AT}
	for name, d := range map[string]Decision{
		"nil policy":     (*Policy)(nil).Evaluate(&good),
		"zero policy":    (&Policy{}).Evaluate(&good),
		"nil request":    unrestricted.Evaluate(nil),
		"no time":        unrestricted.Evaluate(&Request{Kind: AT}),
		"no kind":        unrestricted.Evaluate(&Request{Now: epoch}),
		"undefined kind": unrestricted.Evaluate(&Request{Now: epoch, Kind: Uncounted + 1}),
	} {
		if d.Admitted() || d.Err() == nil {
			t.Errorf("%s admits", name)
		}
		e := d.Explanation()
		if e == nil || e.Admitted || !e.Earliest.IsNever() || e.Objection == nil || len(e.Keys()) != 1 {
			t.Errorf("%s: explanation %v", name, e)
		}
		if _, ok := d.First(); ok {
			t.Errorf("%s has a candidate", name)
		}
	}
	if d := unrestricted.Evaluate(&good); !d.Admitted() || !unrestricted.Unrestricted() || unrestricted.Len() != 0 {
		t.Error("an unrestricted token is refused")
	}
	if (&Policy{}).Unrestricted() || (*Policy)(nil).Unrestricted() || (*Policy)(nil).Len() != 0 || (*Policy)(nil).NeedsLookup() {
		t.Error("a policy that was not compiled counts as unrestricted")
	}
	for name, clause := range map[string]Clause{
		"scopes":         {Scopes: []string{}},
		"audiences":      {Audiences: []string{}},
		"hosts":          {Hosts: []string{}},
		"geoip_allow":    {GeoIPAllow: []string{}},
		"geoip_disallow": {GeoIPDisallow: []string{}},
	} {
		policy := mustCompile(t, List{clause}, Options{PrivateCountry: "DE"})
		d := policy.Decide(t.Context(), &Request{Now: epoch, Kind: AT, Address: addr("10.0.0.1")})
		if d.Admitted() {
			t.Errorf("%s: a list without entries admits", name)
		}
	}
}

// TestKindTexts has the text of each kind.
func TestKindTexts(t *testing.T) {
	for kind, want := range map[Kind]string{AT: "AT", Other: "other", Uncounted: "uncounted", 0: "invalid", 9: "invalid"} {
		if kind.String() != want {
			t.Errorf("%d: %s, want %s", kind, kind, want)
		}
	}
}

// TestCompileErrors has a row for each error of Compile.
func TestCompileErrors(t *testing.T) {
	for name, test := range map[string]struct {
		list    List
		options Options
		want    error
	}{
		"empty clause":         {List{{Expires: 1}, {}}, Options{}, ErrEmptyClause},
		"too many clauses":     {make(List, MaxClauses+1), Options{}, ErrTooLarge},
		"condition named exp":  {nil, Options{Conditions: map[string]Factory{"exp": neverFactory}}, ErrInvalid},
		"condition named ip":   {nil, Options{Conditions: map[string]Factory{"ip": neverFactory}}, ErrInvalid},
		"condition of nothing": {nil, Options{Conditions: map[string]Factory{"x": nil}}, ErrInvalid},
		"private country":      {nil, Options{PrivateCountry: "Germany"}, ErrInvalid},
		"disabled misspelt":    {nil, Options{Disabled: []string{KeyHosts, "geoip_alow"}}, ErrInvalid},
		"disabled older name":  {nil, Options{Disabled: []string{KeyIP}}, ErrInvalid},
		"disabled own key":     {nil, Options{Disabled: []string{"x"}, Conditions: map[string]Factory{"x": neverFactory}}, ErrInvalid},
	} {
		if p, err := Compile(test.list, test.options); !errors.Is(err, test.want) || p != nil {
			t.Errorf("%s: %v, %v", name, p, err)
		} else if !strings.HasPrefix(err.Error(), "restriction: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPolicyDoesNotShareTheList changes the list after it was compiled.
func TestPolicyDoesNotShareTheList(t *testing.T) {
	list := List{{Scopes: []string{"a"}, Hosts: []string{"192.0.2.1"}, UsagesAT: Usages(1)}}
	policy := mustCompile(t, list, Options{})
	list[0].Scopes[0], list[0].Hosts[0], *list[0].UsagesAT = "b", "192.0.2.2", 0
	d := policy.Evaluate(&Request{Now: epoch, Kind: AT, Address: addr("192.0.2.1"), Scopes: []string{"a"}})
	if !d.Admitted() {
		t.Error(d.Explanation())
	}
}

// TestD29a_FirstMatchOrder shows that candidates come in the order of the token, limited
// or not.
func TestD29a_FirstMatchOrder(t *testing.T) {
	list := make(List, 200)
	var want []int
	for i := range list {
		list[i] = Clause{NotBefore: epoch.Unix() + 1}
		if i%7 == 3 || i == 64 || i == 63 || i == 199 {
			list[i] = Clause{Scopes: []string{"a"}, UsagesAT: Usages(1)}
			want = append(want, i)
		}
	}
	policy := mustCompile(t, list, Options{})
	d := policy.Evaluate(&Request{Now: epoch, Kind: AT, Scopes: []string{"a"}})
	if got := slices.Collect(d.Candidates()); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if first, ok := d.First(); !ok || first != 3 {
		t.Errorf("first is %d, %v", first, ok)
	}
	if policy.Len() != 200 {
		t.Errorf("%d clauses", policy.Len())
	}
}

// TestD25_DisabledKeysAreUnsatisfied shows that a clause with a disabled key admits
// nothing. An issuer refuses it and never leaves it out (D26).
func TestD25_DisabledKeysAreUnsatisfied(t *testing.T) {
	values := map[string]string{
		KeyNotBefore: "1", KeyExpires: "1900000000", KeyScope: `"a"`, KeyAudience: `["a"]`, KeyHosts: `["192.0.2.1"]`,
		KeyGeoIPAllow: `["DE"]`, KeyGeoIPDisallow: `["FR"]`, KeyUsagesAT: "5", KeyUsagesOther: "5",
	}
	for key, value := range values {
		list := mustParse(t, `[{"`+key+`":`+value+`}]`)
		enabled := Options{PrivateCountry: "DE"}
		request := Request{Now: epoch, Kind: AT, Address: addr("192.0.2.1")}
		if strings.HasPrefix(key, "geoip") {
			request.Address = addr("10.0.0.1")
		}
		if d := mustCompile(t, list, enabled).Decide(t.Context(), &request); !d.Admitted() {
			t.Fatalf("%s: %v", key, d.Explanation())
		}
		disabled := enabled
		disabled.Disabled = []string{key}
		d := mustCompile(t, list, disabled).Decide(t.Context(), &request)
		if d.Admitted() {
			t.Errorf("%s: a disabled key is ignored", key)
		} else if e := d.Explanation(); !slices.Equal(e.Keys(), []string{key}) || !e.Earliest.IsNever() {
			t.Errorf("%s: %v", key, e)
		}
		var typed *ClauseError
		if err := disabled.Check(list); !errors.Is(err, ErrUnsupported) || !errors.As(err, &typed) || typed.Key != key {
			t.Errorf("%s: Check says %v", key, err)
		}
		if err := enabled.Check(list); err != nil {
			t.Errorf("%s: Check says %v", key, err)
		}
		if slices.Contains(disabled.SupportedKeys(), key) || !slices.Contains(enabled.SupportedKeys(), key) {
			t.Errorf("%s: supported keys are wrong", key)
		}
	}
}

// TestD26_UnsupportedKeysAreRefusedAtIssue checks clauses that the options cannot
// evaluate.
func TestD26_UnsupportedKeysAreRefusedAtIssue(t *testing.T) {
	for _, test := range []struct {
		text    string
		options Options
		want    error
	}{
		{`[{"exp":5},{"hosst":["192.0.2.1"]}]`, Options{}, ErrUnsupported},
		{`[{"include":"x"}]`, Options{}, ErrUnsupported},
		{`[{"geoip_allow":["DE"]}]`, Options{}, ErrUnsupported},
		{`[{"geoip_disallow":["DE"]}]`, Options{}, ErrUnsupported},
		{`[{"hosts":["example.org"]}]`, Options{}, ErrUnsupported},
		{`[{"hosts":["*.example.org"]}]`, Options{}, ErrUnsupported},
		{`[{"hosts":["192.0.2.1"]}]`, Options{}, nil},
		{`[{"hosts":["example.org"]}]`, Options{Resolver: fakeDNS{}}, nil},
		{`[{"geoip_allow":["DE"]}]`, Options{Locator: fakeGeo{}}, nil},
		{`[{"x":1}]`, Options{Conditions: map[string]Factory{"x": neverFactory}}, nil},
		{`[{"x":1}]`, Options{Conditions: map[string]Factory{"x": func([]byte) (Condition, error) { return nil, nil }}}, ErrInvalid},
		{`[{"x":1}]`, Options{Conditions: map[string]Factory{"x": func([]byte) (Condition, error) { return nil, errors.New("no") }}}, ErrInvalid},
	} {
		if err := test.options.Check(mustParse(t, test.text)); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.text, err, test.want)
		}
	}
	options := Options{Conditions: map[string]Factory{"z": neverFactory, "y": neverFactory}, Disabled: []string{KeyScope}}
	want := []string{KeyNotBefore, KeyExpires, KeyAudience, KeyHosts, KeyUsagesAT, KeyUsagesOther, KeySchedule, "y", "z"}
	if got := options.SupportedKeys(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestD27_SecondOtherUse spends a clause that limits only other uses.
func TestD27_SecondOtherUse(t *testing.T) {
	policy := mustCompile(t, List{{UsagesOther: Usages(2)}}, Options{})
	for used := range int64(4) {
		d := policy.Evaluate(&Request{Now: epoch, Kind: Other, Used: []Usage{{Other: used}}})
		if d.Admitted() != (used < 2) {
			t.Errorf("after %d uses: %v", used, d.Admitted())
		}
	}
}

// TestD28_UncountedUses shows that a use that spends nothing still depends on time,
// hosts, country and the embedding program's conditions.
func TestD28_UncountedUses(t *testing.T) {
	options := Options{PrivateCountry: "DE", Conditions: map[string]Factory{"never": neverFactory}}
	for text, want := range map[string]bool{
		`[{"exp":1799999999}]`:               false,
		`[{"nbf":1800000001}]`:               false,
		`[{"hosts":["192.0.2.1"]}]`:          false,
		`[{"geoip_allow":["FR"]}]`:           false,
		`[{"geoip_disallow":["DE"]}]`:        false,
		`[{"never":1}]`:                      false,
		`[{"usages_AT":0,"usages_other":0}]`: true,
		`[{"scope":"a","audience":["b"],"hosts":["10.0.0.0/8"],"geoip_allow":["DE"]}]`: true,
	} {
		policy := mustCompile(t, mustParse(t, text), options)
		d := policy.Decide(t.Context(), &Request{Now: epoch, Kind: Uncounted, Address: addr("10.0.0.1"), Scopes: []string{"x"}})
		if d.Admitted() != want {
			t.Errorf("%s: got %v", text, d.Admitted())
		}
	}
}

// TestLongListsOfScopes compares lists that have an index with short ones.
func TestLongListsOfScopes(t *testing.T) {
	var scopes []string
	for i := range 1000 {
		scopes = append(scopes, "s"+strings.Repeat("x", i%7)+string(rune('a'+i%26)))
	}
	policy := mustCompile(t, List{{Scopes: scopes}}, Options{})
	for _, scope := range scopes {
		if d := policy.Evaluate(&Request{Now: epoch, Kind: AT, Scopes: []string{scope}}); !d.Admitted() {
			t.Fatalf("%s is missing", scope)
		}
	}
	if d := policy.Evaluate(&Request{Now: epoch, Kind: AT, Scopes: []string{"s"}}); d.Admitted() {
		t.Error("a scope too many")
	}
}

// TestEvaluateAllocatesNothing evaluates policies that need no look-up.
func TestEvaluateAllocatesNothing(t *testing.T) {
	policy := mustCompile(t, benchmarkList(4), Options{})
	long := mustCompile(t, benchmarkList(1000), Options{})
	distinct := mustCompile(t, phaseList(1000), Options{}) // more entries than marks
	for name, p := range map[string]*Policy{"4 clauses": policy, "1000 clauses": long, "1000 distinct": distinct, "counted": policy} {
		request := benchmarkRequest()
		if name == "counted" {
			request.Used = make([]Usage, p.Len())
		}
		allocs := testing.AllocsPerRun(100, func() {
			p.Prepare(t.Context(), &request)
			d := p.Evaluate(&request)
			for clause := range d.Candidates() {
				if clause != p.Len()-1 {
					t.Errorf("candidate %d", clause)
				}
			}
			if !d.Admitted() {
				t.Error("refused")
			}
		})
		if allocs != 0 {
			t.Errorf("%s: %v allocations", name, allocs)
		}
	}
}
