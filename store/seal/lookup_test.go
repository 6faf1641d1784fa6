package seal_test

import (
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/seal"
)

var codeKinds = []store.TicketKind{store.TicketState, store.TicketConsent, store.TicketPolling, store.TicketTransfer}

func TestLookup(t *testing.T) {
	a, b, c := seal.NewKey(), seal.NewKey(), seal.NewKey()
	seen := map[store.TicketID]string{}
	for _, kind := range codeKinds {
		for _, code := range []string{"abcdefgh", "abcdefgH", "bcdefgh", "a", "\x01", "\x02"} {
			ids := ring(t, a, b, c).Lookup(kind, code)
			require.Len(t, ids, 3)
			assert.Equal(t, ids, ring(t, a, b, c).Lookup(kind, code), "repeatable")
			for i, k := range []seal.Key{a, b, c} {
				assert.Equal(t, ids[i], ring(t, k).Lookup(kind, code)[0], "active first, then the others in order")
				assert.Equal(t, refLookup(refKeyBytes(t, k), byte(kind), code), ids[i][:])
				assert.Empty(t, seen[ids[i]], "kind, code and key are all part of the id")
				seen[ids[i]] = code
				assert.False(t, ids[i].IsZero())
			}
			// Without the key the id says nothing about the code.
			assert.NotEqual(t, store.TicketID(sha256.Sum256([]byte(code))), ids[0])
		}
	}
}

// TestLookupUnderRetiredKey checks that a code is found as long as the ring has the key
// that was active when the code was made.
func TestLookupUnderRetiredKey(t *testing.T) {
	a, b := seal.NewKey(), seal.NewKey()
	stored := ring(t, a).Lookup(store.TicketPolling, "code")[0]
	assert.Contains(t, ring(t, b, a).Lookup(store.TicketPolling, "code"), stored)
	assert.NotEqual(t, stored, ring(t, b, a).Lookup(store.TicketPolling, "code")[0], "new codes are stored under the new key")
	assert.NotContains(t, ring(t, b).Lookup(store.TicketPolling, "code"), stored)
	// A node that still has the old key active finds the new ones.
	assert.Contains(t, ring(t, a, b).Lookup(store.TicketPolling, "code"), ring(t, b, a).Lookup(store.TicketPolling, "code")[0])
}

func TestLookupOfNothing(t *testing.T) {
	r := ring(t, seal.NewKey())
	assert.Empty(t, r.Lookup(store.TicketState, ""))
	assert.Empty(t, r.Lookup(0, "code"))
	assert.Empty(t, r.Lookup(store.TicketShort, strings.Repeat("s", 64)))
	assert.Empty(t, r.Lookup(store.TicketSSHKey, strings.Repeat("s", 64)))
}

func TestShortTokenID(t *testing.T) {
	short := strings.Repeat("s", seal.MinShortToken)
	assert.Equal(t, store.TicketID(sha256.Sum256([]byte(short))), seal.ShortTokenID(short))
	assert.NotEqual(t, seal.ShortTokenID(short), seal.ShortTokenID(short+"s"))
	assert.True(t, seal.ShortTokenID(short[1:]).IsZero(), "can be guessed")
	assert.True(t, seal.ShortTokenID("").IsZero())
}

// TestSSHKeyID: the id is a hash of both parts, and each byte belongs to one of them.
func TestSSHKeyID(t *testing.T) {
	const fingerprint, user = "SHA256:abc", "0123456789abcdef"
	// Written out, so that the format cannot change unnoticed.
	want := sha256.Sum256([]byte("\x00\x00\x00\x00\x00\x00\x00\x17mytoken seal v1 ssh key" +
		"\x00\x00\x00\x00\x00\x00\x00\x0aSHA256:abc\x00\x00\x00\x00\x00\x00\x00\x100123456789abcdef"))
	assert.Equal(t, store.TicketID(want), seal.SSHKeyID(fingerprint, user))
	seen := map[store.TicketID]string{}
	for _, pair := range [][2]string{{fingerprint, user}, {fingerprint + "0", user[1:] + "g"}, {fingerprint, user + "g"}, {fingerprint + "0", user}, {user, fingerprint + "012345"}} {
		id := seal.SSHKeyID(pair[0], pair[1])
		assert.Empty(t, seen[id], "%q", pair)
		seen[id] = pair[0] + pair[1]
	}
	assert.True(t, seal.SSHKeyID(fingerprint, user[1:]).IsZero(), "can be guessed")
	assert.True(t, seal.SSHKeyID("", user).IsZero())
}
