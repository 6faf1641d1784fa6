package restriction

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestFactsAgreeWithEvaluate draws clauses and requests. If the facts decide, Evaluate
// must decide the same.
//
// proves P10
func TestFactsAgreeWithEvaluate(t *testing.T) {
	admitted, refused, open := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		options := worldOptions()
		if rapid.IntRange(0, 3).Draw(t, "without look-ups") == 0 {
			options.Resolver, options.Locator = nil, nil
		}
		if rapid.IntRange(0, 3).Draw(t, "without conditions") == 0 {
			options.Conditions = nil
		}
		if rapid.IntRange(0, 3).Draw(t, "disabled?") == 0 {
			options.Disabled = rapid.SliceOf(rapid.SampledFrom(options.SupportedKeys()[:5])).Draw(t, "disabled")
		}
		policy, err := Compile(List{drawClause(t, true)}, options)
		require.NoError(t, err)
		facts := policy.Facts()
		require.Len(t, facts, 1)
		r := drawRequest(t)
		if rapid.Bool().Draw(t, "counted") {
			r.Used = []Usage{{rapid.Int64Range(0, 3).Draw(t, "AT"), rapid.Int64Range(0, 3).Draw(t, "other")}}
		}
		d := policy.Decide(t.Context(), &r)
		switch decided := decide(&facts[0], &r); decided {
		case Matches:
			admitted++
			require.True(t, d.Admitted(), "%v", d.Explanation())
		case NoMatch:
			refused++
			require.False(t, d.Admitted())
		default:
			open++
		}
	})
	assert.Greater(t, min(admitted, refused, open), 100, "the test shows little")
}

// decide judges a request by the facts alone.
func decide(f *Facts, r *Request) Match {
	now := r.Now.Unix()
	if f.Never != nil || f.Unknown != nil || now < f.First || now > f.Last {
		return NoMatch
	}
	if n, limited := f.Limit(r.Kind); limited {
		used := Usage{}
		if r.Used != nil {
			used = r.Used[0]
		}
		if r.Kind == AT && used.AT >= n || r.Kind == Other && used.Other >= n {
			return NoMatch
		}
	}
	lacks := func(list []string) func(string) bool {
		return func(word string) bool { return list != nil && !slices.Contains(list, word) }
	}
	if r.Kind == AT && (slices.ContainsFunc(r.Scopes, lacks(f.Scopes)) || slices.ContainsFunc(r.Audiences, lacks(f.Audiences))) {
		return NoMatch
	}
	host := ""
	if r.Address.IsValid() {
		host = r.Address.String()
	}
	match := f.MatchHost(host)
	for _, c := range f.Conditions {
		if c.Condition.Check(r) != nil {
			return NoMatch
		}
	}
	if f.Countries && match == Matches {
		return MayMatch
	}
	return match
}

