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

// floorClause and floorLoop do the least that any evaluation has to do. They compare by
// hand, cheapest first.
type floorClause struct {
	from, until, limit int64
	scopes, audiences  []string
	first, mask        uint32 // of the IPv4 block
}

//go:noinline
func floorLoop(clauses []floorClause, now int64, from uint32, scope, audience string) int {
	for i := range clauses {
		c := &clauses[i]
		if now >= c.from && now <= c.until && from&c.mask == c.first && c.limit > 0 && has(c.scopes, scope) && has(c.audiences, audience) {
			return i
		}
	}
	return -1
}

func has(list []string, entry string) bool {
	for i := range list {
		if list[i] == entry {
			return true
		}
	}
	return false
}

// BenchmarkEvaluate admits by the last clause, and compares the time with that of
// floorLoop.
func BenchmarkEvaluate(b *testing.B) {
	for _, n := range []int{4, 1000} {
		b.Run(fmt.Sprintf("%d-clauses", n), func(b *testing.B) {
			policy := mustCompile(b, benchmarkList(n), Options{})
			request := benchmarkRequest()
			floor := floorTime(b, n, &request)
			b.ReportAllocs()
			for b.Loop() {
				if d := policy.Evaluate(&request); !d.Admitted() {
					b.Fatal("refused")
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/floor, "x-floor")
		})
	}
}

// floorTime returns the median of many short runs of floorLoop for the clauses of
// benchmarkList, in nanoseconds.
func floorTime(b *testing.B, n int, r *Request) float64 {
	b.Helper()
	clauses := make([]floorClause, n)
	for i, c := range benchmarkList(n) {
		block := netip.MustParsePrefix(c.Hosts[0])
		first := block.Addr().As4()
		clauses[i] = floorClause{
			from: c.NotBefore, until: c.Expires, limit: *c.UsagesAT, scopes: c.Scopes, audiences: c.Audiences,
			first: binary.BigEndian.Uint32(first[:]), mask: ^uint32(0) << (32 - block.Bits()),
		}
	}
	address := r.Address.As4()
	from := binary.BigEndian.Uint32(address[:])
	times := make([]float64, 101)
	for i := range times {
		rounds := 40_000 / n
		start := time.Now()
		for range rounds {
			if floorLoop(clauses, r.Now.Unix(), from, r.Scopes[0], r.Audiences[0]) != n-1 {
				b.Fatal("the floor refuses")
			}
		}
		times[i] = float64(time.Since(start).Nanoseconds()) / float64(rounds)
	}
	slices.Sort(times)
	return times[len(times)/2]
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
