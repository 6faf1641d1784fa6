package restriction

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
)

// entries says how to write n different entries of a key, and how to ask for some.
type entries struct {
	clause func(n int) Clause
	ask    func(r *Request, n ...int)
}

func word(n int) string { return fmt.Sprintf("w%d", n) }

func numberedWords(numbers []int) (all []string) {
	for _, n := range numbers {
		all = append(all, word(n))
	}
	return all
}

func numbered(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(n >> 8), byte(n), 1}) }

var gatedKeys = map[string]entries{
	KeyScope: {
		func(n int) Clause { return Clause{Scopes: []string{word(n)}} },
		func(r *Request, n ...int) { r.Scopes = numberedWords(n) },
	},
	KeyAudience: {
		func(n int) Clause { return Clause{Audiences: []string{word(n)}} },
		func(r *Request, n ...int) { r.Audiences = numberedWords(n) },
	},
	KeyHosts: {
		func(n int) Clause { return Clause{Hosts: []string{numbered(n).String() + "/24"}} },
		func(r *Request, n ...int) { r.Address = numbered(n[0]).Next() },
	},
}

// TestGatesTellEntriesApart has clauses of one entry each, around every number at which
// entries change how they are marked. A request for one entry finds its clause and no
// other. A request for two entries, or for one that no clause lists, finds none, even if
// the entries share a mark. A clause without the key admits all of them.
//
// proves P1
func TestGatesTellEntriesApart(t *testing.T) {
	for key, of := range gatedKeys {
		for _, n := range []int{1, 2, 3, 4, 5, 15, 16, 17, 18, 30, 31, 32, 33, 34, 62, 63, 64, 65, 200} {
			var list List
			for i := range n {
				list = append(list, of.clause(i))
			}
			list = append(list, Clause{NotBefore: 1})
			policy := mustCompile(t, list, Options{})
			r := Request{Now: epoch, Kind: AT, Address: addr("192.0.2.1")}
			check := func(asked []int, want ...int) {
				t.Helper()
				of.ask(&r, asked...)
				d := policy.Evaluate(&r)
				if got := slices.Collect(d.Candidates()); !slices.Equal(got, append(want, n)) {
					t.Fatalf("%s, %d clauses, asked for %d: got %d, want %d and %d", key, n, asked, got, want, n)
				}
			}
			for i := range n {
				check([]int{i}, i)
				if key == KeyHosts {
					continue
				}
				check([]int{i, i}, i)
				for other := range n + 1 {
					if other != i {
						check([]int{other, i})
					}
				}
			}
			for i := range 300 {
				check([]int{n + i})
			}
		}
	}
}
