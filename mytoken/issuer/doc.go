// Package issuer issues mytokens: it logs users in, keeps their refresh tokens, and hands
// out mytokens, children of mytokens, and access tokens. Package
// [github.com/mytoken-go/sdk/mytoken/rest] serves an [Issuer] over HTTP to the public
// clients and to browsers.
//
// # Making an issuer
//
// An issuer needs a store, the server keys that seal what is stored, the keys that sign
// tokens, and a provider. The example of [New] shows all of them.
//
// Generate both kinds of keys once ([mytoken.GenerateKey], [seal.NewKey]) and store the
// output of RevealPEM and Reveal safely. Losing either key invalidates every login. Any
// number of issuers, in any number of processes, may share the store, the keys and the
// providers. Only a change of keys needs coordination; see [mytoken.Keys] and
// [Issuer.Rewrap].
//
// Call [Issuer.Recover] before serving, [Issuer.Sweep] every few minutes, and
// [Issuer.Close] when no request is served any more.
//
// # Where tokens come from
//
// A token comes from a login ([Issuer.StartLogin] and [Issuer.FinishLogin], or
// [Issuer.StartNative] for programs without a browser), from a refresh token that the
// service already holds ([Issuer.Adopt]), or from another token ([Issuer.Derive]), which
// it never exceeds. [Issuer.AccessToken] turns a token into an access token.
//
// Most methods act for whoever presents a token, so the token's capabilities and
// restrictions apply. [Issuer.Owner] acts for a user whom the embedding service has
// authenticated itself.
//
// # Repeated requests
//
// Requests that spend a use of a token, or create a token, have an ID; see [NewUseID]. A
// request that got an error or no answer may be repeated with the same ID. It counts once.
// If an answer carries an Update, that token replaces the one that was presented. Store it
// before anything else.
//
// # Errors
//
// Each method names its errors. Every method that reaches the store may also return a
// [*StoreError]. Any other error means that the service could not tell, and nothing was
// handed out. No error text holds a secret.
//
// # Concurrency and time
//
// An [Issuer] is safe for concurrent use. Requests, answers and what is in them belong to
// the caller. [New] reaches neither the store nor the network and starts no goroutine. The
// time is that of Config.Clock. The clocks of processes that share a store may differ by
// Config.MaxClockSkew.
//
// Section numbers in comments refer to PROTOCOL.md in the repository root.
package issuer
