package restriction

import (
	"math"
	"net/netip"
	"time"

	"github.com/mytoken-go/sdk/internal/terms"
)

// Kind is the kind of a use. The zero Kind is none, and is refused.
type Kind = terms.Kind

const (
	// AT obtains an access token. Scopes, audiences and usages_AT count for it.
	AT = terms.AT
	// Other is any other counted use, such as the creation of a subtoken. usages_other
	// counts for it, and scopes and audiences do not.
	Other = terms.Other
	// Uncounted is a use that spends nothing, such as introspection. Time, hosts, country
	// and the embedding program's conditions count for it.
	Uncounted = terms.Uncounted
)

// Usage is how often a clause was used.
type Usage struct {
	AT, Other int64
}

// Request is one attempt to use a token.
//
// A Request belongs to the caller, who may change it and use it again after an
// evaluation. It must not be changed during one.
type Request struct {
	// Now is the time of the attempt. The wire counts whole seconds, so parts of a second
	// are dropped: a clause whose exp is 100 admits until 100.999… A zero time is
	// refused.
	Now time.Time

	Kind Kind

	// Address is where the attempt comes from. If it is not valid, clauses that depend on
	// it do not admit.
	Address netip.Addr

	// Scopes and Audiences are what an access token is asked for. They count for AT only.
	// An empty list asks for nothing that a clause could refuse.
	Scopes, Audiences []string

	// Used says, by clause, what was spent. If it is nil, counters are not judged: a
	// limit of 0 refuses, and the store judges every other limit. A limited clause that
	// Used lacks does not admit.
	Used []Usage

	// Values are facts for the conditions of the embedding program. This package does not
	// look at them.
	Values map[string]any

	place place // what Policy.Prepare found
}

// The bounds of a clause that has none.
const (
	noStart = math.MinInt64
	noEnd   = math.MaxInt64
	noLimit = math.MaxInt64
)

// instant is the form of a time in texts.
func instant(seconds int64) string { return time.Unix(seconds, 0).UTC().Format(time.RFC3339) }
