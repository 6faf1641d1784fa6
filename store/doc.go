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
// It logs nothing, and no goroutine of it outlives a call for long.
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
// One answer of a provider is no proof about a grant that many tokens share. So the first
// refusal makes a grant suspect: it keeps its refresh tokens, and BeginRefresh refuses
// until a pause is over. The second refusal of everything makes it dead. Whatever works or
// arrives in between ends the suspicion.
//
// The lease of a dead process must neither hold a grant up nor hide a refresh token. So a
// lease ends early when the heartbeat of its process has lapsed or somebody has settled
// the process. It leaves a doubt that names the node. The caller decides whether it is
// safe to ask the provider before that node has recovered. The store never judges a doubt
// by its age.
//
// A store cannot read what users keep besides tokens. So it changes the items of a user by
// compare-and-swap: the caller opens all of them, decides, for example, whether a name is
// taken, and names the revision on which it decided. Links work like tombstones: the store
// keeps one, and whoever asks evaluates it over the ancestors. No step copies a link to
// descendants.
//
// The caller hashes and seals: ids are hashes or random, and secrets arrive sealed. A
// store keeps the texts of an [Event], the scope and audience of a [Grant], the scopes
// that worked, and the names of processes as they are.
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
//   - A lease lets one process refresh a grant for a limited time. A doubt is a lease
//     that lapsed, or was taken over, without EndRefresh: nobody knows whether the
//     provider has replaced the refresh token. A doubt is resolved when that refresh
//     token arrives or the holder says that there is none. It is settled when nothing can
//     arrive any more.
//   - A grant is suspect if the provider has refused its refresh tokens once. A dead grant
//     was refused twice.
//   - A spare is a refresh token that arrived after the grant had moved on.
//   - A ticket is a one-time code (authorization state, consent, polling code, transfer
//     code), a stored reply, a short token, or the token behind an SSH key.
//   - An item is something that a user keeps besides tokens: a setting, a tag, an SSH key.
//     A link says which tokens an item concerns. The revision counts the changes of a
//     user's items.
//   - A node is everything that shares one spill directory, in which a process keeps a
//     refresh token until the store has it. A process of a node is settled when it is
//     dead and that directory holds nothing of it any more. Where these comments are not
//     about refreshing, a node is any handle to the store beside others.
//
// [store/memstore]: https://pkg.go.dev/github.com/mytoken-go/sdk/store/memstore
// [store/sqlstore]: https://pkg.go.dev/github.com/mytoken-go/sdk/store/sqlstore
// [store/storetest]: https://pkg.go.dev/github.com/mytoken-go/sdk/store/storetest
package store
