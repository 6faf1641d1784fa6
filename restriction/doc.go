// Package restriction says when, from where, how often and for what a mytoken
// may be used.
//
// The restrictions of a token are a [List] of clauses. A [Clause] admits a use
// if everything that it states is satisfied; the token may be used if at least
// one clause admits. A list without clauses is no restriction. Keys and their
// meaning are those of protocol section 2.
//
// # Reading and writing
//
// [Parse] reads the restrictions of a token, [ParseRequest] those that somebody
// asks for, with relative times and the host "this". [Phases] writes them in Go:
//
//	list, err := restriction.Phases(start,
//		restriction.First(time.Hour).Scopes("compute.submit"),
//		restriction.First(2*time.Hour).Scopes("storage.read"),
//		restriction.Between(24*time.Hour, 36*time.Hour).Scopes("storage.write"),
//	)
//
// Reading is strict, because what is overlooked makes a token more powerful. A
// key that this package does not define is kept, with the bytes of its value,
// and admits nothing. Nothing that is malformed or empty ever reads as "no
// restriction". Before a token is issued, [List.ValidateAt] refuses what makes
// no sense and [Options.Check] what this deployment cannot evaluate.
//
// # Using
//
// [Compile] turns a list into a [Policy], which is kept with the token and
// answers many requests:
//
//	policy, err := restriction.Compile(list, options)
//	decision := policy.Decide(ctx, &restriction.Request{
//		Now: now, Kind: restriction.AT, Address: address, Scopes: scopes,
//	})
//	if !decision.Admitted() {
//		return decision.Err()
//	}
//	for clause := range decision.Candidates() { … }
//
// [Policy.Decide] is [Policy.Prepare], which looks up names and countries if
// the policy depends on them, followed by [Policy.Evaluate], which is a pure
// function of its arguments. Which of the candidate clauses the use spends
// from is up to the store, which has the counters.
//
// A refusal explains itself: an [Explanation] says, for each clause, which keys
// objected, what they needed, and the earliest instant at which the same request
// would be admitted. What it says to strangers is [Explanation.Untrusted].
//
// # Children
//
// [Narrow] makes the restrictions of a child token. Its result is always
// [Within] those of the parent: the child admits nothing that its parent
// refuses. What cannot be proven to be within is not.
//
// # Own conditions
//
// A program may define conditions under JSON keys of its own; see [Condition],
// [Factory] and [Options.Conditions]. They compose with [All], [Any] and [Not].
//
// Values of this package are safe for concurrent use as long as nobody changes
// them; a [Policy] never changes.
//
// Section numbers in comments refer to PROTOCOL.md in the repository root.
package restriction
