package restriction

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// benchmarkList has n clauses like those of a job's token. The last one admits
// benchmarkRequest, and each of the others objects late.
func benchmarkList(n int) List {
	list := make(List, n)
	for i := range list {
		list[i] = Clause{
			NotBefore: epoch.Unix() - 3600, Expires: epoch.Unix() + 3600,
			Scopes: []string{"compute.submit", "storage.read"}, Audiences: []string{"https://storage.example.org"},
			Hosts: []string{"192.0.2.0/24"}, UsagesAT: Usages(3),
		}
		if i < n-1 {
			list[i].Hosts = []string{"198.51.100.0/24"}
		}
	}
	return list
}

func benchmarkRequest() Request {
	return Request{
		Now: epoch, Kind: AT, Address: addr("192.0.2.7"),
		Scopes: []string{"storage.read"}, Audiences: []string{"https://storage.example.org"},
	}
}

// floorClause and floorLoop are what a program would write by hand for the lists of the
// benchmarks, and no more. floorLoop takes the same request as Evaluate and finds all
// candidates. It compares the cheapest first. It knows nothing but access tokens, IPv4
// and one block in each clause.
type floorClause struct {
	from, until, limit int64
	scopes, audiences  []string
	first, mask        uint32 // of the IPv4 block
}

func newFloor(l List) []floorClause {
	clauses := make([]floorClause, len(l))
	for i, c := range l {
		block := netip.MustParsePrefix(c.Hosts[0])
		first := block.Addr().As4()
		clauses[i] = floorClause{
			from: c.NotBefore, until: c.Expires, limit: *c.UsagesAT, scopes: c.Scopes, audiences: c.Audiences,
			first: binary.BigEndian.Uint32(first[:]), mask: ^uint32(0) << (32 - block.Bits()),
		}
	}
	return clauses
}

// floorLoop sets the bits of the clauses that admit the request.
//
//go:noinline
func floorLoop(clauses []floorClause, r *Request, candidates []uint64) (admitted bool) {
	clear(candidates)
	if r.Kind != AT || !r.Address.Is4() {
		return false
	}
	address := r.Address.As4()
	now, from := r.Now.Unix(), binary.BigEndian.Uint32(address[:])
	for i := floorNext(clauses, 0, now, from); i < len(clauses); i = floorNext(clauses, i+1, now, from) {
		if hasAll(clauses[i].scopes, r.Scopes) && hasAll(clauses[i].audiences, r.Audiences) {
			candidates[i/64] |= 1 << (i % 64)
			admitted = true
		}
	}
	return admitted
}

// floorNext returns the first clause, from i on, that nothing but its words may refuse. It
// is a loop of its own, because few numbers stay in registers.
//
//go:noinline
func floorNext(clauses []floorClause, i int, now int64, from uint32) int {
	for ; i < len(clauses); i++ {
		c := &clauses[i]
		if now >= c.from && now <= c.until && from&c.mask == c.first && c.limit > 0 {
			break
		}
	}
	return i
}

func hasAll(list, wanted []string) bool {
	for _, entry := range wanted {
		if !has(list, entry) {
			return false
		}
	}
	return true
}

func has(list []string, entry string) bool {
	for i := range list {
		if list[i] == entry {
			return true
		}
	}
	return false
}

// phaseList has n clauses like those of a job with many steps. Each has a block, a scope
// and an audience of its own, and all are valid at once. The last one admits
// benchmarkRequest.
func phaseList(n int) List {
	list := benchmarkList(n)
	for i := range list[:n-1] {
		list[i].Hosts = []string{fmt.Sprintf("198.%d.%d.0/24", 18+i/256, i%256)}
		list[i].Scopes = []string{fmt.Sprintf("storage.read:/%04d", i)}
		list[i].Audiences = []string{fmt.Sprintf("https://storage-%04d.example.org", i)}
	}
	return list
}

