// Package store is the contract between the issuer of mytokens and the place where their
// state lives: which tokens exist, which are revoked, how often each clause was used, the
// sealed refresh tokens, and the one-time codes.
//
// Embedders choose an implementation: [store/memstore] for tests and for tools of one
// process, [store/sqlstore] for everything else. To write another one, implement [Store]
// and run the suite of [store/storetest] against it. Every promise in the comments of
// this package has a test there.
//
// # The contract
//
// One method is one step. A step happens entirely or not at all. Once it has returned
// nil, every later call on every handle and node sees it, and it survives a crash. Steps
// are linearizable.
//
// Every step can be repeated. The caller supplies the identity of what it does: a
// [UseID], a [LeaseID], or the generation of a token. An error that the comment of a
// method does not name settles nothing: the step may or may not have taken effect.
// Calling the method again with the same arguments is safe and settles the question. A
// store remembers the identities of uses and of refreshes for at least [Remembered].
//
// A store is safe for concurrent use. It keeps no slice that it was given and returns no
// slice that it keeps. It has no clock: the instant is an argument, see [Micros]. It
// starts no goroutine and logs nothing.
//
// Counters are exact. A store creates a counter together with its token and its limit. It
// spends the counter by one conditional update ("add one where used is below the limit")
// and never by reading first. All charges of a use succeed together or not at all, those
// of ancestors included.
//
// Revocation is one tombstone. A token is live if it exists, has no tombstone itself, and
// no ancestor has a recursive one. The store evaluates this at each use, over the
// ancestors that it recorded at creation. No step ever flags descendants: rows that a
// concurrent transaction inserts would escape it.
//
// The store sees identifiers, which are hashes, and sealed bytes. The caller hashes and
// seals. The exception is [Event]: the store keeps its texts as they are.
//
// # Words
//
// A grant is one login at the provider and its refresh token. A token is a mytoken; the
// tokens of a grant form a tree. A generation is the seq_no of a token, which rotation
// increments. A clause is one alternative of a token's restrictions. A use is one attempt
// to do something with a token. A charge is one counter that a use spends. A ticket is a
// one-time code (authorization state, consent, polling, transfer code) or a short token.
//
// [store/memstore]: https://pkg.go.dev/github.com/mytoken-go/sdk/store/memstore
// [store/sqlstore]: https://pkg.go.dev/github.com/mytoken-go/sdk/store/sqlstore
// [store/storetest]: https://pkg.go.dev/github.com/mytoken-go/sdk/store/storetest
package store
