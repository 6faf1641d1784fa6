package restriction

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/mytoken-go/sdk/internal/rescue"
)

// plainCandidates judges a request as protocol section 2 says it, one clause and one key
// after the other, without anything that was compiled. names and code are what look-ups
// found out about the address.
func plainCandidates(l List, o *Options, r *Request, names []string, code string) (candidates []int) {
	for i := range l {
		if c := &l[i]; plainSupports(c, o) && plainTime(c, r) && plainUses(c, r, i) && plainAccess(c, r) &&
			plainHosts(c, o, r, names) && plainCountries(c, r, code) && plainSchedule(c, r) && plainConditions(c, o, r) {
			candidates = append(candidates, i)
		}
	}
	return candidates
}

func plainSupports(c *Clause, o *Options) bool {
	located := o.Locator != nil || o.PrivateCountry != ""
	return !slices.ContainsFunc(c.Keys(), func(key string) bool { return slices.Contains(o.Disabled, key) }) &&
		(located || c.GeoIPAllow == nil && c.GeoIPDisallow == nil)
}

func plainTime(c *Clause, r *Request) bool {
	now := r.Now.Unix()
	return (c.NotBefore == 0 || now >= c.NotBefore) && (c.Expires == 0 || now <= c.Expires)
}

func plainUses(c *Clause, r *Request, i int) bool {
	left := func(limit *int64, used func(Usage) int64) bool {
		return limit == nil || *limit > 0 && (r.Used == nil || i < len(r.Used) && used(r.Used[i]) < *limit)
	}
	return (r.Kind != AT || left(c.UsagesAT, func(u Usage) int64 { return u.AT })) &&
		(r.Kind != Other || left(c.UsagesOther, func(u Usage) int64 { return u.Other }))
}

// plainAccess refuses an empty list even to uses that have no scopes and audiences.
func plainAccess(c *Clause, r *Request) bool {
	for _, pair := range [][2][]string{{c.Scopes, r.Scopes}, {c.Audiences, r.Audiences}} {
		allowed, wanted := pair[0], pair[1]
		if allowed == nil {
			continue
		}
		if len(allowed) == 0 || r.Kind == AT && slices.ContainsFunc(wanted, func(word string) bool { return !slices.Contains(allowed, word) }) {
			return false
		}
	}
	return true
}

func plainHosts(c *Clause, o *Options, r *Request, names []string) bool {
	return c.Hosts == nil || slices.ContainsFunc(c.Hosts, func(entry string) bool {
		h, err := parseHost(entry)
		switch {
		case err != nil || !r.Address.IsValid():
			return false
		case h.isName():
			return o.Resolver != nil && slices.ContainsFunc(names, h.matchesName)
		}
		return h.block.Contains(normalAddr(r.Address))
	})
}

func plainCountries(c *Clause, r *Request, code string) bool {
	lists := func(entries []string) (listed, allCodes bool) {
		allCodes = len(entries) > 0
		for _, entry := range entries {
			found, err := parseCountry(entry)
			listed, allCodes = listed || err == nil && string(found[:]) == code, allCodes && err == nil
		}
		return listed, allCodes
	}
	known := r.Address.IsValid() && code != ""
	if c.GeoIPAllow != nil {
		if listed, _ := lists(c.GeoIPAllow); !known || !listed {
			return false
		}
	}
	if c.GeoIPDisallow != nil {
		if listed, allCodes := lists(c.GeoIPDisallow); !known || listed || !allCodes {
			return false
		}
	}
	return true
}

// plainSchedule refuses a schedule that makes no sense or lacks its anchor.
func plainSchedule(c *Clause, r *Request) bool {
	s := c.Schedule
	switch {
	case s == nil:
		return true
	case s.validate() != nil || s.Every > 1 && s.Anchor == "":
		return false
	}
	return saysTheProseIn(aborting{}, s, r.Now.In(zoneOf(s.Timezone)))
}

func zoneOf(name string) *time.Location {
	zone, err := time.LoadLocation(name)
	require.NoError(aborting{}, err)
	return zone
}

// aborting is a test without a [testing.T].
type aborting struct{}

func (aborting) Errorf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (aborting) FailNow()                          { panic("fail") }