// BenchmarkEvaluate admits by the last clause. x-floor is the time as a multiple of that
// of floorLoop.
func BenchmarkEvaluate(b *testing.B) {
	for _, bench := range []struct {
		name string
		list List
	}{
		{"4-clauses", benchmarkList(4)},
		{"1000-clauses", benchmarkList(1000)},
		{"1000-distinct", phaseList(1000)},
	} {
		b.Run(bench.name, func(b *testing.B) {
			policy := mustCompile(b, bench.list, Options{})
			request := benchmarkRequest()
			evaluate := func() {
				if d := policy.Evaluate(&request); !d.Admitted() {
					b.Fatal("refused")
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				evaluate()
			}
			clauses, candidates := newFloor(bench.list), newSet(len(bench.list))
			b.ReportMetric(ratio(40_000/len(bench.list), evaluate, func() {
				if !floorLoop(clauses, &request, candidates) {
					b.Fatal("the floor refuses")
				}
			}), "x-floor")
		})
	}
}

// BenchmarkEvaluateSchedule admits by a clause with a schedule. x-times is the time as a
// multiple of that of a clause with nbf and exp.
func BenchmarkEvaluateSchedule(b *testing.B) {
	for name, s := range map[string]Schedule{
		"days":         {Timezone: "Europe/Berlin", Days: []int{4, 5}, From: "08:00", To: "20:00"},
		"past-night":   {Timezone: "Europe/Berlin", Days: []int{4}, From: "22:00", To: "12:00"},
		"day-of-month": {Timezone: "Europe/Berlin", DaysOfMonth: []int{-17}, Every: 2, Anchor: "2027-01-01"},
	} {
		b.Run(name, func(b *testing.B) {
			policy := mustCompile(b, List{{Schedule: &s}}, Options{})
			times := mustCompile(b, List{{NotBefore: epoch.Unix() - 3600, Expires: epoch.Unix() + 3600}}, Options{})
			request := benchmarkRequest()
			evaluate := func(p *Policy) func() {
				return func() {
					if d := p.Evaluate(&request); !d.Admitted() {
						b.Fatal("refused")
					}
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				evaluate(policy)()
			}
			b.ReportMetric(ratio(10_000, evaluate(policy), evaluate(times)), "x-times")
		})
	}
}

// ratio returns the median ratio of the times of two functions. It measures them in turn,
// many times for a short while, so that what else the machine does slows both.
func ratio(rounds int, one, other func()) float64 {
	took := func(f func()) float64 {
		start := time.Now()
		for range rounds {
			f()
		}
		return float64(time.Since(start))
	}
	ratios := make([]float64, 301)
	for i := range ratios {
		ratios[i] = took(one) / took(other)
	}
	slices.Sort(ratios)
	return ratios[len(ratios)/2]
}

// BenchmarkRefuse evaluates and explains.
func BenchmarkRefuse(b *testing.B) {
	policy := mustCompile(b, benchmarkList(4), Options{})
	request := benchmarkRequest()
	request.Address = addr("203.0.113.1")
	b.ReportAllocs()
	for b.Loop() {
		if d := policy.Evaluate(&request); d.Explanation() == nil {
			b.Fatal("admitted")
		}
	}
}

// BenchmarkCompile compiles four clauses.
func BenchmarkCompile(b *testing.B) {
	list := benchmarkList(4)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile(list, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkParse reads lists of two lengths.
func BenchmarkParse(b *testing.B) {
	for _, n := range []int{4, 1000} {
		b.Run(fmt.Sprintf("%d-clauses", n), func(b *testing.B) {
			text := []byte(mustEncode(b, benchmarkList(n)))
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkParseRefused shows what a list beyond the limits costs.
func BenchmarkParseRefused(b *testing.B) {
	text := []byte("[")
	for range 10_000 {
		text = append(text, `{"exp":1900000000},`...)
	}
	text = append(text[:len(text)-1], ']')
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(text); err == nil {
			b.Fatal("accepted")
		}
	}
}

// BenchmarkNarrow reports the time of the plain search, measured in the same run, as a
// multiple of that of Narrow.
func BenchmarkNarrow(b *testing.B) {
	lists := hostileLists()
	lists["4 of 100"] = [2]List{benchmarkList(100), benchmarkList(4)}
	lists["the same 1000"] = [2]List{distinctList(1000), distinctList(1000)}
	for name, l := range lists {
		b.Run(name, func(b *testing.B) {
			const rounds = 3
			start := time.Now()
			for range rounds {
				plainNarrow(l[0], l[1], NarrowOptions{})
			}
			plain := float64(time.Since(start).Nanoseconds()) / rounds
			b.ReportAllocs()
			for b.Loop() {
				Narrow(l[0], l[1], NarrowOptions{})
			}
			b.ReportMetric(plain*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "x-faster")
		})
	}
}

// distinctList has n clauses like those of benchmarkList that all differ.
func distinctList(n int) List {
	list := benchmarkList(n)
	for i := range list {
		list[i].Expires += int64(i)
	}
	return list
}
