package issuer

import "github.com/mytoken-go/sdk/store"

// Types of the store that show in this package's API, under names of this
// package: who only uses an [Issuer] needs no other import.
type (
	// UseID names a request, so that it can be repeated. See [NewUseID].
	UseID = store.UseID
	// Counter is how often a clause was used and can still be used.
	Counter = store.Counter
	// EventRecord is an entry of a token's history.
	EventRecord = store.EventRecord
	// UseKind is the kind of a use, for [ExplainRequest].
	UseKind = store.Kind
	// Limit is how often a counter may be spent; see [Unlimited].
	Limit = store.Limit
)

// The kinds of uses (protocol section 2.5), and the limit of a counter that
// only counts.
const (
	UseAT        = store.UseAT
	UseOther     = store.UseOther
	UseUncounted = store.UseUncounted
	Unlimited    = store.Unlimited
)
