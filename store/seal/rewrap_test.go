package seal_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/memstore"
	"github.com/mytoken-go/sdk/store/seal"
)

const (
	now    = store.Micros(1_700_000_000_000_000)
	grants = 5
	// perGrant counts the refresh token, the wrapped key and the description of each
	// grant, the key and the payload of its code, and an item of its owner.
	perGrant = 6
)

// filled returns a store with grants, tokens and codes that r has sealed. It also returns
// a function that checks that a ring opens all of it.
func filled(t testing.TB, r *seal.Ring) (*memstore.Store, func(*seal.Ring)) {
	t.Helper()
	s := memstore.New()
	key := seal.NewDataKey()
	token := func(i byte) seal.Secret { return seal.FromSecret(seal.PurposeTokenKey, fmt.Sprint("token", i)) }
	code := func(i byte) seal.Secret { return seal.FromSecret(seal.PurposeTicketKey, fmt.Sprint("code", i)) }
	for i := byte(1); i <= grants; i++ {
		ref := store.TicketRef{Kind: store.TicketPolling, ID: r.Lookup(store.TicketPolling, fmt.Sprint("code", i))[0]}
		require.NoError(t, s.CreateRoot(t.Context(), store.Grant{
			ID: grantID(i), Owner: store.OwnerID{1}, Created: now,
			Refresh: must(r.SealWith(store.RefreshTokenPlace(grantID(i), 1), key, []byte{i})),
		}, store.Token{
			ID: tokenID(i), Grant: grantID(i), Owner: store.OwnerID{1}, Sum: store.Sum{i}, Created: now,
			Key:   must(r.SealWith(store.TokenKeyPlace(tokenID(i), 1), token(i), key.Reveal())),
			About: must(r.Seal(store.AboutPlace(tokenID(i)), []byte{i})),
		}, store.TicketChanges{Put: []store.Ticket{{
			TicketRef: ref, Status: store.TicketReady, Token: tokenID(i), Expires: now + 1,
			Key:     must(r.SealWith(store.TicketKeyPlace(ref), code(i), key.Reveal())),
			Payload: must(r.SealWith(store.TicketPayloadPlace(ref), key, []byte{i})),
		}}}))
		item := store.Item{ID: store.ItemID{i}, Kind: store.ItemTag, Contents: must(r.Seal(itemPlace(i), []byte{i}))}
		require.NoError(t, s.ChangeItems(t.Context(), store.ItemChanges{Owner: store.OwnerID{i}, ID: store.UseID{i}, Put: []store.Item{item}, Now: now}))
	}
	return s, func(r *seal.Ring) {
		t.Helper()
		for i := byte(1); i <= grants; i++ {
			state, err := s.Lookup(t.Context(), store.Presented{ID: tokenID(i), Seq: 1, Sum: store.Sum{i}}, now)
			require.NoError(t, err)
			dek := must(seal.ParseDataKey(must(r.OpenWith(store.TokenKeyPlace(tokenID(i), 1), token(i), state.Key))))
			assert.Equal(t, []byte{i}, must(r.Open(store.AboutPlace(tokenID(i)), state.About)))
			rt := must(s.Grant(t.Context(), grantID(i)))
			assert.Equal(t, []byte{i}, must(r.OpenWith(store.RefreshTokenPlace(grantID(i), 1), dek, rt.Token)))
			kept := must(s.Items(t.Context(), store.OwnerID{i}))
			require.Len(t, kept.List, 1)
			assert.Equal(t, []byte{i}, must(r.Open(itemPlace(i), kept.List[0].Contents)))
			assert.Equal(t, uint64(1), kept.Revision, "sealing anew is no change of the list")
		}
	}
}

func itemPlace(i byte) store.Place {
	return store.ItemPlace(store.OwnerID{i}, store.ItemID{i}, store.ItemTag)
}

// items returns everything sealed in the store.
func items(t testing.TB, s seal.Resealer) []store.SealedItem {
	t.Helper()
	all, next, err := s.Sealed(t.Context(), store.Page{Limit: 1000})
	require.NoError(t, err)
	require.Empty(t, next)
	return all
}

// under counts the values under a key.
func under(t testing.TB, s seal.Resealer, key seal.Key) (n int) {
	t.Helper()
	for _, item := range items(t, s) {
		if seal.KeyID(item.Sealed[1:9]) == key.ID() {
			n++
		}
	}
	return n
}

