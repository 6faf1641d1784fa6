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

// tokenCache remembers accepted tokens under the SHA-256 of the compact token, which it
// does not keep. It evicts the least recently used ones. It is safe for concurrent use.
//
// It remembers only what can never change: that a key signed this string, and what the
// string says. The verifier asks each time whether the issuer still has the key, and
// checks times and clauses anew. Refusals are not remembered.
type tokenCache struct {
	room int // in units

	mu      sync.Mutex
	used    int // in units
	entries map[[sha256.Size]byte]*list.Element
	recent  *list.List // of *cachedToken, most recently used first
}

type cachedToken struct {
	sum   [sha256.Size]byte
	token *Token
	units int
}

func newTokenCache(room int) *tokenCache {
	return &tokenCache{
		room:    room,
		entries: make(map[[sha256.Size]byte]*list.Element),
		recent:  list.New(),
	}
}

// get returns a token that was signed with a key of the ring, or nil.
func (c *tokenCache) get(sum [sha256.Size]byte, ring *jws.Ring) *Token {
	c.mu.Lock()
	defer c.mu.Unlock()
	element, ok := c.entries[sum]
	if !ok {
		return nil
	}
	token := element.Value.(*cachedToken).token
	if !ring.Holds(token.key) {
		c.remove(element)
		return nil
	}
	c.recent.MoveToFront(element)
	return token
}

// put remembers a token unless it needs more than half of the room.
func (c *tokenCache) put(sum [sha256.Size]byte, token *Token) {
	entry := &cachedToken{sum: sum, token: token, units: 1 + token.size/cacheUnit}
	if entry.units > 1 && entry.units > c.room/2 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.entries[sum]; ok {
		return // two callers verified it at once
	}
	c.entries[sum] = c.recent.PushFront(entry)
	c.used += entry.units
	for c.used > c.room {
		c.remove(c.recent.Back())
	}
}

// remove deletes an entry. The caller holds the lock.
func (c *tokenCache) remove(element *list.Element) {
	entry := c.recent.Remove(element).(*cachedToken)
	delete(c.entries, entry.sum)
	c.used -= entry.units
}
