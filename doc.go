// Package sdk is the root of the mytoken Go SDK. It contains no code.
//
// With this module a Go service gives jobs tokens that last for days, can do only what
// each job needs, and can be revoked at any time.
//
// Compute jobs run for days, but OpenID Connect access tokens live for an hour. A refresh
// token would last, but it can do everything that its user can, and nobody can take a
// part of it back. A mytoken stands in for the refresh token. It is signed, and it says
// what it is good for. Its capabilities say which actions it allows. Its restrictions say
// until when, from where, for which scopes and audiences, and how often. Its holder gets
// access tokens with it, and makes narrower mytokens from it without a browser.
//
// These are the parties, and what each of them has:
//
//   - The user logs in at an OpenID provider, and agrees to mytokens, narrows them and
//     revokes them in a browser.
//   - A service, such as a portal, issues mytokens in its own process. It holds the
//     refresh token, sealed so that only a mytoken opens it.
//   - A job holds a mytoken for days, and gets access tokens for it from the service.
//   - A storage sees access tokens, which live for an hour.
//
// The README begins with three complete programs: one issues mytokens, one verifies them,
// and one holds one. You find what you need in these packages:
//
//   - You issue mytokens: [github.com/mytoken-go/sdk/mytoken/issuer], with a store, keys
//     ([github.com/mytoken-go/sdk/mytoken/issuer/keyfile],
//     [github.com/mytoken-go/sdk/store/seal]) and a provider
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
//   - You let users get access tokens with their SSH keys:
//     [github.com/mytoken-go/sdk/mytoken/sshd].
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
// Imports point down: from the edges (rest, sshd, client) to issuer and mytoken, from
// issuer to seal and oidcupstream, and from all of them to restriction, capability and
// store, which know nothing of each other.
//
// PROTOCOL.md beside this file describes the wire protocol. Section numbers in comments
// refer to it.
package sdk