func plainConditions(c *Clause, o *Options, r *Request) bool {
	return !slices.ContainsFunc(c.Extra, func(extra Extra) bool {
		admits := false
		_ = rescue.Do(func() {
			if factory := o.Conditions[extra.Key]; factory != nil {
				condition, err := factory(extra.Value)
				admits = err == nil && condition != nil && condition.Check(r) == nil
			}
		})
		return !admits
	})
}

// worldPlace is what look-ups find out about an address of the world.
func worldPlace(a netip.Addr, o *Options) (names []string, code string) {
	a = normalAddr(a)
	for _, name := range worldDNS.names[a.String()] {
		if slices.Contains(worldDNS.addrs[name], a.String()) {
			normal, _ := normalName(name)
			names = append(names, normal)
		}
	}
	switch {
	case a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast():
		code = o.PrivateCountry
	case o.Locator != nil:
		code = worldGeo[a.String()]
	}
	return names, code
}

// broad has more words and more blocks than a machine word has bits. drawRange takes a
// part of them.
var broadWords, broadHosts = broad()

func broad() (words, hosts []string) {
	words = slices.Clone(worldScopes)
	for i := range 150 {
		words = append(words, fmt.Sprintf("w%d", i))
		hosts = append(hosts, fmt.Sprintf("192.0.2.%d", i), fmt.Sprintf("192.0.2.%d/31", i), fmt.Sprintf("2001:db8::%d", i))
	}
	return words, hosts
}

func drawRange(t *rapid.T, name string, from []string) []string {
	start := rapid.IntRange(0, len(from)-1).Draw(t, name+" from")
	return from[start : start+rapid.IntRange(1, min(len(from)-start, 90)).Draw(t, name+" length")]
}

// drawWideClause draws a clause that may have long lists, no entries, and conditions with
// mistakes. Most of its other keys admit most requests of the world.
func drawWideClause(t *rapid.T) Clause {
	var c Clause
	for range rapid.IntRange(1, 3).Draw(t, "keys") {
		switch rapid.IntRange(0, 13).Draw(t, "key") {
		case 0, 1:
			c.Scopes = drawRange(t, "scopes", broadWords)
		case 2, 3:
			c.Audiences = drawRange(t, "audiences", broadWords)
		case 4, 5:
			c.Hosts = drawRange(t, "hosts", broadHosts)
		case 6:
			c.Hosts = append(slices.Clip(c.Hosts), rapid.SampledFrom(worldHosts).Draw(t, "host"))
		case 7:
			c.UsagesAT = Usages(rapid.Int64Range(-1, 2).Draw(t, "usages_AT"))
		case 8:
			c.UsagesOther = Usages(rapid.Int64Range(-1, 2).Draw(t, "usages_other"))
		case 9:
			c.NotBefore = epoch.Unix() + rapid.Int64Range(-horizon, horizon).Draw(t, "nbf")
		case 10:
			c.Expires = epoch.Unix() + rapid.Int64Range(-horizon, 2*horizon).Draw(t, "exp")
		case 11:
			c.Extra = append(c.Extra, Extra{rapid.SampledFrom([]string{"panics", "broken", "yes", "yes", "yes"}).Draw(t, "extra"), []byte("1")})
		case 12:
			c.NotBefore, c.Expires = rapid.SampledFrom([]int64{-1 << 63, -1, 1}).Draw(t, "extreme nbf"), rapid.SampledFrom([]int64{1<<63 - 1, 0, -1}).Draw(t, "extreme exp")
		case 13:
			return drawClause(t, true)
		}
	}
	return c
}

func wideOptions(t *rapid.T) Options {
	options := worldOptions()
	options.Conditions["panics"] = func([]byte) (Condition, error) { return panicking{}, nil }
	options.Conditions["broken"] = func([]byte) (Condition, error) { panic("a secret") }
	options.Conditions["yes"] = func([]byte) (Condition, error) { return yes, nil }
	switch rapid.IntRange(0, 7).Draw(t, "options") {
	case 0:
		options.Resolver = nil
	case 1:
		options.Locator, options.PrivateCountry = nil, ""
	case 2:
		options.Conditions = nil
	case 3:
		options.Disabled = rapid.SliceOfN(rapid.SampledFrom(options.SupportedKeys()[:len(keys)]), 1, 2).Draw(t, "disabled")
	}
	return options
}