// TestFacts has a row for each reason why a clause admits nothing, and for each kind of
// look-up.
func TestFacts(t *testing.T) {
	own := map[string]Factory{
		"own":    func([]byte) (Condition, error) { return muteUntil{epoch}, nil },
		"broken": func([]byte) (Condition, error) { return nil, errors.New("broken value") },
	}
	here := Options{Conditions: own, Resolver: fakeDNS{}, Locator: fakeGeo{}}
	for name, test := range map[string]struct {
		clause  Clause
		options Options
		never   string // key and text
		unknown []string
		lookups []string
	}{
		"times":                     {Clause{NotBefore: 5, Expires: 9}, here, "", nil, nil},
		"an end before the start":   {Clause{NotBefore: 9, Expires: 5}, here, "", nil, nil},
		"no scopes":                 {Clause{Scopes: []string{}}, here, "restriction: clause 0: scope: invalid: the list has no entries", nil, nil},
		"no audiences":              {Clause{Audiences: []string{}}, here, "restriction: clause 0: audience: invalid: the list has no entries", nil, nil},
		"names":                     {Clause{Hosts: []string{"a.example.org"}}, here, "", nil, []string{KeyHosts}},
		"names, not looked up":      {Clause{Hosts: []string{"a.example.org"}}, Options{}, "restriction: clause 0: hosts: invalid: no entry that an address can match", nil, []string{KeyHosts}},
		"names, elsewhere":          {Clause{Hosts: []string{"a.example.org"}}, Options{}.Elsewhere(), "", nil, []string{KeyHosts}},
		"malformed hosts":           {Clause{Hosts: []string{"no host"}}, here, "restriction: clause 0: hosts: invalid: no entry that an address can match", nil, nil},
		"countries":                 {Clause{GeoIPAllow: []string{"de", "x"}, GeoIPDisallow: []string{"FR"}}, here, "", nil, []string{KeyGeoIPAllow, KeyGeoIPDisallow}},
		"countries, not looked up":  {Clause{GeoIPAllow: []string{"de"}}, Options{}, "restriction: clause 0: geoip_allow: unsupported key", nil, nil},
		"countries, elsewhere":      {Clause{GeoIPAllow: []string{"de"}}, Options{}.Elsewhere(), "", nil, []string{KeyGeoIPAllow}},
		"disabled, elsewhere":       {Clause{GeoIPAllow: []string{"de"}}, Options{Disabled: []string{KeyGeoIPAllow}}.Elsewhere(), "restriction: clause 0: geoip_allow: unsupported key", nil, nil},
		"no country":                {Clause{GeoIPAllow: []string{"x"}}, here, "restriction: clause 0: geoip_allow: invalid: no entry is a country code of two letters", nil, []string{KeyGeoIPAllow}},
		"every country is excluded": {Clause{GeoIPAllow: []string{"de"}, GeoIPDisallow: []string{"DE"}}, here, "restriction: clause 0: geoip_allow: invalid: geoip_disallow excludes every country", nil, []string{KeyGeoIPAllow, KeyGeoIPDisallow}},
		"excluded, malformed":       {Clause{GeoIPDisallow: []string{"x"}}, here, "restriction: clause 0: geoip_disallow: invalid: not every entry is a country code of two letters", nil, []string{KeyGeoIPDisallow}},
		"a condition":               {Clause{Extra: []Extra{{"own", []byte("1")}}}, here, "", nil, nil},
		"a broken condition":        {Clause{Extra: []Extra{{"broken", []byte("1")}}}, here, "restriction: clause 0: broken: invalid: broken value", nil, nil},
		"an unknown key":            {Clause{Extra: []Extra{{"other", []byte("1")}}}, here, "", []string{"other"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			facts := mustCompile(t, List{test.clause}, test.options).Facts()
			require.Len(t, facts, 1)
			f := &facts[0]
			never := ""
			if f.Never != nil {
				never = f.Never.Error()
			}
			assert.Equal(t, test.never, never)
			assert.Equal(t, test.unknown, f.Unknown)
			assert.Equal(t, test.lookups, f.Lookups)
			first, last := test.clause.NotBefore, test.clause.Expires
			if first == 0 {
				first = math.MinInt64
			}
			if last == 0 {
				last = math.MaxInt64
			}
			assert.Equal(t, []int64{first, last}, []int64{f.First, f.Last})
			assert.Equal(t, test.clause.Scopes, f.Scopes)
			assert.Equal(t, test.clause.Audiences, f.Audiences)
		})
	}
	f := mustCompile(t, List{{Extra: []Extra{{"own", []byte("1")}}}}, here).Facts()[0]
	assert.Equal(t, []KeyCondition{{"own", muteUntil{epoch}}}, f.Conditions)
	for _, none := range []*Policy{nil, {}, mustCompile(t, nil, here)} {
		assert.Empty(t, none.Facts())
	}
}

// TestFactsLimit shows the limits of each kind of use.
func TestFactsLimit(t *testing.T) {
	f := mustCompile(t, List{{UsagesAT: Usages(-3)}, {UsagesOther: Usages(4)}}, Options{}).Facts()
	for _, test := range []struct {
		clause  int
		kind    Kind
		n       int64
		limited bool
	}{{0, AT, 0, true}, {1, Other, 4, true}} {
		n, limited := f[test.clause].Limit(test.kind)
		assert.Equal(t, test.n, n)
		assert.Equal(t, test.limited, limited)
	}
	for _, kind := range []Kind{0, AT, Uncounted} {
		_, limited := f[1].Limit(kind)
		assert.False(t, limited, kind)
	}
}

