package restriction

import (
	"math"
	"net/netip"
	"time"

	"github.com/mytoken-go/sdk/internal/terms"
)

// Kind is the kind of a use. The zero Kind is invalid and always refused.
type Kind = terms.Kind

// The kinds of uses.
const (
	// AT is a use that obtains an access token. Its scopes and audiences are checked, and
	// it counts against usages_AT.
	AT = terms.AT
	// Other is any other counted use, such as the creation of a subtoken. It counts
	// against usages_other. Scopes and audiences make no difference to it.
	Other = terms.Other
	// Uncounted is a use that counts against no limit, such as introspection. Only time,
	// hosts, country and the embedding program's conditions are checked.
	Uncounted = terms.Uncounted
)

// Usage is how often a clause was used, by kind.
type Usage struct {
	AT, Other int64
}

// Request is one attempt to use a token.
//
// A Request belongs to the caller. The caller must not change it during an evaluation,
// and may change it and use it again afterwards. See [Decision] for an exception.
type Request struct {
	// Now is the time of the attempt. The wire counts whole seconds, so Evaluate drops
	// parts of a second: a clause whose exp is 100 admits until 100.999… Evaluate refuses
	// a zero time.
	Now time.Time

	Kind Kind // what the attempt is; the zero Kind is refused

	// Address is where the attempt comes from. If it is not valid, clauses with hosts or
	// countries do not admit.
	Address netip.Addr

	// Scopes and Audiences are requested for an access token. They make a difference to
	// AT only. Every clause allows an empty list.
	Scopes, Audiences []string

	// Used says how often each clause was used, by index. If it is nil, Evaluate checks
	// no counters and leaves that to the store; only a limit of 0 refuses. If it is too
	// short, limited clauses without an entry do not admit.
	Used []Usage

	// Values are facts for the conditions of the embedding program. This package does not
	// look at them.
	Values map[string]any

	place place // what Policy.Prepare found
}

// The values of bounds that a clause does not state.
const (
	noStart = math.MinInt64
	noEnd   = math.MaxInt64
	noLimit = math.MaxInt64
)

// instant writes a time in Unix seconds for texts.
func instant(seconds int64) string { return time.Unix(seconds, 0).UTC().Format(time.RFC3339) }
