package seal_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/seal"
)

// ring returns a ring with these keys, the first one active.
func ring(t testing.TB, active seal.Key, others ...seal.Key) *seal.Ring {
	t.Helper()
	r, err := seal.NewRing(seal.RingConfig{Active: active, Others: others})
	require.NoError(t, err)
	return r
}

func box(t testing.TB, active seal.Key, others ...seal.Key) *seal.Box {
	t.Helper()
	b, err := seal.NewBox(seal.RingConfig{Active: active, Others: others})
	require.NoError(t, err)
	return b
}

// must returns a sealed value, or anything else that must not fail.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func tokenID(b byte) (id store.TokenID) {
	copy(id[:], bytes.Repeat([]byte{b}, len(id)))
	return id
}

func grantID(b byte) (id store.GrantID) {
	copy(id[:], bytes.Repeat([]byte{b}, len(id)))
	return id
}

func ticket(kind store.TicketKind, b byte) store.TicketRef {
	ref := store.TicketRef{Kind: kind}
	copy(ref.ID[:], bytes.Repeat([]byte{b}, len(ref.ID)))
	return ref
}

// places returns places of every kind, neighbours of one another: each differs from some
// other one in a single respect.
func places() []store.Place {
	state, transfer := ticket(store.TicketState, 1), ticket(store.TicketTransfer, 1)
	return []store.Place{
		store.RefreshTokenPlace(grantID(1), 1),
		store.RefreshTokenPlace(grantID(1), 2),
		store.RefreshTokenPlace(grantID(2), 1),
		store.TokenKeyPlace(tokenID(1), 1),
		store.TokenKeyPlace(tokenID(1), 2),
		store.TokenKeyPlace(tokenID(2), 1),
		store.SuccessorPlace(tokenID(1), 1),
		store.SuccessorPlace(tokenID(1), 2),
		store.AboutPlace(tokenID(1)),
		store.AboutPlace(tokenID(2)),
		store.TicketKeyPlace(state),
		store.TicketKeyPlace(transfer),
		store.TicketKeyPlace(ticket(store.TicketState, 2)),
		store.TicketPayloadPlace(state),
		store.TicketPayloadPlace(transfer),
	}
}
