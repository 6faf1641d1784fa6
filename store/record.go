package store

import (
	"fmt"
	"time"
)

// Page says which part of a long list to return.
type Page struct {
	// After is the cursor that the previous page returned. It is empty for the first
	// page. Cursors are opaque. They stay valid while rows come and go: a row that exists
	// during the whole walk is returned exactly once.
	After string
	// Limit is the most entries that the page may have. It must be at least 1.
	Limit int
}

// Check returns an [*ArgumentError] if Limit is less than 1.
func (p Page) Check() error {
	if p.Limit < 1 {
		return argument(fmt.Sprintf("a page of %d entries: Limit must be at least 1", p.Limit))
	}
	return nil
}

// EventRecord is an entry of a token's history, with the token that it belongs to.
type EventRecord struct {
	Token TokenID
	Event
}

// Cleaning says what Sweep may delete.
type Cleaning struct {
	Now Micros
	// Limit is the most rows of each table that one call may delete. It must be at least
	// 1.
	Limit int
	// Retention is how long revoked and expired tokens stay listed, with their history
	// and counters. It begins when the token expires, is revoked, or an ancestor is revoked
	// recursively, whichever is first. The reference server keeps them for a month.
	Retention time.Duration
}

// Cleaned counts what Sweep deleted.
type Cleaned struct {
	Tickets int // erased or deleted: those that expired, and those whose token is gone or not live
	Tokens  int // expired and revoked tokens
	Grants  int // grants without a token
	Events  int // entries of histories
	Uses    int // remembered identities of uses and refreshes
	Others  int // outdated generations, tombstones, counters, processes, links, and erased keys of tokens
	// More says that Sweep reached the limit and that more is left to delete. Call it
	// again.
	More bool
}

// Check returns an [*ArgumentError] if Limit is less than 1, Now is not positive, or
// Retention is negative.
func (c *Cleaning) Check() error {
	if c.Limit < 1 || c.Now <= 0 || c.Retention < 0 {
		return argument("Sweep needs a limit of at least 1, an instant, and a retention that is not negative")
	}
	return nil
}
