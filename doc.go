// Package sdk is the root of the mytoken Go SDK. It contains no code. This comment says
// which packages there are, and what each is for.
//
// A mytoken is a signed, long-lived, revocable token that stands in for an OpenID Connect
// refresh token. Its holder can get short-lived access tokens for as long as the
// mytoken's capabilities and restrictions allow. Capabilities say which actions it is
// good for. Restrictions say when, from where, for which scopes and audiences, and how
// often. New mytokens are made from existing ones without a browser, and are only ever
// narrower. So a compute job that runs for days can carry exactly the rights that each of
// its phases needs, and no refresh token.
//
// With this module any Go service issues or verifies mytokens in its own process.
//
//   - You issue mytokens: [github.com/mytoken-go/sdk/mytoken/issuer], with a store, a
//     ring of server keys ([github.com/mytoken-go/sdk/store/seal]) and a provider
//     ([github.com/mytoken-go/sdk/oidcupstream]).
//   - You accept mytokens: [github.com/mytoken-go/sdk/mytoken] (Verifier,
//     RequireMytoken).
//   - You write restrictions, or want to know what they admit:
//     [github.com/mytoken-go/sdk/restriction], and for countries
//     [github.com/mytoken-go/sdk/restriction/maxmind].
//   - You name or check capabilities: [github.com/mytoken-go/sdk/capability].
//   - You test your service: [github.com/mytoken-go/sdk/mytoken/mytokentest], a ready
//     issuer with a clock, and [github.com/mytoken-go/sdk/oidcupstream/optest], an OpenID
//     provider in the process.
//   - You serve the public mytoken clients over HTTP:
//     [github.com/mytoken-go/sdk/mytoken/rest].
//   - You hold a mytoken of any server: [github.com/mytoken-go/sdk/mytoken/client].
//   - You run jobs for users: [github.com/mytoken-go/sdk/restriction/plan] finds the
//     rights that a job needs and says whether they last,
//     [github.com/mytoken-go/sdk/restriction/forecast] says what a token admits and when,
//     and [github.com/mytoken-go/sdk/restriction/timeline] draws it.
//   - You keep state: [github.com/mytoken-go/sdk/store/memstore] in memory,
//     [github.com/mytoken-go/sdk/store/sqlstore] in a database.
//   - You write your own store: [github.com/mytoken-go/sdk/store] is the contract, and
//     [github.com/mytoken-go/sdk/store/storetest] checks a store against it.
//
// Imports point down: from the edges (rest, client) to issuer and mytoken, from issuer to
// seal and oidcupstream, and from all of them to restriction, capability and store, which
// know nothing of each other.
//
// PROTOCOL.md beside this file describes the wire protocol. Section numbers in comments
// refer to it.
package sdk
