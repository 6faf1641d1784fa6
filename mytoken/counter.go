package mytoken

import "github.com/mytoken-go/sdk/internal/terms"

// Counter is the state of one clause: AT and Other are its limits, ATUsed and OtherUsed
// how often it was used, ATLeft and OtherLeft how often it still can be. What is left is
// the least over the clause and the ancestors' clauses that it draws on.
type Counter = terms.Counter

// Limit is how often a clause may be used. The zero Limit admits no use.
type Limit = terms.Limit

// Unlimited is the limit of a counter that only counts.
const Unlimited = terms.Unlimited
