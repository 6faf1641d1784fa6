// Package mytoken is what every program that meets mytokens needs. A mytoken is a
// long-lived, signed, revocable token that stands in for an OpenID Connect refresh token.
// Capabilities and restrictions limit what its holder can do with it.
//
//   - A [Verifier] checks the mytokens of an issuer offline, and [RequireMytoken] puts it
//     in front of an http.Handler.
//   - [Keys] sign and check tokens. An issuer signs with them. The tests of a service
//     that accepts tokens make their own with [Keys.Sign].
//   - [ParseUnverified] reads a token without any key, and decides nothing.
//
// A service that issues tokens uses package [github.com/mytoken-go/sdk/mytoken/issuer], a
// program that holds tokens of a server uses package
// [github.com/mytoken-go/sdk/mytoken/client], and a test that needs a ready issuer uses
// package [github.com/mytoken-go/sdk/mytoken/mytokentest].
//
// # Errors
//
// Each function names its errors. Use errors.As for the types and errors.Is for the
// sentinels. No error text holds a secret.
//
// # Concurrency and time
//
// [Verifier] and [Keys] are safe for concurrent use. Tokens and keys are immutable.
// Constructors reach no network and start no goroutine. The time is that of
// VerifierConfig.Clock.
//
// # Secrets
//
// Tokens and codes are of the type [Secret]. A Secret prints, logs and encodes as
// "[redacted]"; only its method Reveal returns the string.
//
// Section numbers in comments refer to PROTOCOL.md in the repository root.
package mytoken
