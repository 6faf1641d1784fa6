package restriction

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestCodecKeys has a row for each key of protocol section 2.1.
func TestCodecKeys(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       Clause
		encoded    string // "" if it is text
	}{
		{"nbf", `[{"nbf":5}]`, Clause{NotBefore: 5}, ""},
		{"exp", `[{"exp":7}]`, Clause{Expires: 7}, ""},
		{"scope", `[{"scope":"a b"}]`, Clause{Scopes: []string{"a", "b"}}, ""},
		{"scope with more spaces", `[{"scope":" a  b "}]`, Clause{Scopes: []string{"a", "b"}}, `[{"scope":"a b"}]`},
		{"audience", `[{"audience":["x","y z"]}]`, Clause{Audiences: []string{"x", "y z"}}, ""},
		{"hosts", `[{"hosts":["192.0.2.1"]}]`, Clause{Hosts: []string{"192.0.2.1"}}, ""},
		{"geoip_allow", `[{"geoip_allow":["de"]}]`, Clause{GeoIPAllow: []string{"de"}}, ""},
		{"geoip_disallow", `[{"geoip_disallow":["DE"]}]`, Clause{GeoIPDisallow: []string{"DE"}}, ""},
		{"usages_AT", `[{"usages_AT":3}]`, Clause{UsagesAT: Usages(3)}, ""},
		{"usages_AT of zero is kept", `[{"usages_AT":0}]`, Clause{UsagesAT: Usages(0)}, ""},
		{"usages_other", `[{"usages_other":0}]`, Clause{UsagesOther: Usages(0)}, ""},
		{
			"order of the keys", `[{"usages_other":1,"usages_AT":2,"geoip_disallow":["AT"],"geoip_allow":["DE"],"hosts":["a"],"audience":["b"],"scope":"c","exp":9,"nbf":8}]`,
			Clause{
				NotBefore: 8, Expires: 9, Scopes: []string{"c"}, Audiences: []string{"b"}, Hosts: []string{"a"},
				GeoIPAllow: []string{"DE"}, GeoIPDisallow: []string{"AT"}, UsagesAT: Usages(2), UsagesOther: Usages(1),
			},
			`[{"nbf":8,"exp":9,"scope":"c","audience":["b"],"hosts":["a"],"geoip_allow":["DE"],"geoip_disallow":["AT"],"usages_AT":2,"usages_other":1}]`,
		},
		{
			"empty and null are absent", `[{"nbf":0,"exp":null,"scope":"","audience":[],"hosts":null,"geoip_allow":[],"geoip_disallow":null,"usages_AT":null,"usages_other":4}]`,
			Clause{UsagesOther: Usages(4)}, `[{"usages_other":4}]`,
		},
		{"include is no key of a token", `[{"include":"x"}]`, Clause{Extra: []Extra{{"include", []byte(`"x"`)}}}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			list := mustParse(t, test.text)
			if len(list) != 1 || !list[0].Equal(&test.want) {
				t.Errorf("got %+v, want %+v", list, test.want)
			}
			want := test.encoded
			if want == "" {
				want = test.text
			}
			if got := mustEncode(t, list); got != want {
				t.Errorf("encoded %s, want %s", got, want)
			}
		})
	}
}

// TestUnknownKeysKeepTheirBytes reads and writes keys that this package does not define.
//
// proves P2
func TestUnknownKeysKeepTheirBytes(t *testing.T) {
	const text = `[{"exp":7,"x":[ 1,"\u0061" ],"Hosts":{"a" : 1.0e0},"EXP":null}]`
	list := mustParse(t, text)
	assert.Equal(t, text, mustEncode(t, list))
	if list[0].Expires != 7 || list[0].Hosts != nil {
		t.Errorf("a name in another case was taken for a key: %+v", list[0])
	}
}

