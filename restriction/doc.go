// Package restriction says when, from where, how often and for what a mytoken may be
// used.
//
// The restrictions of a token are a [List] of clauses. A [Clause] admits a use if
// everything in it is satisfied. A token admits a use if at least one of its clauses
// does. A list without clauses is no restriction. Protocol section 2 defines the keys.
//
// # Reading and writing
//
// [Parse] reads the restrictions of a token. [ParseRequest] reads those of a request,
// with relative times and the host "this". [Phases] writes them in Go:
//
//	list, err := restriction.Phases(start,
//		restriction.First(time.Hour).Scopes("compute.submit"),
//		restriction.First(2*time.Hour).Scopes("storage.read"),
//		restriction.Between(24*time.Hour, 36*time.Hour).Scopes("storage.write"),
//	)
//
// Reading is strict, because a key that is overlooked makes a token more powerful. A key
// that this package does not define keeps the bytes of its value and admits nothing. No
// malformed or empty text reads as "no restriction". An issuer calls [List.ValidateAt]
// and [Options.Check] before it issues a token. They refuse clauses that make no sense,
// and clauses that this deployment cannot evaluate.
//
// # Using
//
// [Compile] turns a list into a [Policy]. A program keeps it with the token, for many
// requests:
//
//	policy, err := restriction.Compile(list, options)
//	decision := policy.Decide(ctx, &restriction.Request{
//		Now: now, Kind: restriction.AT, Address: address, Scopes: scopes,
//	})
//	if !decision.Admitted() {
//		return decision.Err()
//	}
//	for clause := range decision.Candidates() {
//		// spend a use of the clause, or try the next one
//	}
//
// [Policy.Decide] calls [Policy.Prepare] and [Policy.Evaluate]. Prepare looks up names
// and countries if the policy depends on them. Evaluate is a pure function of its
// arguments. The store has the counters, so it chooses the candidate that pays for the
// use.
//
// A refusal explains itself. For each clause an [Explanation] says which keys objected,
// what they needed, and when the clause will admit the same request.
// [Explanation.Untrusted] leaves out what strangers must not learn.
//
// [Policy.Facts] says what each clause means apart from any request, for forecasts and
// plans.
//
// # Children
//
// [Narrow] makes the restrictions of a child token. The result is always [Within] those
// of the parent: the child admits nothing that its parent refuses. Whatever cannot be
// proven to be within is not.
//
// # Own conditions
//
// A program may define conditions under JSON keys of its own; see [Condition], [Factory]
// and [Options.Conditions]. [All], [Any] and [Not] combine them.
//
// Values of this package are safe for concurrent use while nobody changes them. A
// [Policy] never changes.
//
// Section numbers in comments refer to PROTOCOL.md in the repository root.
package restriction
