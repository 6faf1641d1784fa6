// Package mytoken issues, verifies and serves mytokens: long-lived, signed,
// revocable tokens that stand in for an OpenID Connect refresh token, and that
// capabilities and restrictions limit.
//
// # Which part for which need
//
//   - An [Issuer] logs users in, keeps their refresh tokens, and hands out
//     mytokens, children of mytokens, and access tokens. Package
//     [github.com/mytoken-go/sdk/mytoken/rest] serves it over HTTP to the public
//     clients and to browsers.
//   - A [Verifier] accepts the mytokens of somebody else's issuer, offline, and
//     [RequireMytoken] does so in front of an http.Handler.
//   - [ParseUnverified] looks at a token without any key, and decides nothing.
//   - Programs that hold a mytoken of a server use package
//     [github.com/mytoken-go/sdk/mytoken/client] instead.
//   - Tests get an issuer that is ready to use from package
//     [github.com/mytoken-go/sdk/mytoken/mytokentest].
//
// # An issuer
//
// It needs a store, the keys that seal what is stored, the keys that sign, and a
// provider:
//
//	ring, err := seal.NewRing(seal.RingConfig{Active: serverKey})       // seal.ParseKey
//	keys, err := mytoken.NewKeys(signingKey)                            // mytoken.ParseKeyPEM
//	upstream, err := oidcupstream.New(oidcupstream.Config{…, RedirectURL: "https://portal.example.org/redirect"})
//	issuer, err := mytoken.NewIssuer(mytoken.Config{
//		Issuer: "https://portal.example.org", Store: st, Seal: ring, Keys: keys,
//		Providers: []mytoken.Provider{{Upstream: upstream}},
//		SpillDir:  "/var/lib/portal/spill",
//	})
//	err = issuer.Recover(ctx)                                            // before it serves
//	…                                                                    // issuer.Sweep every few minutes
//	err = issuer.Close(ctx)                                              // when no request is served any more
//
// Generate both keys once ([GenerateKey], seal.NewKey) and keep what RevealPEM and
// Reveal return: whoever loses one of them loses all logins. Any number of issuers,
// in any number of processes, may share the store, the keys and the providers.
// Nothing else has to be coordinated but the change of keys; see [Keys] and
// [Issuer.Rewrap].
//
// A token comes from a login ([Issuer.StartLogin] and [Issuer.FinishLogin], or
// [Issuer.StartNative] for programs without a browser), from a refresh token that
// the service holds already ([Issuer.Adopt]), or from another token
// ([Issuer.Derive]), which it never exceeds. [Issuer.AccessToken] is what all of
// them are for. Most methods act for whoever presents a token, so its capabilities
// and restrictions apply; [Issuer.Owner] acts for a user whom the embedding service
// has authenticated itself.
//
// # Repeated requests
//
// Requests that spend a use of a token or create one have an ID, see [NewUseID]. What
// got no answer, or an error, may be repeated with the same ID: it counts once. A
// token that rotates is replaced by what an answer carries as Update; keep that
// before anything else.
//
// # Errors
//
// Each method names its errors; what reaches the store also fails with a
// [*StoreError]. Use errors.As for the types, errors.Is for the sentinels. What is
// none of them means that the service could not tell, and nothing was handed out. No
// text of an error holds a secret.
//
// # Concurrency and time
//
// [Issuer], [Verifier] and [Keys] are safe for concurrent use, tokens and keys are
// immutable; requests, answers and what is in them belong to the caller.
// Constructors reach neither store nor network and start no goroutine. Time is that
// of Config.Clock and VerifierConfig.Clock; the clocks of processes that share a store
// may differ by Config.MaxClockSkew.
//
// # Secrets
//
// Tokens and codes are of the type [Secret], which shows itself as "[redacted]"
// wherever it is printed, logged or encoded; its method Reveal is the way to the
// string.
package mytoken
