// Package restriction says when, from where, how often and for what a mytoken may be
// used.
//
// The restrictions of a token are a [List] of clauses. A [Clause] admits a use if the use
// satisfies every key in it. A token admits a use if at least one of its clauses does. A
// token with an empty list is unrestricted. Protocol section 2 defines the keys.
//
// # Reading and writing
//
// [Parse] reads the restrictions of a token. [ParseRequest] reads those of a request,
// which may also contain relative times such as "+2h" and the host "this". [Phases]
// builds restrictions in Go, from phases such as "the first two hours". A [Schedule] is a
// window that recurs, such as "Mondays to Fridays from 22:00 to 06:00".
//
// Parse is strict, because overlooking a key would make a token more powerful. A clause
// with a key that this package does not know admits nothing, and the bytes of the key's
// value survive encoding. No malformed or empty text reads as "no restriction".
//
// An issuer calls [List.ValidateAt] and [Options.Check] before it issues a token.
// ValidateAt refuses clauses that make no sense. Check refuses clauses that this
// deployment cannot evaluate.
//
// # Using
//
// [Compile] turns a list into a [Policy]. A program may keep the policy with the token
// and use it for many requests. [Policy.Decide] judges a [Request] and returns a
// [Decision]. The package example shows both.
//
// Decide calls [Policy.Prepare] and then [Policy.Evaluate]. Prepare looks up names and
// countries if the policy depends on them. Evaluate is a pure function of its arguments.
//
// A decision names the clauses that admit the request, the candidates. Only the store
// knows how often each clause was used. So the store picks the candidate that the use
// counts against.
//
// A decision that refuses has an [Explanation]. For each clause it says which keys
// objected, what they needed, and when the clause will admit the same request. Use
// [Explanation.Untrusted] to hide from strangers what they must not learn.
//
// [Policy.Facts] describes each clause without any request. Packages forecast and plan
// build on it.
//
// # Children
//
// [Narrow] makes the restrictions of a child token. They are always [Within] those of the
// parent: the child admits nothing that its parent refuses. If this package cannot prove
// that a clause is within the parent, it treats the clause as broader and drops it.
//
// # Custom conditions
//
// A program may define conditions under JSON keys of its own; see [Condition], [Factory]
// and [Options.Conditions]. [All], [Any] and [Not] combine them.
//
// # Concurrency
//
// Values of this package are safe for concurrent use while nobody changes them. A
// [Policy] never changes. [Policy.Prepare] and [Policy.Decide] change their request.
//
// Section numbers in comments refer to PROTOCOL.md in the repository root.
package restriction