// TestZeroFactsRefuse shows that the zero Facts deny.
//
// proves P2
func TestZeroFactsRefuse(t *testing.T) {
	var f Facts
	n, limited := f.Limit(AT)
	assert.Zero(t, n)
	assert.True(t, limited)
	assert.Equal(t, NoMatch, f.MatchHost("192.0.2.7"))
	assert.Less(t, f.Last, epoch.Unix())
}

// TestMatchHost compares entries, with a resolver and without.
func TestMatchHost(t *testing.T) {
	for _, test := range []struct {
		hosts []string
		entry string
		here  Match // with a resolver
		blind Match // without
	}{
		{nil, "", Matches, Matches},
		{nil, "192.0.2.7", Matches, Matches},
		{[]string{"192.0.2.0/24"}, "", NoMatch, NoMatch},
		{[]string{"192.0.2.0/24"}, "192.0.2.7", Matches, Matches},
		{[]string{"192.0.2.0/24"}, "::ffff:192.0.2.7", Matches, Matches},
		{[]string{"192.0.2.0/24"}, "192.0.2.128/25", Matches, Matches},
		{[]string{"192.0.2.0/24"}, "192.0.0.0/16", NoMatch, NoMatch},
		{[]string{"192.0.2.0/24"}, "a.example.org", MayMatch, MayMatch},
		{[]string{"192.0.2.0/24", "*.example.org"}, "a.example.org", Matches, MayMatch},
		{[]string{"192.0.2.0/24", "*.example.org"}, "198.51.100.1", MayMatch, NoMatch},
		{[]string{"*.example.org"}, "*.a.example.org", Matches, NoMatch},
		{[]string{"*.example.org"}, "example.org", NoMatch, NoMatch},
		{[]string{"no host"}, "no host", NoMatch, NoMatch},
		{[]string{}, "192.0.2.7", NoMatch, NoMatch},
	} {
		list := List{{Hosts: test.hosts, Scopes: []string{"a"}}}
		assert.Equal(t, test.here, mustCompile(t, list, Options{Resolver: fakeDNS{}}).Facts()[0].MatchHost(test.entry), "%q %q", test.hosts, test.entry)
		assert.Equal(t, test.blind, mustCompile(t, list, Options{}).Facts()[0].MatchHost(test.entry), "%q %q, no resolver", test.hosts, test.entry)
	}
}

// TestTerms shows what a clause says in words.
func TestTerms(t *testing.T) {
	list := List{{
		NotBefore: 1, Expires: 2, Scopes: []string{"a", "b"}, Audiences: []string{"c"}, Hosts: []string{"192.0.2.1"},
		GeoIPAllow: []string{"DE"}, GeoIPDisallow: []string{}, UsagesAT: Usages(1), Extra: []Extra{{"x", []byte("1")}},
	}}
	assert.Equal(t, []Term{
		{KeyScope, "scopes", []string{"a", "b"}},
		{KeyAudience, "audiences", []string{"c"}},
		{KeyHosts, "hosts", []string{"192.0.2.1"}},
		{KeyGeoIPAllow, "countries", []string{"DE"}},
		{KeyGeoIPDisallow, "countries other than", []string{}},
	}, list[0].Terms())
	list[0].Terms()[0].Entries[0] = "changed"
	assert.Equal(t, "a", list[0].Scopes[0])
}

// TestElsewhere shows that an added look-up never knows the answer and replaces no other.
func TestElsewhere(t *testing.T) {
	list := List{{Hosts: []string{"a.example.org"}, GeoIPDisallow: []string{"FR"}}}
	r := Request{Now: epoch, Kind: AT, Address: addr("192.0.2.1")}
	d := mustCompile(t, list, Options{}.Elsewhere()).Decide(t.Context(), &r)
	require.False(t, d.Admitted())
	for _, o := range d.Explanation().Clauses[0].Objections {
		assert.ErrorIs(t, o.Err, ErrUndetermined, o.Key)
	}
	assert.True(t, d.Explanation().Earliest.IsUnknown())
	with := worldOptions().Elsewhere()
	assert.Equal(t, worldDNS.names, with.Resolver.(fakeDNS).names)
	assert.Equal(t, worldGeo, with.Locator)
}
