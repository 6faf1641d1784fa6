// Package mytoken checks mytokens, and defines what their issuers and holders share.
//
// A mytoken is a long-lived, signed, revocable token that stands in for an OpenID Connect
// refresh token. Its capabilities say what its holder may do. Its restrictions say when,
// from where, for what, and how often.
//
// # A service that accepts mytokens
//
// Such a service needs two things of the issuer: its URL, and the URL of its public keys.
// [NewVerifier] makes a [Verifier] of them. [RequireMytoken] puts the verifier in front
// of an [http.Handler], and the handler gets the token of a request from
// [TokenFromContext]. The package example is a complete service. Without HTTP, call
// [Verifier.Verify] and [Verifier.Check].
//
// A verifier works offline, so it cannot know whether a token was revoked or used up. See
// [Verifier] for what that means.
//
// The tests of the service need no issuer: Sign of package
// [github.com/mytoken-go/sdk/mytoken/mytokentest] makes a token for them, and the
// configuration of a verifier that accepts it. [Keys.Sign] makes one with keys of your own.
//
// # Other programs
//
// A program that issues tokens uses package [github.com/mytoken-go/sdk/mytoken/issuer],
// and a program that holds tokens of a server uses package
// [github.com/mytoken-go/sdk/mytoken/client]. Both use the types of this package, such as
// [Properties], [Issued], [AccessToken] and [Record]. A test that needs a ready issuer
// uses package [github.com/mytoken-go/sdk/mytoken/mytokentest].
//
// [ParseUnverified] reads a token without any key, for programs that only show it.
//
// # Errors
//
// Each function names its errors. Use [errors.Is] for the values and [errors.As] for the
// types. No error text holds a secret.
//
// # Concurrency and time
//
// [Verifier] and [Keys] are safe for concurrent use. Tokens and keys are immutable.
// Constructors reach no network and start no goroutine. A verifier takes the time from
// VerifierConfig.Clock.
//
// # Secrets
//
// Tokens and codes have the type [Secret]. A Secret prints, logs and encodes as
// "[redacted]". Only its method Reveal returns the string.
//
// Section numbers in comments refer to PROTOCOL.md in the repository root.
package mytoken
