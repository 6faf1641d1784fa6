// Package sdk is the root of the mytoken Go SDK. It holds no code; this comment
// says what there is and where.
//
// A mytoken is a signed, long-lived, revocable token that stands in for an
// OpenID Connect refresh token. Whoever holds one can get short-lived access
// tokens for as long as the mytoken's capabilities and restrictions allow:
// capabilities say which actions it is good for, restrictions say when, from
// where, for which scopes and audiences, and how often. Mytokens are made from
// other mytokens without a browser, only ever narrower, so that a compute job
// that runs for days carries exactly the rights that each of its phases needs,
// and no refresh token.
//
// With this module any Go service issues or verifies mytokens in its own
// process.
//
//   - You issue mytokens: [github.com/mytoken-go/sdk/mytoken/issuer], with a
//     store, a ring of server keys ([github.com/mytoken-go/sdk/store/seal]) and
//     a provider ([github.com/mytoken-go/sdk/oidcupstream]).
//   - You accept mytokens: [github.com/mytoken-go/sdk/mytoken] (Verifier,
//     RequireMytoken).
//   - You write restrictions, or want to know what they admit:
//     [github.com/mytoken-go/sdk/restriction], and for countries
//     [github.com/mytoken-go/sdk/restriction/maxmind].
//   - You name or check capabilities: [github.com/mytoken-go/sdk/capability].
//   - You test your service: [github.com/mytoken-go/sdk/mytoken/mytokentest],
//     a ready issuer with a clock, and
//     [github.com/mytoken-go/sdk/oidcupstream/optest], an OpenID provider in
//     the process.
//   - You serve the public mytoken clients over HTTP:
//     [github.com/mytoken-go/sdk/mytoken/rest].
//   - You hold a mytoken of any server: [github.com/mytoken-go/sdk/mytoken/client].
//   - You run jobs for users: [github.com/mytoken-go/sdk/restriction/plan] for the
//     rights that a job needs and whether they last,
//     [github.com/mytoken-go/sdk/restriction/forecast] to tell them, and
//     [github.com/mytoken-go/sdk/restriction/timeline] to draw them.
//   - You keep state: [github.com/mytoken-go/sdk/store/memstore] in memory,
//     [github.com/mytoken-go/sdk/store/sqlstore] in a database.
//   - You write a store of your own: [github.com/mytoken-go/sdk/store] is the
//     contract, [github.com/mytoken-go/sdk/store/storetest] checks it.
//
// Imports point down: from the edges to mytoken, from there to seal and
// oidcupstream, and from these to restriction, capability and store, which know
// nothing of each other.
//
// PROTOCOL.md beside this file describes the wire. Section numbers in comments
// refer to it.
package sdk