func TestRewrap(t *testing.T) {
	for _, batch := range []int{1, 3, grants * perGrant, 1000} {
		t.Run(fmt.Sprint(batch), func(t *testing.T) {
			a, b := seal.NewKey(), seal.NewKey()
			s, check := filled(t, ring(t, a))
			require.Equal(t, grants*perGrant, under(t, s, a))
			before := items(t, s)

			n, err := seal.Rewrap(t.Context(), s, ring(t, b, a), batch)
			require.NoError(t, err)
			assert.Equal(t, grants*perGrant, n)
			assert.Equal(t, grants*perGrant, under(t, s, b))
			check(ring(t, b)) // without the old key
			after := items(t, s)
			for i := range before {
				require.Equal(t, before[i].Place, after[i].Place)
				assert.Equal(t, innerBytes(t, a, before[i].Place, before[i].Sealed), innerBytes(t, b, after[i].Place, after[i].Sealed))
			}

			n, err = seal.Rewrap(t.Context(), s, ring(t, b, a), batch)
			require.NoError(t, err)
			assert.Zero(t, n)
			assert.Equal(t, after, items(t, s), "nothing is written twice")
		})
	}
}

// hooked is a store that calls functions around its steps.
type hooked struct {
	seal.Resealer
	sealed func() error // before Sealed
	before func() error // before Reseal takes effect
	after  func() error // after Reseal took effect
}

func (h *hooked) Sealed(ctx context.Context, page store.Page) ([]store.SealedItem, string, error) {
	if h.sealed != nil {
		if err := h.sealed(); err != nil {
			return nil, "", err
		}
	}
	return h.Resealer.Sealed(ctx, page)
}

func (h *hooked) Reseal(ctx context.Context, swaps []store.Reseal) (int, error) {
	if h.before != nil {
		if err := h.before(); err != nil {
			return 0, err
		}
	}
	n, err := h.Resealer.Reseal(ctx, swaps)
	if err == nil && h.after != nil {
		if err := h.after(); err != nil {
			return 0, err
		}
	}
	return n, err
}

// TestRewrapResumes lets each step fail before or after it takes effect. Repeating Rewrap
// puts everything under the new key.
func TestRewrapResumes(t *testing.T) {
	const batch, pages = 2, (grants*perGrant + 1) / 2
	failure := errors.New("connection lost")
	for _, where := range []string{"walking", "before", "after"} {
		for nth := 1; nth <= pages; nth++ {
			t.Run(fmt.Sprint(where, nth), func(t *testing.T) {
				a, b := seal.NewKey(), seal.NewKey()
				s, check := filled(t, ring(t, a))
				calls := 0
				once := func() error {
					if calls++; calls == nth {
						return failure
					}
					return nil
				}
				h := map[string]*hooked{
					"walking": {Resealer: s, sealed: once},
					"before":  {Resealer: s, before: once},
					"after":   {Resealer: s, after: once},
				}[where]
				_, err := seal.Rewrap(t.Context(), h, ring(t, b, a), batch)
				require.ErrorIs(t, err, failure)
				done := (nth - 1) * batch
				if where == "after" {
					done = min(nth*batch, grants*perGrant)
				}
				assert.Equal(t, done, under(t, s, b))
				check(ring(t, b, a)) // nothing is lost in between

				n, err := seal.Rewrap(t.Context(), h, ring(t, b, a), batch)
				require.NoError(t, err)
				assert.Equal(t, grants*perGrant-done, n)
				check(ring(t, b))
			})
		}
	}
}

// TestRewrapBesideRequests checks that Rewrap does not overwrite a refresh token that a
// request stores meanwhile.
func TestRewrapBesideRequests(t *testing.T) {
	a, b := seal.NewKey(), seal.NewKey()
	s, _ := filled(t, ring(t, a))
	key := seal.NewDataKey()
	place := store.RefreshTokenPlace(grantID(1), 2)
	// The node of the request still has the old key active.
	fresh := must(ring(t, a).SealWith(place, key, []byte("fresh")))
	done := false
	h := &hooked{Resealer: s, before: func() error {
		if done {
			return nil
		}
		done = true
		lease := store.LeaseID{1}
		_, err := s.BeginRefresh(t.Context(), store.Begin{Grant: grantID(1), Lease: lease, Now: now, TTL: time.Second})
		if err != nil {
			return err
		}
		return s.CommitRefresh(t.Context(), store.Commit{Grant: grantID(1), Lease: lease, Generation: 1, Token: fresh, Now: now})
	}}
	_, err := seal.Rewrap(t.Context(), h, ring(t, b, a), 1000)
	require.NoError(t, err)
	require.True(t, done)
	assert.Zero(t, under(t, s, a), "also what was written meanwhile under the old key")
	state := must(s.Grant(t.Context(), grantID(1)))
	assert.Equal(t, uint64(2), state.Generation)
	assert.Equal(t, []byte("fresh"), must(ring(t, b).OpenWith(place, key, state.Token)))
}

