package restriction_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/mytoken-go/sdk/restriction"
)

var start = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

// May this token be used now, and which clause does the use count against?
func Example() {
	list, err := restriction.Phases(start,
		restriction.First(time.Hour).Scopes("compute.submit").AccessTokens(1),
		restriction.First(2*time.Hour).Scopes("storage.read"),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	policy, err := restriction.Compile(list, restriction.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, after := range []time.Duration{90 * time.Minute, 3 * time.Hour} {
		decision := policy.Decide(context.Background(), &restriction.Request{
			Now: start.Add(after), Kind: restriction.AT, Scopes: []string{"storage.read"},
		})
		if !decision.Admitted() {
			fmt.Println(decision.Err())
			continue
		}
		for clause := range decision.Candidates() {
			fmt.Println("admitted by clause", clause) // the store counts the use, or tries the next one
		}
	}
	// Output:
	// admitted by clause 1
	// restriction: use refused: exp, scope
}

// How do I write what a job may do, and when?
func ExamplePhases() {
	list, err := restriction.Phases(start,
		restriction.First(time.Hour).Scopes("compute.submit"),
		restriction.First(2*time.Hour).Scopes("storage.read"),
		// Nothing for the rest of the day.
		restriction.Between(24*time.Hour, 36*time.Hour).Scopes("storage.write"),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	for i := range list {
		text, _ := list[i : i+1].MarshalJSON()
		fmt.Println(string(text))
	}
	// Output:
	// [{"nbf":1772352000,"exp":1772355600,"scope":"compute.submit"}]
	// [{"nbf":1772352000,"exp":1772359200,"scope":"storage.read"}]
	// [{"nbf":1772438400,"exp":1772481600,"scope":"storage.write"}]
}

// Why was a use refused, and when will it be possible?
func ExampleDecision_Explanation() {
	list, _ := restriction.Phases(start,
		restriction.First(2*time.Hour).Scopes("storage"),
		restriction.Between(24*time.Hour, 36*time.Hour).Scopes("storage").Hosts("192.0.2.0/24"),
	)
	policy, err := restriction.Compile(list, restriction.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	decision := policy.Evaluate(&restriction.Request{
		Now:     start.Add(3 * time.Hour),
		Kind:    restriction.AT,
		Address: netip.MustParseAddr("192.0.2.7"),
		Scopes:  []string{"storage"},
	})
	explanation := decision.Explanation()
	fmt.Println(explanation)
	if at, ok := explanation.Earliest.Time(); ok {
		fmt.Println("try again after", at.Sub(start))
	}
	fmt.Println(decision.Err()) // safe for strangers: keys without values
	// Output:
	// refused, earliest 2026-03-02T08:00:00Z
	//   clause 0: exp: needs a time until 2026-03-01T10:00:00Z
	//   clause 1: nbf: needs a time from 2026-03-02T08:00:00Z
	// try again after 24h0m0s
	// restriction: use refused: exp, nbf
}

// How do I hand a job no more than it needs of what I have?
func ExampleNarrow() {
	parent, _ := restriction.Parse([]byte(`[{"exp":1772438400,"scope":"compute storage"}]`))
	wanted, _ := restriction.ParseRequest(
		[]byte(`[{"exp":"+2h","scope":"storage","hosts":["this"],"usages_AT":3},{"scope":"admin"}]`),
		restriction.RequestOptions{Now: start, Address: netip.MustParseAddr("192.0.2.7")},
	)
	child := restriction.Narrow(parent, wanted, restriction.NarrowOptions{})
	text, _ := child.List.MarshalJSON()
	fmt.Println(string(text), "draws on clause", child.Draws)
	for _, dropped := range child.Dropped {
		fmt.Println("dropped clause", dropped.Clause, "because of", dropped.Keys)
	}
	// Output:
	// [{"exp":1772359200,"scope":"storage","hosts":["192.0.2.7"],"usages_AT":3}] draws on clause [0]
	// dropped clause 1 because of [exp scope]
}

// How do I restrict a token to a network?
func ExampleCompile_network() {
	list := restriction.List{{Hosts: []string{"192.0.2.0/24", "2001:db8::/32"}}}
	policy, err := restriction.Compile(list, restriction.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, from := range []string{"192.0.2.7", "2001:db8::1", "198.51.100.1"} {
		decision := policy.Evaluate(&restriction.Request{Now: start, Kind: restriction.Other, Address: netip.MustParseAddr(from)})
		fmt.Println(from, decision.Admitted())
	}
	// Output:
	// 192.0.2.7 true
	// 2001:db8::1 true
	// 198.51.100.1 false
}

// How do I restrict a token to host names? This needs a resolver, such as
// net.DefaultResolver, and a context for its look-ups.
func ExamplePolicy_Decide() {
	list := restriction.List{{Hosts: []string{"*.cluster.example.org"}}}
	resolver := restriction.NewResolverCache(hosts{"192.0.2.7": "node1.cluster.example.org."}, restriction.CacheOptions{TTL: time.Minute})
	policy, err := restriction.Compile(list, restriction.Options{Resolver: resolver, LookupTimeout: time.Second})
	if err != nil {
		fmt.Println(err)
		return
	}
	decision := policy.Decide(context.Background(), &restriction.Request{
		Now: start, Kind: restriction.AT, Address: netip.MustParseAddr("192.0.2.7"),
	})
	fmt.Println(decision.Admitted(), slices.Collect(decision.Candidates()))
	// Output: true [0]
}

// hosts resolves addresses to names and back.
type hosts map[string]string

func (h hosts) LookupAddr(_ context.Context, addr string) ([]string, error) {
	return []string{h[addr]}, nil
}

func (h hosts) LookupNetIP(_ context.Context, _, host string) (addrs []netip.Addr, _ error) {
	for addr, name := range h {
		if name == host {
			addrs = append(addrs, netip.MustParseAddr(addr))
		}
	}
	return addrs, nil
}

// weekdays is a condition of the embedding program. It admits uses on some days of the
// week, in UTC.
type weekdays struct{ days []time.Weekday }

func (w weekdays) Check(r *restriction.Request) error {
	if day := r.Now.UTC().Weekday(); !slices.Contains(w.days, day) {
		return fmt.Errorf("one of %v, not %v", w.days, day)
	}
	return nil
}

func (w weekdays) Within(parent restriction.Condition) bool {
	p, ok := parent.(weekdays)
	return ok && !slices.ContainsFunc(w.days, func(d time.Weekday) bool { return !slices.Contains(p.days, d) })
}

// Next returns the next midnight.
func (w weekdays) Next(r *restriction.Request) (time.Time, bool) {
	return r.Now.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour), len(w.days) > 0
}

func newWeekdays(value []byte) (restriction.Condition, error) {
	var w weekdays
	if err := json.Unmarshal(value, &w.days); err != nil {
		return nil, errors.New("need an array of numbers, 0 being Sunday")
	}
	return w, nil
}

// How do I add a condition of my own?
func ExampleCondition() {
	options := restriction.Options{Conditions: map[string]restriction.Factory{"example_weekdays": newWeekdays}}
	list, _ := restriction.Parse([]byte(`[{"example_weekdays":[1,2,3,4,5]}]`))
	if err := options.Check(list); err != nil {
		fmt.Println(err)
		return
	}
	policy, err := restriction.Compile(list, options)
	if err != nil {
		fmt.Println(err)
		return
	}
	sunday := policy.Evaluate(&restriction.Request{Now: start, Kind: restriction.AT})
	fmt.Println(sunday.Explanation())

	// Another deployment does not know the key, so it refuses every use.
	elsewhere, _ := restriction.Compile(list, restriction.Options{})
	decision := elsewhere.Evaluate(&restriction.Request{Now: start.Add(24 * time.Hour), Kind: restriction.AT})
	fmt.Println(decision.Explanation())
	// Output:
	// refused, earliest 2026-03-02T00:00:00Z
	//   clause 0: example_weekdays: needs one of [Monday Tuesday Wednesday Thursday Friday], not Sunday
	// refused, earliest never
	//   clause 0: example_weekdays: needs a key that is supported here (unsupported key)
}

// How do I combine conditions?
func ExampleAll() {
	maintenance := restriction.Window(start.Add(time.Hour), start.Add(2*time.Hour))
	campus := restriction.Network(netip.MustParsePrefix("192.0.2.0/24"))
	condition := restriction.All(campus, restriction.Not(maintenance))

	request := &restriction.Request{Now: start, Kind: restriction.AT, Address: netip.MustParseAddr("192.0.2.7")}
	fmt.Println(condition.Check(request))
	request.Now = start.Add(90 * time.Minute)
	fmt.Println(condition.Check(request))
	// Output:
	// <nil>
	// a request that the negated condition refuses
}

// How do I read the restrictions that somebody asks for?
func ExampleParseRequest() {
	options := restriction.RequestOptions{Now: start, Address: netip.MustParseAddr("192.0.2.7")}
	for _, text := range []string{
		`[{"exp":"+1d12h","hosts":["this"]}]`,
		`[{}]`,
		`[{"hosts":["192.0.2.300"]}]`,
		`[{"exp":"+1h","exp":"+1y"}]`,
	} {
		list, err := restriction.ParseRequest([]byte(text), options)
		if err != nil {
			fmt.Println(err)
			continue
		}
		canonical, _ := list.MarshalJSON()
		fmt.Println(string(canonical))
	}
	// Output:
	// [{"exp":1772481600,"hosts":["192.0.2.7"]}]
	// restriction: clause 0: empty clause
	// restriction: clause 0: hosts: invalid: "192.0.2.300" is not an address, a CIDR block, a host name, or a host name after "*."
	// restriction: clause 0: malformed: a key is given twice
}

// How do I keep an access token within the clause that admitted it?
func ExampleCheckAnswer() {
	clause := &restriction.Clause{Scopes: []string{"storage.read"}, Audiences: []string{"https://storage.example.org"}}
	asked := restriction.Ask(clause, restriction.Access{}, restriction.Access{Scopes: []string{"openid"}})
	fmt.Println(asked.Scopes, asked.Audiences)
	answer := restriction.Access{Scopes: []string{"storage.read", "storage.write"}}
	fmt.Println(restriction.CheckAnswer(clause, asked, answer))
	// Output:
	// [storage.read] [https://storage.example.org]
	// restriction: access beyond the clause: scopes storage.write
}

// What if the provider grants less than was asked for?
func ExampleList_Granted() {
	list, _ := restriction.Parse([]byte(`[{"scope":"compute storage"},{"scope":"admin"}]`))
	kept, dropped, err := list.Granted(restriction.Access{Scopes: []string{"storage"}})
	text, _ := kept.MarshalJSON()
	fmt.Println(string(text), dropped, err)
	_, _, err = list.Granted(restriction.Access{Scopes: []string{"email"}})
	fmt.Println(err)
	// Output:
	// [{"scope":"storage"}] [{1 scope}] <nil>
	// restriction: no clause is left
}

// What does a token admit, apart from any request?
func ExamplePolicy_Facts() {
	list, err := restriction.Parse([]byte(`[{"exp":1772359200,"scope":"storage","usages_AT":3},{"geoip_allow":["DE"]}]`))
	if err != nil {
		fmt.Println(err)
		return
	}
	policy, err := restriction.Compile(list, restriction.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, facts := range policy.Facts() {
		if facts.Never != nil {
			fmt.Println(facts.Never)
			continue
		}
		n, _ := facts.Limit(restriction.AT)
		fmt.Println("until", time.Unix(facts.Last, 0).UTC(), facts.Scopes, n, facts.MatchHost("192.0.2.7") == restriction.Matches)
	}
	// Output:
	// until 2026-03-01 10:00:00 +0000 UTC [storage] 3 true
	// restriction: clause 1: geoip_allow: unsupported key
}

// How do I allow a job that runs every night?
func ExampleSchedule() {
	list, err := restriction.ParseRequest([]byte(`[{
		"scope": "storage.write",
		"schedule": {"timezone": "Europe/Berlin", "days": [1,2,3,4,5], "from": "22:00", "to": "06:00"}
	}]`), restriction.RequestOptions{Now: time.Date(2030, time.March, 1, 8, 0, 0, 0, time.UTC)})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(list[0].Schedule)

	policy, err := restriction.Compile(list, restriction.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, at := range []time.Time{
		time.Date(2030, time.March, 2, 4, 59, 59, 0, time.UTC), // Saturday, 05:59 in Berlin: still Friday's night
		time.Date(2030, time.March, 2, 5, 0, 0, 0, time.UTC),
	} {
		fmt.Println(policy.Explain(&restriction.Request{Now: at, Kind: restriction.AT, Scopes: []string{"storage.write"}}))
	}
	// Output:
	// Mondays to Fridays from 22:00 to 06:00, Europe/Berlin
	// admitted
	//   clause 0: admits
	// refused, earliest 2030-03-04T21:00:00Z
	//   clause 0: schedule: needs a time within Mondays to Fridays from 22:00 to 06:00, Europe/Berlin
}
