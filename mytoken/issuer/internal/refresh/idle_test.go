package refresh

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/mytoken-go/sdk/store"
)

// Uses, flights and pauses of one grant come and go in any order. Each lease goes to a
// flight or back to a caller who ends it, once. A flight gets a lease if there is one. A
// lease waits only for a flight, or for a use of its token that began before it came. When
// nobody is left, nothing is left.
//
// proves P5
func TestIdleLeasesAreTakenOrEnded(t *testing.T) {
	grant, tokens := store.GrantID{1}, []store.TokenID{{1}, {2}}
	rapid.Check(t, func(t *rapid.T) {
		idle := newIdleLeases()
		where, uses := make(map[*lease]string), make(map[*lease]int)
		hoping, undecided := make(map[store.TokenID]int), make(map[store.TokenID]int)
		ends, ending := make(map[store.TokenID]int), 0 // by token, and in all
		wanting, pauses := 0, 0
		free := func(leases ...*lease) {
			for _, l := range leases {
				if l != nil {
					require.Equal(t, "idle", where[l])
					where[l] = "ended"
				}
			}
		}
		held := func() (all []*lease) {
			for l, at := range where {
				if at == "idle" {
					all = append(all, l)
				}
			}
			return all
		}
		draw := func(t *rapid.T, of map[store.TokenID]int) store.TokenID {
			token := rapid.SampledFrom(tokens).Draw(t, "token")
			if of != nil && of[token] == 0 {
				t.Skip()
			}
			return token
		}
		t.Repeat(map[string]func(*rapid.T){
			"a use begins": func(t *rapid.T) {
				token, there := draw(t, nil), false
				for _, l := range held() {
					there = there || l.req.Token == token
				}
				asks := undecided[token] == 0 && !there
				require.Equal(t, asks && ends[token] > 0, idle.hope(token) != nil)
				require.Equal(t, asks, idle.asks(token))
				hoping[token]++
			},
			"a use gets a lease": func(t *rapid.T) {
				l := &lease{req: Request{Grant: grant, Token: draw(t, hoping)}}
				where[l], uses[l] = "idle", hoping[l.req.Token]
				free(idle.put(l)...)
			},
			"a use is over": func(t *rapid.T) {
				token := draw(t, hoping)
				hoping[token]--
				for _, l := range held() {
					if l.req.Token == token {
						uses[l]--
					}
				}
				free(idle.unhope(token))
			},
			"a flight wants a lease": func(t *rapid.T) {
				token := draw(t, nil)
				idle.want(grant, token)
				wanting++
				undecided[token]++
			},
			"a flight takes one": func(t *rapid.T) {
				if wanting == 0 {
					t.Skip()
				}
				there := held()
				l, changed, isEnding := idle.take(grant)
				require.Equal(t, ending > 0, isEnding)
				require.NotNil(t, changed)
				require.Equal(t, len(there) > 0, l != nil)
				if l != nil {
					require.Equal(t, "idle", where[l])
					where[l] = "taken"
				}
			},
			"a flight wants none any more": func(t *rapid.T) {
				if wanting == 0 {
					t.Skip()
				}
				wanting--
				free(idle.unwant(grant))
			},
			"a flight hands its lease on": func(t *rapid.T) {
				token := draw(t, undecided)
				kept := rapid.IntRange(0, maxKept).Draw(t, "kept")
				l := &lease{req: Request{Grant: grant, Token: token}, kept: kept}
				where[l], uses[l] = "idle", hoping[token]
				left, surplus := idle.handOn(l)
				undecided[token]--
				require.Equal(t, pauses == 0 && (wanting > 0 || hoping[token] > 0 && kept < maxKept), left)
				switch {
				case !left:
					where[l] = "ended"
				case wanting > 0:
					require.Equal(t, kept, l.kept)
				default:
					require.Equal(t, kept+1, l.kept)
				}
				free(surplus...)
			},
			"a flight leaves its lease to nobody": func(t *rapid.T) {
				token := draw(t, undecided)
				undecided[token]--
				idle.decided(token)
			},
			"pause": func(*rapid.T) { free(idle.pause(grant)); pauses++ },
			"resume": func(t *rapid.T) {
				if pauses == 0 {
					t.Skip()
				}
				idle.resume(grant)
				pauses--
			},
			"an end begins": func(t *rapid.T) {
				token := draw(t, nil)
				idle.ends(grant, token)
				ends[token]++
				ending++
			},
			"an end is over": func(t *rapid.T) {
				token := draw(t, ends)
				told := []<-chan struct{}{idle.grants[grant].changed}
				ends[token]--
				ending--
				if ended := idle.tokens[token].ended; ends[token] == 0 {
					told = append(told, ended)
				}
				idle.ended(grant, token)
				for _, told := range told {
					select {
					case <-told:
					default:
						require.Fail(t, "nobody was told")
					}
				}
			},
			"": func(t *rapid.T) {
				all := held()
				require.LessOrEqual(t, len(all), 1)
				if pauses > 0 {
					require.Empty(t, all, "other processes get it")
				}
				for _, l := range all {
					require.Positive(t, wanting+max(uses[l], 0), "nobody will take it")
				}
			},
		})
		for ; pauses > 0; pauses-- {
			idle.resume(grant)
		}
		for ; wanting > 0; wanting-- {
			free(idle.unwant(grant))
		}
		for _, token := range tokens {
			for ; hoping[token] > 0; hoping[token]-- {
				free(idle.unhope(token))
			}
			for ; undecided[token] > 0; undecided[token]-- {
				idle.decided(token)
			}
			for ; ends[token] > 0; ends[token]-- {
				idle.ended(grant, token)
			}
		}
		require.Empty(t, held())
		require.Empty(t, idle.grants)
		require.Empty(t, idle.tokens)
	})
}

