// Package store is the contract between the issuer of mytokens and the place
// where their state lives: which tokens exist, which are revoked, how often
// each clause was used, the sealed refresh tokens, and the one-time codes.
//
// Embedders choose an implementation: [store/memstore] for tests and tools of
// one process, [store/sqlstore] for everything else. Who writes another one
// implements [Store] and runs the suite of [store/storetest] against it; every
// sentence of this package's comments that makes a promise has a test there.
//
// # The contract
//
// One method is one step. A step happens entirely or not at all, is visible to
// every later call on every handle and node once it has returned nil, and
// survives a crash from then on. Steps are linearizable.
//
// Every step can be repeated. The caller supplies the identity of what it
// does ([UseID], [LeaseID], the generation of a token), so a method that fails
// with an error that its comment does not name may or may not have taken
// effect: calling it again with the same arguments is safe and settles the
// question. Identities of uses and of refreshes are remembered for at least
// [Remembered].
//
// A store is safe for concurrent use. It keeps no slice that it was given and
// returns no slice that it keeps. It has no clock (the instant is an argument,
// see [Micros]), starts no goroutine, and logs nothing.
//
// Counters are exact. A counter is created together with its token and its
// limit; it is spent by one conditional update ("add one where used is below
// the limit") and never by reading first. All charges of a use, those of
// ancestors included, succeed together or not at all.
//
// Revocation is one tombstone. A token is live if it exists, bears no
// tombstone itself, and no ancestor bears a recursive one; this is evaluated
// at each use over the ancestors recorded at creation. No step ever flags
// descendants: rows inserted by a concurrent transaction would escape it.
//
// The store sees identifiers, which are hashes, and sealed bytes. Hashing and
// sealing happen above it. The exception is [Event], whose texts are kept as
// they are.
//
// # Words
//
// A grant is one login at the provider and its refresh token. A token is a
// mytoken; the tokens of a grant form a tree. A generation is the seq_no of a
// token, which rotation increments. A clause is one alternative of a token's
// restrictions. A use is one attempt to do something with a token, a charge
// one counter that a use spends. A ticket is a one-time code (authorization
// state, consent, polling, transfer code) or a short token.
//
// [store/memstore]: https://pkg.go.dev/github.com/mytoken-go/sdk/store/memstore
// [store/sqlstore]: https://pkg.go.dev/github.com/mytoken-go/sdk/store/sqlstore
// [store/storetest]: https://pkg.go.dev/github.com/mytoken-go/sdk/store/storetest
package store