// drawWideRequest draws a request with words and addresses of broad and of the world, a
// word that no clause has, repetitions, and no address.
func drawWideRequest(t *rapid.T, clauses int) Request {
	word := rapid.SampledFrom(append(slices.Clone(broadWords), "none", ""))
	r := Request{
		Now:       epoch.Add(time.Duration(rapid.IntRange(0, horizon).Draw(t, "now"))*time.Second + time.Nanosecond),
		Kind:      rapid.SampledFrom([]Kind{AT, AT, AT, Other, Uncounted}).Draw(t, "kind"),
		Scopes:    rapid.SliceOfN(word, 0, 2).Draw(t, "requested scopes"),
		Audiences: rapid.SliceOfN(word, 0, 2).Draw(t, "requested audiences"),
	}
	switch rapid.IntRange(0, 4).Draw(t, "address?") {
	case 0, 1:
		r.Address = addr(fmt.Sprintf("192.0.2.%d", rapid.IntRange(0, 150).Draw(t, "last")))
	case 2:
		r.Address = addr(fmt.Sprintf("2001:db8::%d%%eth0", rapid.IntRange(0, 150).Draw(t, "last")))
	case 3:
		r.Address = addr(rapid.SampledFrom(worldAddresses).Draw(t, "address"))
	}
	if rapid.IntRange(0, 3).Draw(t, "counted") == 0 {
		r.Used = []Usage{}
		for range rapid.IntRange(0, clauses).Draw(t, "counters") {
			r.Used = append(r.Used, Usage{rapid.Int64Range(0, 2).Draw(t, "AT"), rapid.Int64Range(0, 2).Draw(t, "other")})
		}
	}
	return r
}

// evaluatesPlainly compares Evaluate and Explain with plainCandidates. It returns what it
// compared, for the test that counts.
func evaluatesPlainly(t *rapid.T) (clauses, candidates int) {
	options := wideOptions(t)
	list := make(List, rapid.IntRange(1, 5).Draw(t, "clauses"))
	for i := range list {
		list[i] = drawWideClause(t)
		if list[i].IsEmpty() {
			list[i].Expires = epoch.Unix() + 2*horizon
		}
	}
	if rapid.IntRange(0, 15).Draw(t, "many") == 0 {
		list = slices.Repeat(list, 30) // more clauses than a machine word has bits
	}
	policy := mustCompile(t, list, options)
	r := drawWideRequest(t, len(list))
	names, code := worldPlace(r.Address, &options)
	switch rapid.IntRange(0, 5).Draw(t, "prepared") {
	case 0:
		names, code = nil, ""
	case 1: // perhaps for another address
		here := r.Address
		r.Address = addr(rapid.SampledFrom(worldAddresses).Draw(t, "prepared address"))
		policy.Prepare(t.Context(), &r)
		if normalAddr(r.Address) != normalAddr(here) {
			names, code = nil, ""
		}
		r.Address = here
	default:
		policy.Prepare(t.Context(), &r)
	}
	want := plainCandidates(list, &options, &r, names, code)
	d := policy.Evaluate(&r)
	if got := slices.Collect(d.Candidates()); !slices.Equal(got, want) || d.Admitted() != (len(want) > 0) {
		t.Fatalf("got %v, want %v: %v", got, want, policy.Explain(&r))
	}
	e := policy.Explain(&r)
	var explained []int
	for _, c := range e.Clauses {
		if len(c.Objections) == 0 {
			explained = append(explained, c.Clause)
		}
	}
	if !slices.Equal(explained, want) || e.Admitted != (len(want) > 0) {
		t.Fatalf("explained %v, want %v: %v", explained, want, e)
	}
	return len(list), len(want)
}

// TestEvaluateIsThePlainLoop compares what was compiled with the words of the protocol,
// on lists longer than a machine word has bits, lists without entries, keys that nobody
// knows, conditions that panic, and requests without an address.
//
// proves P1, P2
func TestEvaluateIsThePlainLoop(t *testing.T) {
	admitted, refused, mixed := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		switch clauses, candidates := evaluatesPlainly(t); candidates {
		case 0:
			refused++
		case clauses:
			admitted++
		default:
			mixed++
		}
	})
	assert.Greater(t, min(admitted, refused, mixed), 400, "%d, %d, %d: the test shows little", admitted, refused, mixed)
}

// FuzzEvaluate lets the fuzzer look for cases that TestEvaluateIsThePlainLoop does not
// draw.
func FuzzEvaluate(f *testing.F) {
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) { evaluatesPlainly(t) }))
}
