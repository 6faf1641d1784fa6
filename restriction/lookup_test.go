package restriction

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestD16_NamesAreConfirmed shows that the owner of a reverse zone cannot give an address
// somebody else's name.
//
// proves P2
func TestD16_NamesAreConfirmed(t *testing.T) {
	dns := fakeDNS{
		names: map[string][]string{
			"192.0.2.1":   {"A.Example.org."},
			"192.0.2.2":   {"a.example.org."},                             // does not resolve back
			"192.0.2.3":   {"nowhere.example.org."},                       // does not exist
			"192.0.2.4":   {"x y", "b.c.example.org.", "other.test."},     // one of several
			"192.0.2.5":   {"example.org."},                               // the domain itself
			"2001:db8::1": {"six.example.org."},                           //
			"192.0.2.6":   slices.Repeat([]string{"a.example.org."}, 100), // too many
		},
		addrs: map[string][]string{
			"a.example.org.":   {"192.0.2.1", "198.51.100.1"},
			"b.c.example.org.": {"::ffff:192.0.2.4"},
			"example.org.":     {"192.0.2.5"},
			"six.example.org.": {"2001:db8::1"},
		},
	}
	for _, test := range []struct {
		host, address string
		want          bool
		earliest      Earliest
	}{
		{"a.example.org", "192.0.2.1", true, At(epoch)},
		{"a.example.org", "::ffff:192.0.2.1", true, At(epoch)},
		{"*.example.org", "192.0.2.1", true, At(epoch)},
		{"b.example.org", "192.0.2.1", false, Never()},
		{"a.example.org", "192.0.2.2", false, Never()},
		{"*.example.org", "192.0.2.3", false, Never()},
		{"*.example.org", "192.0.2.4", true, At(epoch)},
		{"*.c.example.org", "192.0.2.4", true, At(epoch)},
		{"*.example.org", "192.0.2.5", false, Never()},
		{"*.example.org", "2001:db8::1", true, At(epoch)},
		{"*.example.org", "192.0.2.9", false, Never()},
		{"*.example.org", "192.0.2.6", false, Unknown()},
	} {
		policy := mustCompile(t, List{{Hosts: []string{test.host}}}, Options{Resolver: dns})
		request := Request{Now: epoch, Kind: Uncounted, Address: addr(test.address)}
		d := policy.Decide(t.Context(), &request)
		if d.Admitted() != test.want {
			t.Errorf("%s, %s: got %v", test.host, test.address, d.Admitted())
		}
		if got := policy.Explain(&request).Earliest; got.String() != test.earliest.String() {
			t.Errorf("%s, %s: earliest %v, want %v", test.host, test.address, got, test.earliest)
		}
	}
}

