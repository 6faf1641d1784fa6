package refresh

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
)

// A refusal counts for a pause that grows, up to a bound. It is about a set: the order of
// the scopes does not matter, and audiences do.
func TestRefusalsGrow(t *testing.T) {
	r := &Refresher{Config: Config{SuspectPause: 10 * time.Second}}
	all, grant, now := newRefusals(), store.GrantID{1}, time.Unix(1<<30, 0)
	asked, same := question{scopes: []string{"a", "b"}}, question{scopes: []string{"b", "a", "b"}}
	for _, pause := range []time.Duration{10, 20, 40, 80, 160, 320, 600, 600} {
		require.Zero(t, all.left(grant, asked, now))
		all.add(grant, asked, now, r.grown)
		require.Equal(t, pause*time.Second, all.left(grant, same, now))
		require.Zero(t, all.left(store.GrantID{2}, asked, now))
		require.Zero(t, all.left(grant, question{asked.scopes, []string{"x"}}, now))
		require.Zero(t, all.left(grant, question{scopes: []string{"a b"}}, now))
		require.Zero(t, all.left(grant, asked, now.Add(-time.Second)), "the clock was set back")
		now = now.Add(pause * time.Second)
	}
	all.forget(grant, same)
	all.add(grant, asked, now, r.grown)
	require.Equal(t, 10*time.Second, all.left(grant, asked, now), "it worked meanwhile")
	all.add(grant, question{scopes: []string{"c"}}, now, r.grown)
	all.forgetGrant(grant)
	require.Empty(t, all.byKey)
	require.Zero(t, all.order.Len())
}

// Whoever asks for ever new scopes costs no more memory than the bound.
func TestRefusalsAreBounded(t *testing.T) {
	r := &Refresher{Config: Config{SuspectPause: time.Minute}}
	all, now := newRefusals(), time.Unix(1<<30, 0)
	key := func(n int) (store.GrantID, question) {
		return store.GrantID{1}, question{scopes: []string{string(binary.BigEndian.AppendUint32(nil, uint32(n)))}}
	}
	for n := range 3 * mostRefusals {
		grant, asked := key(n)
		all.add(grant, asked, now, r.grown)
	}
	require.Len(t, all.byKey, mostRefusals)
	require.Equal(t, mostRefusals, all.order.Len())
	for n, left := range map[int]time.Duration{0: 0, 2*mostRefusals - 1: 0, 2 * mostRefusals: time.Minute, 3*mostRefusals - 1: time.Minute} {
		grant, asked := key(n)
		require.Equal(t, left, all.left(grant, asked, now), "%d", n)
	}
}