// TestExtraDoesNotShareTheInput changes the text after it was read.
func TestExtraDoesNotShareTheInput(t *testing.T) {
	text := []byte(`[{"x":"abc"}]`)
	list, err := Parse(text)
	require.NoError(t, err)
	for i := range text {
		text[i] = '!'
	}
	assert.Equal(t, `"abc"`, string(list[0].Extra[0].Value))
}

// TestD15_IPIsHosts reads the older name of the key hosts.
func TestD15_IPIsHosts(t *testing.T) {
	list := mustParse(t, `[{"ip":["192.0.2.1"]}]`)
	assert.Equal(t, `[{"hosts":["192.0.2.1"]}]`, mustEncode(t, list))
	if _, err := Parse([]byte(`[{"ip":["192.0.2.1"],"hosts":["192.0.2.2"]}]`)); !errors.Is(err, ErrSyntax) {
		t.Errorf("both at once: %v", err)
	}
}

// TestNeverUnrestricted shows that a text meant as a restriction never reads as none.
//
// proves P1
func TestNeverUnrestricted(t *testing.T) {
	for _, test := range []struct {
		text string
		want error
	}{
		{`[null]`, ErrSyntax},
		{`[[]]`, ErrSyntax},
		{`{}`, ErrSyntax},
		{`null`, ErrSyntax},
		{`"x"`, ErrSyntax},
		{`0`, ErrSyntax},
		{``, ErrSyntax},
		{`[`, ErrSyntax},
		{`[{}`, ErrSyntax},
		{`[{"exp":5}`, ErrSyntax},
		{`[{"exp":5}] x`, ErrSyntax},
		{`[{"exp":5}][]`, ErrSyntax},
		{`["web-default"]`, ErrSyntax},
		{`[false]`, ErrSyntax},
		{`[{"exp":5},null]`, ErrSyntax},
		{`[{"exp":5,"exp":6}]`, ErrSyntax},
		{`[{"x":{"a":1,"a":2}}]`, ErrSyntax},
		{`[{"exp":"5"}]`, ErrSyntax},
		{`[{"exp":5.5}]`, ErrSyntax},
		{`[{"exp":1e3}]`, ErrSyntax},
		{`[{"exp":99999999999999999999}]`, ErrSyntax},
		{`[{"exp":true}]`, ErrSyntax},
		{`[{"scope":["a"]}]`, ErrSyntax},
		{`[{"audience":"a"}]`, ErrSyntax},
		{`[{"hosts":[1]}]`, ErrSyntax},
		{`[{"hosts":[null]}]`, ErrSyntax},
		{`[{"hosts":"192.0.2.1"}]`, ErrSyntax},
		{`[{"usages_AT":"1"}]`, ErrSyntax},
		{"[{\"hosts\":[\"\xff\"]}]", ErrSyntax},
		{`[{}]`, ErrEmptyClause},
		{`[{"exp":5},{}]`, ErrEmptyClause},
		{`[{"hosts":[]}]`, ErrEmptyClause},
		{`[{"exp":0,"scope":""}]`, ErrEmptyClause},
	} {
		var typed *ClauseError
		if list, err := Parse([]byte(test.text)); !errors.Is(err, test.want) || list != nil {
			t.Errorf("Parse(%s) = %v, %v, want %v", test.text, list, err, test.want)
		} else if strings.HasPrefix(test.text, `[{"`) && strings.HasSuffix(test.text, `}]`) && !errors.As(err, &typed) {
			t.Errorf("Parse(%s): %v does not say which clause", test.text, err)
		}
		kept := List{{Expires: 1}}
		if err := kept.UnmarshalJSON([]byte(test.text)); err == nil || len(kept) != 1 {
			t.Errorf("UnmarshalJSON(%s) = %v, list is now %v", test.text, err, kept)
		}
	}

	list := mustParse(t, `[{"unknown_key":1}]`)
	policy, err := Compile(list, Options{})
	require.NoError(t, err)
	if d := policy.Evaluate(&Request{Now: epoch, Kind: Uncounted}); d.Admitted() {
		t.Error("a clause with an unknown key admits")
	}
}