// TestUnresolvableHostsAreRefused evaluates without a resolver, with one that fails, and
// without an address.
//
// proves P2
func TestUnresolvableHostsAreRefused(t *testing.T) {
	list := List{{Hosts: []string{"*.example.org"}}}
	request := func() *Request { return &Request{Now: epoch, Kind: AT, Address: addr("192.0.2.1")} }
	good := fakeDNS{names: map[string][]string{"192.0.2.1": {"a.example.org."}}, addrs: map[string][]string{"a.example.org.": {"192.0.2.1"}}}

	for name, test := range map[string]struct {
		resolver Resolver
		earliest Earliest
		says     string
	}{
		"no resolver":        {nil, Never(), "not looked up here"},
		"the resolver fails": {fakeDNS{fail: errors.New("server misbehaving")}, Unknown(), "server misbehaving"},
		"half of it fails":   {failingForward{good}, Unknown(), "forward is down"},
	} {
		policy := mustCompile(t, list, Options{Resolver: test.resolver})
		d := policy.Decide(t.Context(), request())
		if d.Admitted() {
			t.Errorf("%s: admitted", name)
			continue
		}
		e := d.Explanation()
		if e.Earliest.String() != test.earliest.String() || !strings.Contains(e.String(), test.says) || !slices.Equal(e.Keys(), []string{KeyHosts}) {
			t.Errorf("%s: %v", name, e)
		}
	}

	policy := mustCompile(t, list, Options{Resolver: good})
	unprepared := request()
	if d := policy.Evaluate(unprepared); d.Admitted() || !d.Explanation().Earliest.IsUnknown() {
		t.Error("without Prepare: not refused, or refused for good")
	}
	moved := request()
	policy.Prepare(t.Context(), moved)
	if d := policy.Evaluate(moved); !d.Admitted() {
		t.Error(d.Explanation())
	}
	moved.Address = addr("192.0.2.2")
	if d := policy.Evaluate(moved); d.Admitted() {
		t.Error("what was found for one address counts for another")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if d := policy.Decide(ctx, request()); d.Admitted() || !d.Explanation().Earliest.IsUnknown() {
		t.Error("with a cancelled context: not refused, or refused for good")
	}
	nowhere := request()
	nowhere.Address = netip.Addr{}
	if d := policy.Decide(t.Context(), nowhere); d.Admitted() || !d.Explanation().Earliest.IsNever() {
		t.Error("without an address: not refused for good")
	}
}

// TestLookupsAreLimitedInTime uses a resolver that never answers.
func TestLookupsAreLimitedInTime(t *testing.T) {
	policy := mustCompile(t, List{{Hosts: []string{"a.example.org"}}}, Options{Resolver: hangingDNS{}, LookupTimeout: time.Millisecond})
	d := policy.Decide(t.Context(), &Request{Now: epoch, Kind: AT, Address: addr("192.0.2.1")})
	if d.Admitted() || !d.Explanation().Earliest.IsUnknown() {
		t.Error(d.Explanation())
	}
}

// TestPrepareAsksOnlyWhatMatters records the questions to the resolver.
func TestPrepareAsksOnlyWhatMatters(t *testing.T) {
	var asked []string
	dns := fakeDNS{
		names: map[string][]string{"192.0.2.1": {"other.test.", "a.example.org."}},
		addrs: map[string][]string{"a.example.org.": {"192.0.2.1"}},
		asked: func(q string) { asked = append(asked, q) },
	}
	for _, test := range []struct {
		hosts []string
		want  []string
	}{
		{[]string{"192.0.2.0/24"}, nil},
		{[]string{"192.0.2.0/24", "a.example.org"}, nil},
		{[]string{"198.51.100.1", "a.example.org"}, []string{"192.0.2.1", "a.example.org."}},
	} {
		asked = nil
		policy := mustCompile(t, List{{Hosts: test.hosts}}, Options{Resolver: dns})
		if d := policy.Decide(t.Context(), &Request{Now: epoch, Kind: AT, Address: addr("192.0.2.1")}); !d.Admitted() {
			t.Error(d.Explanation())
		}
		if !slices.Equal(asked, test.want) {
			t.Errorf("%v: asked %v, want %v", test.hosts, asked, test.want)
		}
	}
}

// TestD19_Countries shows that codes may be in upper or lower case, and that an unknown
// country satisfies no key. Private addresses are in the country of the deployment.
//
// proves P2
func TestD19_Countries(t *testing.T) {
	geo := fakeGeo{"192.0.2.1": "DE", "192.0.2.2": "fr", "192.0.2.3": "fail", "192.0.2.4": "EU-west"}
	for _, test := range []struct {
		clause, address string
		options         Options
		want            bool
		earliest        Earliest
	}{
		{`{"geoip_allow":["de"]}`, "192.0.2.1", Options{Locator: geo}, true, At(epoch)},
		{`{"geoip_allow":["FR","DE"]}`, "192.0.2.2", Options{Locator: geo}, true, At(epoch)},
		{`{"geoip_allow":["DE"]}`, "192.0.2.2", Options{Locator: geo}, false, Never()},
		{`{"geoip_disallow":["de"]}`, "192.0.2.1", Options{Locator: geo}, false, Never()},
		{`{"geoip_disallow":["de"]}`, "192.0.2.2", Options{Locator: geo}, true, At(epoch)},
		{`{"geoip_allow":["DE"]}`, "192.0.2.9", Options{Locator: geo}, false, Never()},
		{`{"geoip_disallow":["DE"]}`, "192.0.2.9", Options{Locator: geo}, false, Never()},
		{`{"geoip_disallow":["DE"]}`, "192.0.2.4", Options{Locator: geo}, false, Never()},
		{`{"geoip_allow":["DE"]}`, "192.0.2.3", Options{Locator: geo}, false, Unknown()},
		{`{"geoip_disallow":["DE"]}`, "192.0.2.3", Options{Locator: geo}, false, Unknown()},
		{`{"geoip_allow":["DE"]}`, "192.0.2.1", Options{}, false, Never()},
		{`{"geoip_disallow":["DE"]}`, "192.0.2.1", Options{}, false, Never()},
		{`{"geoip_disallow":["DE"]}`, "192.0.2.1", Options{PrivateCountry: "fr"}, false, Never()},
		{`{"geoip_allow":["FR"]}`, "10.1.2.3", Options{PrivateCountry: "fr"}, true, At(epoch)},
		{`{"geoip_disallow":["DE"]}`, "127.0.0.1", Options{PrivateCountry: "fr", Locator: geo}, true, At(epoch)},
		{`{"geoip_allow":["FR"]}`, "::1", Options{PrivateCountry: "fr", Locator: geo}, true, At(epoch)},
		{`{"geoip_allow":["FR"]}`, "fd00::1", Options{PrivateCountry: "FR", Locator: geo}, true, At(epoch)},
		{`{"geoip_allow":["FR"]}`, "fe80::1%eth0", Options{PrivateCountry: "FR", Locator: geo}, true, At(epoch)},
		{`{"geoip_allow":["FR"]}`, "::ffff:10.0.0.1", Options{PrivateCountry: "FR", Locator: geo}, true, At(epoch)},
		{`{"geoip_disallow":["FR"]}`, "10.1.2.3", Options{Locator: geo}, false, Never()},
		{`{"geoip_allow":["nowhere"]}`, "192.0.2.1", Options{Locator: geo}, false, Never()},
		{`{"geoip_disallow":["nowhere"]}`, "192.0.2.1", Options{Locator: geo}, false, Never()},
		{`{"geoip_disallow":["nowhere","FR"]}`, "192.0.2.1", Options{Locator: geo}, false, Never()},
	} {
		policy := mustCompile(t, mustParse(t, "["+test.clause+"]"), test.options)
		request := Request{Now: epoch, Kind: Uncounted, Address: addr(test.address)}
		d := policy.Decide(t.Context(), &request)
		if d.Admitted() != test.want {
			t.Errorf("%s, %s: got %v", test.clause, test.address, d.Admitted())
		}
		if got := policy.Explain(&request).Earliest; got.String() != test.earliest.String() {
			t.Errorf("%s, %s: earliest %v, want %v", test.clause, test.address, got, test.earliest)
		}
	}
	policy := mustCompile(t, List{{GeoIPDisallow: []string{"DE"}}}, Options{Locator: geo})
	if d := policy.Evaluate(&Request{Now: epoch, Kind: Uncounted, Address: addr("192.0.2.2")}); d.Admitted() || !d.Explanation().Earliest.IsUnknown() {
		t.Error("without Prepare: not refused, or refused for good")
	}
	if d := policy.Decide(t.Context(), &Request{Now: epoch, Kind: Uncounted}); d.Admitted() {
		t.Error("without an address: admitted")
	}
}

// TestResolverCache counts the questions that reach the resolver.
func TestResolverCache(t *testing.T) {
	now := epoch
	count := map[string]int{}
	dns := fakeDNS{
		names: map[string][]string{"192.0.2.1": {"a.example.org."}, "192.0.2.2": slices.Repeat([]string{"b."}, 1000)},
		addrs: map[string][]string{"a.example.org.": {"192.0.2.1"}},
		asked: func(q string) { count[q]++ },
	}
	cache := NewResolverCache(dns, CacheOptions{Size: 3, TTL: time.Minute, NegativeTTL: time.Second, Now: func() time.Time { return now }})
	ask := func(name string) ([]netip.Addr, error) { return cache.LookupNetIP(t.Context(), "ip", name) }

	for range 3 {
		names, err := cache.LookupAddr(t.Context(), "192.0.2.1")
		if err != nil || !slices.Equal(names, []string{"a.example.org."}) {
			t.Fatal(names, err)
		}
		names[0] = "changed by the caller"
		addrs, err := ask("a.example.org.")
		if err != nil || !slices.Equal(addrs, []netip.Addr{addr("192.0.2.1")}) {
			t.Fatal(addrs, err)
		}
		if _, err := ask("none."); err == nil {
			t.Fatal("a name that does not exist resolves")
		}
	}
	if count["192.0.2.1"] != 1 || count["a.example.org."] != 1 || count["none."] != 1 {
		t.Errorf("asked %v", count)
	}
	now = now.Add(time.Second)
	ask("none.")
	ask("a.example.org.")
	if count["none."] != 2 || count["a.example.org."] != 1 {
		t.Errorf("after a second, asked %v", count)
	}
	now = now.Add(time.Minute)
	ask("a.example.org.")
	if count["a.example.org."] != 2 {
		t.Errorf("after a minute, asked %v", count)
	}
	for _, name := range []string{"x1.", "x2.", "x3."} {
		ask(name)
		ask("a.example.org.") // stays, being the most recent
	}
	ask("x1.")
	if count["a.example.org."] != 2 || count["x1."] != 2 || len(cache.answers) != 3 || cache.recent.Len() != 3 {
		t.Errorf("asked %v, kept %d", count, len(cache.answers))
	}
	if names, _ := cache.LookupAddr(t.Context(), "192.0.2.2"); len(names) != mostAnswers {
		t.Errorf("kept %d names", len(names))
	}

	failing := NewResolverCache(fakeDNS{fail: errors.New("down"), asked: dns.asked}, CacheOptions{})
	for range 2 {
		if _, err := failing.LookupAddr(t.Context(), "down"); err == nil {
			t.Error("no failure")
		}
	}
	if count["down"] != 2 || len(failing.answers) != 0 {
		t.Error("a failure was remembered")
	}
}

// TestResolverCacheConcurrently asks from many goroutines, with more names than the cache
// holds.
func TestResolverCacheConcurrently(t *testing.T) {
	dns := fakeDNS{names: map[string][]string{"192.0.2.1": {"a."}, "192.0.2.2": {"b."}, "192.0.2.3": {"c."}}}
	cache := NewResolverCache(dns, CacheOptions{Size: 2})
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for j := range 200 {
				last := (i + j) % 3
				names, err := cache.LookupAddr(t.Context(), "192.0.2."+string(rune('1'+last)))
				if err != nil || names[0] != string(rune('a'+last))+"." {
					t.Error(names, err)
				}
			}
		})
	}
	group.Wait()
}