// A lease waits for the uses that there are when it arrives. None of them comes to a
// flight: they are refused, for example. More uses of the token begin all the time, and
// they do not keep the lease from other processes.
func TestIdleLeaseDoesNotWaitForLaterUses(t *testing.T) {
	grant, token := store.GrantID{1}, store.TokenID{1}
	for name, arrive := range map[string]func(*idleLeases, *lease){
		"of a use": func(idle *idleLeases, l *lease) { require.Equal(t, []*lease{nil, nil}, idle.put(l)) },
		"of a flight": func(idle *idleLeases, l *lease) {
			idle.want(grant, token)
			require.Nil(t, idle.unwant(grant))
			left, surplus := idle.handOn(l)
			require.True(t, left)
			require.Equal(t, []*lease{nil, nil}, surplus)
		},
	} {
		t.Run(name, func(t *testing.T) {
			idle, l := newIdleLeases(), &lease{req: Request{Grant: grant, Token: token}}
			idle.hope(token)
			idle.hope(token)
			arrive(idle, l)
			idle.hope(token)
			require.Nil(t, idle.unhope(token))
			idle.hope(token)
			require.Same(t, l, idle.unhope(token))
			require.True(t, idle.asks(token), "the next use asks for another one")
			require.Nil(t, idle.unhope(token))
			require.Nil(t, idle.unhope(token))
			require.Empty(t, idle.grants)
			require.Empty(t, idle.tokens)
		})
	}
}

// A lease goes to flights that wait, and in between to uses. The queue of the grant is empty
// each time that a use gets it, so it never pauses. The lease is ended all the same.
func TestLeaseIsNotLeftToUsesForever(t *testing.T) {
	idle, grant, token := newIdleLeases(), store.GrantID{1}, store.TokenID{1}
	l := &lease{req: Request{Grant: grant, Token: token}}
	handOn := func() bool {
		idle.want(grant, token)
		idle.unwant(grant)
		left, _ := idle.handOn(l)
		if left {
			l, _, _ = idle.take(grant)
		}
		return left
	}
	idle.hope(token)
	for range maxKept {
		require.True(t, handOn(), "to a use")
		idle.want(grant, token)
		require.True(t, handOn(), "to a flight")
		idle.unwant(grant)
		idle.decided(token)
	}
	require.False(t, handOn())
	idle.unhope(token)
	require.Empty(t, idle.grants)
	require.Empty(t, idle.tokens)
}

// Whoever waits for a lease learns that one has come.
func TestIdleLeaseIsAnnounced(t *testing.T) {
	idle, grant := newIdleLeases(), store.GrantID{1}
	idle.want(grant, store.TokenID{})
	_, changed, _ := idle.take(grant)
	select {
	case <-changed:
		require.Fail(t, "nothing has changed")
	default:
	}
	l := &lease{req: Request{Grant: grant}}
	require.Equal(t, []*lease{nil, nil}, idle.put(l))
	<-changed
	got, _, _ := idle.take(grant)
	require.Same(t, l, got)
}
