package store

import "time"

// Page asks for a part of a long answer.
type Page struct {
	// After is the cursor that the previous page returned; empty for the
	// first one. Cursors are opaque and stay valid while rows come and go: a
	// row that exists throughout is returned exactly once.
	After string
	// Limit is how many entries are returned at most; at least 1.
	Limit int
}

// Check reports whether the page is well formed. It returns an *ArgumentError.
func (p Page) Check() error {
	if p.Limit < 1 {
		return argument("page without limit")
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
	// Limit is how many rows of each table one call deletes at most; at
	// least 1.
	Limit int
	// Retention is how long revoked and expired tokens, with their history
	// and counters, stay listed. The reference server keeps them for a month.
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

// Check reports whether the arguments are sensible. It returns an
// *ArgumentError.
func (c *Cleaning) Check() error {
	if c.Limit < 1 || c.Now <= 0 || c.Retention < 0 {
		return argument("housekeeping without limit or instant")
	}
	return nil
}
