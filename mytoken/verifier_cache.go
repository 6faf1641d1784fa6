package mytoken

import (
	"container/list"
	"crypto/sha256"
	"sync"

	"github.com/mytoken-go/sdk/internal/jws"
)

// cacheUnit is the size of a compact token, in bytes, that counts as one token of the
// cache's size. Larger tokens count as several.
const cacheUnit = 4 << 10

// issuedShare is the part of the room that tokens which nobody has presented yet may take
// from presented ones: a quarter.
const issuedShare = 4

// tokenCache remembers accepted tokens under the SHA-256 of the compact token, which it
// does not keep. It evicts the least recently used ones. It is safe for concurrent use.
//
// It remembers only what can never change: that a key signed this string, and what the
// string says. The verifier asks each time whether the issuer still has the key, and
// checks times and clauses anew. Refusals are not remembered.
//
// Tokens that were issued here wait in a list of their own until they are presented. So
// somebody who issues many tokens evicts a part of those in use at most.
type tokenCache struct {
	room int // in units

	mu      sync.Mutex
	entries map[[sha256.Size]byte]*list.Element // of *cachedToken, in one of the lists
	recent  tokenList                           // presented, most recently used first
	issued  tokenList                           // not presented yet, newest first
}

type cachedToken struct {
	sum   [sha256.Size]byte
	token *Token
	units int
	in    *tokenList
}

// tokenList is a list of entries of the cache. The lock of the cache guards it.
type tokenList struct {
	list.List
	used int // in units
}

func newTokenCache(room int) *tokenCache {
	return &tokenCache{room: room, entries: make(map[[sha256.Size]byte]*list.Element)}
}

// get returns a token that was signed with a key of the ring, or nil.
func (c *tokenCache) get(sum [sha256.Size]byte, ring *jws.Ring) *Token {
	c.mu.Lock()
	defer c.mu.Unlock()
	element, ok := c.entries[sum]
	if !ok {
		return nil
	}
	entry := element.Value.(*cachedToken)
	switch {
	case !ring.Holds(entry.token.key):
		c.remove(element)
		return nil
	case entry.in == &c.recent:
		c.recent.MoveToFront(element)
	default:
		c.remove(element)
		c.add(&c.recent, entry)
	}
	return entry.token
}

// put remembers a token that was presented, unless it needs more than half of the room.
func (c *tokenCache) put(sum [sha256.Size]byte, token *Token) { c.admit(&c.recent, c.room, sum, token) }

// putIssued remembers a token that was issued, unless it needs more than half of the
// share of such tokens.
func (c *tokenCache) putIssued(sum [sha256.Size]byte, token *Token) {
	c.admit(&c.issued, c.room/issuedShare, sum, token)
}

func (c *tokenCache) admit(to *tokenList, share int, sum [sha256.Size]byte, token *Token) {
	entry := &cachedToken{sum: sum, token: token, units: 1 + token.size/cacheUnit}
	if entry.units > 1 && entry.units > share/2 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.entries[sum]; ok {
		return // two callers verified it at once
	}
	c.add(to, entry)
	for c.recent.used+c.issued.used > c.room {
		if c.issued.used > c.room/issuedShare {
			c.remove(c.issued.Back())
		} else {
			c.remove(c.recent.Back())
		}
	}
}

// add puts an entry at the front of a list. The caller holds the lock.
func (c *tokenCache) add(to *tokenList, entry *cachedToken) {
	entry.in = to
	c.entries[entry.sum] = to.PushFront(entry)
	to.used += entry.units
}

// remove deletes an entry. The caller holds the lock.
func (c *tokenCache) remove(element *list.Element) {
	entry := element.Value.(*cachedToken)
	entry.in.Remove(element)
	entry.in.used -= entry.units
	delete(c.entries, entry.sum)
}
