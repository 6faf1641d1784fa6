package store

import (
	"fmt"
	"time"
)

// Page asks for one part of a long list.
type Page struct {
	// After is the cursor that the previous page returned, and empty for the first page.
	// Cursors are opaque. They stay valid while rows come and go: the pages return a row
	// that exists throughout exactly once.
	After string
	// Limit is the greatest number of entries in a page. It is at least 1.
	Limit int
}

// Check returns an [*ArgumentError] if the page is not well formed.
func (p Page) Check() error {
	if p.Limit < 1 {
		return argument(fmt.Sprintf("a page of %d entries: Limit must be at least 1", p.Limit))
	}
	return nil
}

// EventRecord is an entry of a token's history.
type EventRecord struct {
	Token TokenID
	Event
}

// Cleaning says what housekeeping may delete.
type Cleaning struct {
	Now Micros
	// Limit is the greatest number of rows of each table that one call deletes. It is at
	// least 1.
	Limit int
	// Retention is how long revoked and expired tokens stay listed, with their history
	// and counters. The reference server keeps them for a month.
	Retention time.Duration
}

// Cleaned is what housekeeping deleted.
type Cleaned struct {
	Tickets int // expired codes erased or deleted
	Tokens  int // expired and revoked tokens
	Grants  int // grants without a token
	Events  int // entries of histories
	Uses    int // remembered identities of uses and refreshes
	Others  int // outdated generations, tombstones, counters
	// More says that a limit was reached and that there is more to do.
	More bool
}

// Check returns an [*ArgumentError] if the arguments are not well formed.
func (c *Cleaning) Check() error {
	if c.Limit < 1 || c.Now <= 0 || c.Retention < 0 {
		return argument("Sweep needs a limit of at least 1, an instant, and a retention that is not negative")
	}
	return nil
}