// TestLimitsComeFirst reads lists at each limit and just beyond it.
func TestLimitsComeFirst(t *testing.T) {
	clauses := func(n int) string { return "[" + strings.Repeat(`{"exp":1},`, n-1) + `{"exp":1}]` }
	hosts := func(n int) string { return `{"hosts":[` + strings.Repeat(`"a",`, n-1) + `"a"]}` }
	list := func(n int) string { return `[` + hosts(n) + `]` }
	nested := func(n int) string { return `[{"x":` + strings.Repeat("[", n-2) + strings.Repeat("]", n-2) + `}]` }
	keys := func(n int) string {
		var text strings.Builder
		for i := range n {
			fmt.Fprintf(&text, `,"k%d":1`, i)
		}
		return `[{` + text.String()[1:] + `}]`
	}
	for _, test := range []struct {
		name     string
		fits     string // at the limit
		exceeds  string // just beyond
		farAbove string
	}{
		{"clauses", clauses(MaxClauses), clauses(MaxClauses + 1), clauses(10_000)},
		{"entries in a list", list(MaxEntries), list(MaxEntries + 1), list(100_000)},
		{"levels of nesting", nested(MaxDepth), nested(MaxDepth + 1), nested(500_000)},
		{"keys in a clause", keys(MaxKeys), keys(MaxKeys + 1), keys(10_000)},
		{"bytes in a string", `[{"x":"` + strings.Repeat("a", MaxString) + `"}]`, `[{"x":"` + strings.Repeat("a", MaxString+1) + `"}]`, `[{"x":"` + strings.Repeat("a", 900_000) + `"}]`},
		{"bytes", clauses(2) + strings.Repeat(" ", MaxBytes-len(clauses(2))), clauses(2) + strings.Repeat(" ", MaxBytes-len(clauses(2))+1), strings.Repeat("[", 1<<24)},
		{
			"entries in all lists",
			"[" + strings.Repeat(`{"scope":"a`+strings.Repeat(" a", 1023)+`"},`, 4) + `{"scope":"a` + strings.Repeat(" a", 4) + `"}]`,
			"[" + strings.Repeat(`{"scope":"a`+strings.Repeat(" a", 1023)+`"},`, 4) + `{"scope":"a` + strings.Repeat(" a", 5) + `"}]`,
			"[" + strings.Repeat(`{"scope":"a`+strings.Repeat(" a", 1023)+`"},`, 40) + `{"exp":1}]`,
		},
		{"entries in all lists", "[" + strings.Repeat(hosts(1024)+",", 4) + hosts(5) + "]", "[" + strings.Repeat(hosts(1024)+",", 4) + hosts(6) + "]", "[" + strings.Repeat(hosts(1024)+",", 100) + hosts(10) + "]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := Parse([]byte(test.fits)); err != nil {
				t.Errorf("at the limit: %v", err)
			}
			for _, text := range []string{test.exceeds, test.farAbove} {
				data := []byte(text)
				_, err := Parse(data)
				var limit *LimitError
				if !errors.Is(err, ErrTooLarge) || !errors.As(err, &limit) || limit.What != test.name {
					t.Errorf("beyond the limit: %v", err)
				}
				// Parse refuses the text before it decodes anything. It allocates only
				// the error.
				if allocs := testing.AllocsPerRun(100, func() { Parse(data) }); allocs > 1 {
					t.Errorf("%v allocations to refuse %d bytes", allocs, len(data))
				}
			}
		})
	}
}

