// Package store is the contract between an issuer of mytokens and the place that keeps
// its state: which tokens exist, which are revoked, how often each clause was used, the
// sealed refresh tokens, and the one-time codes.
//
// Choose an implementation: [store/memstore] for tests and single-process tools,
// [store/sqlstore] for everything else. To write another one, implement [Store] and run
// the suite of [store/storetest] against it. The suite tests every promise in the
// comments of this package.
//
// # The contract
//
// Each method of [Store] is one step. A step happens entirely or not at all. Once it has
// returned nil, every later call on every node sees its effect, and the effect survives a
// crash. Steps are linearizable.
//
// Every step can be repeated. The caller identifies what it does by a [UseID], a
// [LeaseID], or the generation of a token. If a step returns an error that its comment
// does not name, the step may or may not have taken effect; [IsDefinite] tells the two
// kinds of errors apart. Calling the method again with the same arguments is safe and
// settles the question. A store remembers the identities of uses and refreshes for at
// least [Remembered].
//
// A store is safe for concurrent use. It keeps no slice that it was given and returns no
// slice that it keeps. It has no clock: the caller passes the current time as [Micros].
// It starts no goroutine and logs nothing.
//
// Counters are exact. A store creates a counter together with its token and its limit. It
// spends the counter by one conditional update ("add one where used is below the limit")
// and never by reading first. All charges of a use, including those to ancestors, succeed
// together or not at all.
//
// Revocation writes one tombstone. A token is live if it exists, has no tombstone itself,
// and no ancestor has a recursive one. The store evaluates this at each use, over the
// ancestors that it recorded at creation. No step ever marks descendants as revoked,
// because it would miss a descendant that a concurrent transaction inserts.
//
// A token that can no longer be used must not open anything either. So the step that
// revokes a token or confirms a rotation also erases the sealed values that the old token
// opens. Sweep erases those of expired tokens, and the contents of expired tickets.
//
// The caller hashes and seals: ids are hashes or random, and secrets arrive sealed. A
// store keeps the texts of an [Event], and the scope and audience of a [Grant], as they
// are.
//
// # Words
//
// The comments of this package use these words:
//
//   - A grant is one login at the provider and its refresh token.
//   - A token is a mytoken. The tokens of a grant form a tree.
//   - A generation of a token is its seq_no, which rotation increments. A generation of a
//     grant counts its refresh tokens in the same way.
//   - The grace of a rotation is how long the store still accepts the generation that was
//     replaced.
//   - A clause is one alternative of a token's restrictions.
//   - A use is one attempt to do something with a token. A charge is one counter that a
//     use spends.
//   - A tombstone records that a token was revoked. A recursive one also ends all
//     descendants.
//   - A lease lets one node refresh a grant for a limited time. A doubt is a lease that
//     lapsed without EndRefresh: nobody knows whether the provider has replaced the
//     refresh token.
//   - A spare is a refresh token that arrived after the grant had moved on.
//   - A ticket is a one-time code (authorization state, consent, polling code, transfer
//     code), a stored reply, or a short token.
//   - A node is a process, or a handle to the store, beside others that work on the same
//     state.
//
// [store/memstore]: https://pkg.go.dev/github.com/mytoken-go/sdk/store/memstore
// [store/sqlstore]: https://pkg.go.dev/github.com/mytoken-go/sdk/store/sqlstore
// [store/storetest]: https://pkg.go.dev/github.com/mytoken-go/sdk/store/storetest
package store
