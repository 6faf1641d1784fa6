package refresh

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/mytoken-go/sdk/store"
)

// Uses, flights and pauses of one grant come and go in any order. Each lease goes to a
// flight or back to a caller who ends it, once. A flight gets a lease if there is one. When
// nobody is left, nothing is left.
//
// proves P5
func TestIdleLeasesAreTakenOrEnded(t *testing.T) {
	grant := store.GrantID{1}
	rapid.Check(t, func(t *rapid.T) {
		idle := newIdleLeases()
		where := make(map[*lease]string)
		var wishes []*lease
		flights, pauses, ends := 0, 0, 0
		free := func(l *lease) {
			if l == nil {
				return
			}
			require.Equal(t, "idle", where[l])
			where[l] = "ended"
		}
		held := func() (n int) {
			for _, at := range where {
				if at == "idle" {
					n++
				}
			}
			return n
		}
		put := func(wished bool) {
			l := &lease{req: Request{Grant: grant}}
			where[l] = "idle"
			if wished {
				wishes = append(wishes, l)
			}
			_, changed, _ := idle.take(store.GrantID{2})
			require.NotNil(t, changed)
			for _, surplus := range idle.put(l, wished) {
				free(surplus)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"a use gets a lease":     func(*rapid.T) { put(true) },
			"a flight hands one on":  func(*rapid.T) { put(false) },
			"a flight wants a lease": func(*rapid.T) { idle.want(grant); flights++ },
			"a flight takes one": func(t *rapid.T) {
				if flights == 0 {
					t.Skip()
				}
				there := held()
				l, changed, ending := idle.take(grant)
				require.Equal(t, ends > 0, ending)
				require.NotNil(t, changed)
				require.Equal(t, there > 0, l != nil)
				if l != nil {
					require.Equal(t, "idle", where[l])
					where[l] = "taken"
				}
			},
			"a flight is over": func(t *rapid.T) {
				if flights == 0 {
					t.Skip()
				}
				flights--
				free(idle.unwant(grant))
			},
			"a use is over": func(t *rapid.T) {
				if len(wishes) == 0 {
					t.Skip()
				}
				there := where[wishes[0]] == "idle"
				surplus := idle.unwish(grant, wishes[0])
				if !there {
					require.Nil(t, surplus, "the lease of another use")
				}
				free(surplus)
				wishes = wishes[1:]
			},
			"pause": func(*rapid.T) { free(idle.pause(grant)); pauses++ },
			"resume": func(t *rapid.T) {
				if pauses == 0 {
					t.Skip()
				}
				idle.resume(grant)
				pauses--
			},
			"an end begins": func(*rapid.T) { idle.ends(grant); ends++ },
			"an end is over": func(t *rapid.T) {
				if ends == 0 {
					t.Skip()
				}
				changed := idle.grants[grant].changed
				idle.ended(grant)
				ends--
				select {
				case <-changed:
				default:
					require.Fail(t, "nobody was told")
				}
			},
			"": func(t *rapid.T) {
				require.LessOrEqual(t, held(), 1)
				if pauses > 0 {
					require.Zero(t, held(), "other processes get it")
				}
				for l, at := range where {
					if at == "idle" && flights == 0 {
						require.Contains(t, wishes, l, "nobody will take it")
					}
				}
			},
		})
		for ; pauses > 0; pauses-- {
			idle.resume(grant)
		}
		for ; ends > 0; ends-- {
			idle.ended(grant)
		}
		for ; flights > 0; flights-- {
			free(idle.unwant(grant))
		}
		for _, l := range wishes {
			free(idle.unwish(grant, l))
		}
		require.Zero(t, held())
		require.Empty(t, idle.grants)
	})
}

// Whoever waits for a lease learns that one has come.
func TestIdleLeaseIsAnnounced(t *testing.T) {
	idle, grant := newIdleLeases(), store.GrantID{1}
	idle.want(grant)
	_, changed, _ := idle.take(grant)
	select {
	case <-changed:
		require.Fail(t, "nothing has changed")
	default:
	}
	l := &lease{req: Request{Grant: grant}}
	require.Equal(t, []*lease{nil, nil}, idle.put(l, false))
	<-changed
	got, _, _ := idle.take(grant)
	require.Same(t, l, got)
}