// TestEncodeRefusesWhatReadsDifferently writes lists that Parse would refuse or read as
// something else.
func TestEncodeRefusesWhatReadsDifferently(t *testing.T) {
	for name, clause := range map[string]Clause{
		"nothing":              {},
		"no scopes":            {Scopes: []string{}, Expires: 5},
		"no audiences":         {Audiences: []string{}, Expires: 5},
		"no hosts":             {Hosts: []string{}, Expires: 5},
		"empty scope":          {Scopes: []string{""}},
		"scope with a space":   {Scopes: []string{"a b"}},
		"host that is no text": {Hosts: []string{"\xff"}},
		"extra key twice":      {Extra: []Extra{{"x", []byte("1")}, {"x", []byte("2")}}},
		"extra key that is known": {
			Extra: []Extra{{"exp", []byte("5")}},
		},
		"extra key ip":          {Extra: []Extra{{"ip", []byte(`["192.0.2.1"]`)}}},
		"extra value no JSON":   {Extra: []Extra{{"x", []byte("1,2")}}},
		"extra value missing":   {Extra: []Extra{{"x", nil}}},
		"extra value repeating": {Extra: []Extra{{"x", []byte(`{"a":1,"a":2}`)}}},
	} {
		if text, err := (List{clause}).AppendJSON(nil); err == nil {
			t.Errorf("%s: encoded as %s", name, text)
		}
		if err := (List{clause}).Validate(); err == nil {
			t.Errorf("%s: valid", name)
		}
	}
	if _, err := make(List, MaxClauses+1).AppendJSON(nil); err == nil {
		t.Error("too many clauses: encoded")
	}
	if err := (List{{Hosts: strings.Split(strings.Repeat("a,", MaxEntries)+"a", ",")}}).Validate(); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too many entries: %v", err)
	}
}

// TestBothJSONLibraries reads and writes with the standard library and with json v2.
func TestBothJSONLibraries(t *testing.T) {
	type claims struct {
		Restrictions List `json:"restrictions"`
	}
	const text = `{"restrictions":[{"exp":7,"x":{"a":1.0}}]}`
	for name, codec := range map[string]struct {
		unmarshal func([]byte, *claims) error
		marshal   func(claims) ([]byte, error)
	}{
		"v1": {func(b []byte, c *claims) error { return json.Unmarshal(b, c) }, func(c claims) ([]byte, error) { return json.Marshal(c) }},
		"v2": {func(b []byte, c *claims) error { return jsonv2.Unmarshal(b, c) }, func(c claims) ([]byte, error) { return jsonv2.Marshal(c) }},
	} {
		var c claims
		if err := codec.unmarshal([]byte(text), &c); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got, err := codec.marshal(c); err != nil || string(got) != text {
			t.Errorf("%s: %s, %v", name, got, err)
		}
		if err := codec.unmarshal([]byte(`{"restrictions":[{}]}`), &c); !errors.Is(err, ErrEmptyClause) {
			t.Errorf("%s: empty clause: %v", name, err)
		}
	}
}

