// Package issuer issues mytokens. It logs users in, keeps their refresh tokens, and hands
// out mytokens, children of mytokens, and access tokens.
//
// # Making an issuer
//
// An issuer needs a store, the server keys that seal what is stored, the keys that sign
// tokens, and a provider. The example of [New] makes all of them, logs a user in, and
// gets an access token.
//
// Package [github.com/mytoken-go/sdk/mytoken/issuer/keyfile] keeps both kinds of keys in
// files. To keep them elsewhere, generate them once ([mytoken.GenerateKey], [seal.NewKey])
// and store the output of RevealPEM and Reveal safely. Losing either key invalidates every
// login.
//
// Any number of issuers, in any number of processes, may share the store, the keys and
// the providers. Only a change of keys needs coordination; see [mytoken.Keys] and
// [Issuer.Rewrap].
//
// Several providers need redirect URLs with different paths. The path at which a browser
// arrives is part of [FinishRequest], so that no provider can answer for another one.
//
// Call [Issuer.Recover] before serving. Run [Issuer.Maintain] beside it, which deletes what
// has expired. Call [Issuer.Close] after the last request.
//
// # Using tokens
//
// A token comes from a login ([Issuer.StartLogin] and [Issuer.FinishLogin], or
// [Issuer.StartNative] for programs without a browser), from a refresh token that the
// service already holds ([Issuer.Adopt]), or from another token ([Issuer.Derive]). A
// child never allows more than its parent. [Issuer.AccessToken] gets an access token for
// it.
//
// A portal that starts jobs while its users are away adopts the refresh token of each user
// once. It keeps the mytoken in its own table, sealed in a [seal.Box], and derives a
// narrower one for each job. An example of [Issuer.Adopt] is such a portal.
//
// A token may have restrictions: a list of clauses, one of which must admit each use.
// Getting an access token is one kind of use. Any other operation that counts is an
// "other use". A clause may limit how many uses of each kind it admits.
//
// A login creates a grant: one refresh token, and a first token that uses it. The first
// token and all its descendants share the grant. Together they are a tree.
//
// A token may rotate: a use replaces it with its next generation. For a grace
// (Config.RotationGrace), its holder can repeat the request with the outdated generation
// to get the same successor, until somebody presents that.
//
// Users sort their tokens by tags, which they share with nobody: [Issuer.CreateTag],
// [Issuer.TagToken], [mytoken.Properties].Tags, and [Issuer.RevokeTagged] for all tokens of
// a tag.
//
// Most methods act for the holder of a token: its capabilities and restrictions apply.
// [Issuer.Owner] acts for a user that the embedding service has authenticated itself.
//
// # Repeating requests
//
// A request that spends a use of a token, or creates a token, has an ID; see [NewUseID].
// If a call returned an error or its answer was lost, repeat it with the same ID. It
// counts once.
//
// An Update in an answer replaces the token that was presented. Store it before anything
// else.
//
// # Serving tokens to others
//
// Package [github.com/mytoken-go/sdk/mytoken/rest] serves an [Issuer] over HTTP to the
// public clients and to browsers. A program that serves an issuer to others is called an
// edge. These methods are for edges:
//
//   - [Issuer.MarkCode] and [Issuer.UnmarkCode] tell issued codes apart from guesses.
//   - [Issuer.BrowserProof] and [Issuer.IsBrowserProof] bind a login to a browser.
//   - [Issuer.PreviewLogin], [Issuer.PreviewConsent], [Issuer.Preview] and
//     [Issuer.PendingLogin] look ahead, and [Issuer.EndedLogin] looks back. They change
//     nothing.
//   - [Issuer.Authorize] and [Issuer.Inspect] check tokens for operations of the edge
//     itself.
//   - [Issuer.AddSSHKey], [Issuer.PollSSHKey] and [Issuer.OpenSSHKey] let an SSH key stand
//     for a token, and [Issuer.SetGrant] lets its user switch that off.
//   - [Issuer.RestrictionKeys] and [Issuer.RestrictionOptions] say what requests may
//     contain.
//
// # Errors
//
// Each method names its errors. Every method that reaches the store may also return a
// [*StoreError]. Any other error is a failure of the service: it could not decide, and
// nothing was handed out.
//
// The text of an error is for operators. It tells the causes, such as what a provider or a
// database said, so do not send it to clients. No error text holds a secret.
//
// # Log
//
// Config.Logger gets what an operator has to know. A login that worked, or that the user
// declined, is a line of the level Info. One that failed is a line of the level Warn with
// the reason; see [LogAttrs]. If package rest serves the login, its line for the request
// is that line, and the issuer writes its own with the level Debug.
//
// While the store is away, it gets one line of the level Error with the cause when that
// begins (kind store_unavailable), and one of the level Info when it is over (kind
// store_available), with its length and the number of failed steps. Everything that fails
// meanwhile for that reason is of the level Debug.
// Each process tells what it sees.
//
// # Metrics
//
// Config.Observer gets a [Notice] of everything that happens. Count them by their kind, as
// the example of [Notice] does.
//
// # Concurrency and time
//
// An [Issuer] is safe for concurrent use. Requests and answers belong to the caller.
// [New] reaches neither the store nor the network, and starts no goroutine.
//
// All times are those of Config.Clock. The clocks of processes that share a store may
// differ by Config.MaxClockSkew.
//
// Section numbers in comments refer to PROTOCOL.md in the repository root.
package issuer