// rows is a store with only the two methods that Rewrap needs.
type rows []store.SealedItem

func (rs rows) Sealed(_ context.Context, page store.Page) ([]store.SealedItem, string, error) {
	start := 0
	if page.After != "" {
		if _, err := fmt.Sscan(page.After, &start); err != nil {
			return nil, "", err
		}
	}
	end := min(start+page.Limit, len(rs))
	next := ""
	if end < len(rs) {
		next = fmt.Sprint(end)
	}
	return append([]store.SealedItem(nil), rs[start:end]...), next, nil
}

func (rs rows) Reseal(_ context.Context, swaps []store.Reseal) (n int, err error) {
	for _, s := range swaps {
		for i := range rs {
			if rs[i].Place == s.Place && string(rs[i].Sealed) == string(s.Old) {
				rs[i].Sealed = s.New
				n++
			}
		}
	}
	return n, nil
}

func TestRewrapUnsettled(t *testing.T) {
	a, b := seal.NewKey(), seal.NewKey()
	place := store.AboutPlace(tokenID(1))
	rs := rows{{Place: place}}
	walks := 0
	h := &hooked{Resealer: rs, sealed: func() error { // a node that still seals under a
		walks++
		rs[0].Sealed = must(ring(t, a).Seal(place, []byte("x")))
		return nil
	}}
	n, err := seal.Rewrap(t.Context(), h, ring(t, b, a), 10)
	assert.ErrorIs(t, err, seal.ErrUnsettled)
	assert.Equal(t, walks, n)
	assert.Less(t, walks, 100)
}

// TestRewrapReportsWhatIsDamaged checks that a damaged row does not keep other rows under
// the old key.
func TestRewrapReportsWhatIsDamaged(t *testing.T) {
	a, b, lost := seal.NewKey(), seal.NewKey(), seal.NewKey()
	var rs rows
	add := func(p store.Place, key seal.Key, damage bool) {
		v := must(ring(t, key).Seal(p, []byte("x")))
		if damage {
			v[len(v)-1] ^= 1
		}
		rs = append(rs, store.SealedItem{Place: p, Sealed: v})
	}
	add(store.AboutPlace(tokenID(1)), a, false)
	add(store.AboutPlace(tokenID(2)), lost, false)
	add(store.AboutPlace(tokenID(3)), a, true)
	add(store.RefreshTokenPlace(grantID(1), 1), a, true)
	add(store.RefreshTokenPlace(grantID(2), 1), a, false)
	rs = append(rs, store.SealedItem{Place: store.TicketKeyPlace(ticket(store.TicketState, 1))}) // empty: nothing to do

	for want := range 2 {
		n, err := seal.Rewrap(t.Context(), rs, ring(t, b, a), 2)
		assert.Equal(t, 2*(1-want), n, "the second time there is nothing left to do")
		var damaged *seal.RewrapError
		require.ErrorAs(t, err, &damaged)
		assert.Equal(t, 3, damaged.Failed)
		assert.Equal(t, []store.PlaceKind{store.PlaceAbout, store.PlaceRefreshToken}, damaged.Kinds)
		assert.ErrorIs(t, err, seal.ErrKeyUnknown)
		assert.Contains(t, err.Error(), lost.ID().String())
	}
	for _, i := range []int{0, 4} {
		assert.Equal(t, []byte("x"), must(ring(t, b).Open(rs[i].Place, rs[i].Sealed)))
	}
}

func TestRewrapRefuses(t *testing.T) {
	a, b := seal.NewKey(), seal.NewKey()
	s, check := filled(t, ring(t, a))
	_, err := seal.Rewrap(t.Context(), s, nil, 10)
	assert.ErrorIs(t, err, seal.ErrNoKey)
	for _, batch := range []int{0, -1} {
		_, err = seal.Rewrap(t.Context(), s, ring(t, b, a), batch)
		assert.ErrorIs(t, err, seal.ErrBatch)
	}
	ctx, cancel := context.WithCancel(t.Context())
	h := &hooked{Resealer: s, after: func() error { cancel(); return nil }}
	n, err := seal.Rewrap(ctx, h, ring(t, b, a), 1)
	assert.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, 1, n, "what is done is done")
	check(ring(t, b, a))
	assert.Equal(t, grants*perGrant-1, under(t, s, a))
}