// TestKeys lists what a clause states.
func TestKeys(t *testing.T) {
	const text = `[{"nbf":1,"exp":9,"scope":"a","audience":["b"],"hosts":["c"],"geoip_allow":["DE"],"geoip_disallow":["AT"],"usages_AT":1,"usages_other":2,"x":"y"}]`
	want := []string{KeyNotBefore, KeyExpires, KeyScope, KeyAudience, KeyHosts, KeyGeoIPAllow, KeyGeoIPDisallow, KeyUsagesAT, KeyUsagesOther, "x"}
	if got := mustParse(t, text)[0].Keys(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := (&Clause{UsagesAT: Usages(0)}).Keys(); !slices.Equal(got, []string{KeyUsagesAT}) {
		t.Errorf("got %v", got)
	}
}

// TestOneClause reads and writes single clauses.
func TestOneClause(t *testing.T) {
	const text = `{"exp":7,"hosts":["192.0.2.1"],"x":{"a":1.0}}`
	var c Clause
	if err := json.Unmarshal([]byte(text), &c); err != nil || c.Expires != 7 {
		t.Fatalf("got %+v, %v", c, err)
	}
	if got, err := json.Marshal(c); err != nil || string(got) != text {
		t.Errorf("got %s, %v", got, err)
	}
	for _, text := range []string{`{}`, `null`, `[]`, ``, `{"exp":7},{"exp":8}`, `{"exp":7}]`, strings.Repeat(" ", MaxBytes+1)} {
		kept := Clause{Expires: 1}
		if err := kept.UnmarshalJSON([]byte(text)); err == nil || kept.Expires != 1 {
			t.Errorf("%.20s: got %+v, %v", text, kept, err)
		}
	}
	if text, err := (Clause{}).MarshalJSON(); !errors.Is(err, ErrEmptyClause) {
		t.Errorf("got %s, %v", text, err)
	}
}

// TestCloneSharesNothing changes a copy.
func TestCloneSharesNothing(t *testing.T) {
	const text = `[{"nbf":1,"exp":9,"scope":"a","audience":["b"],"hosts":["c"],"geoip_allow":["DE"],"geoip_disallow":["AT"],"usages_AT":1,"usages_other":2,"x":"y"}]`
	original := mustParse(t, text)
	c := original.Clone()[0]
	for _, list := range [][]string{c.Scopes, c.Audiences, c.Hosts, c.GeoIPAllow, c.GeoIPDisallow} {
		list[0] = "changed"
	}
	*c.UsagesAT, *c.UsagesOther, c.Extra[0].Value[1] = 7, 7, '!'
	c.Extra[0].Key = "changed"
	assert.Equal(t, text, mustEncode(t, original))
	if (List)(nil).Clone() != nil {
		t.Error("the copy of nil is not nil")
	}
}

// TestEqual tells nil from empty and ignores the order of extra keys.
func TestEqual(t *testing.T) {
	base := func() Clause {
		return mustParse(t, `[{"nbf":1,"exp":9,"scope":"a","audience":["b"],"hosts":["c"],"geoip_allow":["DE"],"geoip_disallow":["AT"],"usages_AT":1,"usages_other":2,"x":1,"y":2}]`)[0]
	}
	a, b := base(), base()
	b.Extra[0], b.Extra[1] = b.Extra[1], b.Extra[0]
	if !a.Equal(&b) {
		t.Error("the order of extra keys matters")
	}
	for i, change := range []func(*Clause){
		func(c *Clause) { c.NotBefore = 2 },
		func(c *Clause) { c.Expires = 8 },
		func(c *Clause) { c.Scopes = []string{"b"} },
		func(c *Clause) { c.Scopes = nil },
		func(c *Clause) { c.Audiences = []string{"b", "b"} },
		func(c *Clause) { c.Hosts = nil },
		func(c *Clause) { c.GeoIPAllow = []string{"de"} },
		func(c *Clause) { c.GeoIPDisallow = nil },
		func(c *Clause) { c.UsagesAT = nil },
		func(c *Clause) { c.UsagesOther = Usages(0) },
		func(c *Clause) { c.Extra = c.Extra[:1] },
		func(c *Clause) { c.Extra[0].Value = []byte("1.0") },
	} {
		b = base()
		change(&b)
		if a.Equal(&b) || b.Equal(&a) {
			t.Errorf("change %d goes unseen", i)
		}
	}
	empty := Clause{Scopes: []string{}}
	if empty.Equal(&Clause{}) {
		t.Error("an empty list equals an absent one")
	}
}

// TestString shows that restrictions print their JSON text, or the reason why they have
// none.
func TestString(t *testing.T) {
	list := List{{Expires: 9, Scopes: []string{"a", "b"}, UsagesAT: Usages(2)}, {NotBefore: 8}}
	for want, value := range map[string]any{
		`[{"exp":9,"scope":"a b","usages_AT":2},{"nbf":8}]`: list,
		`{"nbf":8}`:                             &list[1],
		`[]`:                                    List(nil),
		`(restriction: clause 0: empty clause)`: List{{}},
		`(restriction: clause 0: scope: `:       List{{Scopes: []string{}}},
	} {
		if got := fmt.Sprintf("%v", value); !strings.HasPrefix(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
