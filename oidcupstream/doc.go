// Package oidcupstream is a client for an OpenID provider. It sends users there to log
// in, exchanges codes for tokens, refreshes access tokens and revokes refresh tokens.
//
//	provider, err := oidcupstream.New(oidcupstream.Config{
//		Issuer:      "https://op.example.org",
//		ClientID:    "portal",
//		Auth:        oidcupstream.ClientSecretBasic(secret),
//		RedirectURL: "https://portal.example.org/redirect/op.example.org",
//		Scopes:      []string{"openid", "profile", "storage.read"},
//	})
//
// [New] does not use the network. The first call that needs the provider's metadata
// fetches it. The package keeps the metadata and renews it in the background; see
// [Config].MetadataTTL.
//
// # A login
//
// [Provider.AuthorizationURL] returns the address to which to send the browser. It always
// uses PKCE (S256), state and nonce. The browser comes back to Config.RedirectURL.
// [Provider.CheckRedirect] checks the parameters that it brings back. [Provider.Exchange]
// turns the code into [Tokens]. It takes the subject from the ID token, after it has
// verified the token's signature, issuer, audience, authorized party, times, nonce and
// access token hash.
//
// A client of several providers needs a RedirectURL for each, registers at each provider
// only its own, and compares the path at which the browser arrives with
// [Provider.RedirectPath]. Package [github.com/mytoken-go/sdk/mytoken/issuer] does.
//
// # One attempt and its outcome
//
// Many providers rotate refresh tokens: a refresh returns a new token, and the old one
// stops working. Some revoke the whole grant when they see the old one again. Therefore
// this package sends a token request at most once. It never retries, and it makes sure
// that net/http cannot retry. Every failure is an [*Error], whose [Outcome] says what a
// caller may conclude:
//
//	NotSent       the provider cannot have seen the request    undo everything; try again at will
//	NotProcessed  the provider was busy, or is elsewhere       undo everything; see Error.RetryAfter
//	Refused       the provider answered with an OAuth error    undo the use; see Error.InvalidGrant
//	Unknown       anything else                                assume that the provider acted
//
// Some providers use up a refresh token before they refuse the request, and so end the
// login. [AudienceParameter] tells this package which requests it must not send to such a
// provider.
//
// An unusable response may still contain the only refresh token that works.
// [Error.RefreshToken] returns it.
//
// # A busy provider
//
// A provider that throttles says so with 429, or with 5xx and Retry-After. If the token
// or revocation endpoint does, the Provider sends no further request to them until the
// wait is over, at most five minutes. Every call returns an [*Error] at once, with
// [ErrThrottled] and the time that is left. A 429 that names no time means two seconds,
// and twice as long each further time. The metadata and the keys have pauses of their
// own: as long as this process has them, a busy endpoint for documents holds up nothing.
// A Provider keeps its pauses in memory, so each process learns of them itself.
//
// # A hostile provider
//
// A provider chooses the size of its answers, but not how much work they cause. The body
// of an answer is bounded (Config.MaxResponseBytes), and so are the scopes and audiences
// of an access token: 1,024 and 64 KiB of each list. An access token may say in several
// claims how far it reaches. The package reads all of them, and says which it cannot read;
// see [Tokens].
//
// A key set has at most 256 KiB. The package decodes a key when a token needs it, at most
// 32 for one token, and checks the token's signature with at most four keys. A token with
// a kid is checked with the keys of that kid only. Keys are the curves P-256, P-384 and
// P-521, Ed25519, and RSA with 2,048 to 8,192 bits. The package fetches the keys again
// after Config.MetadataTTL, and at most once in ten seconds if no key matches. While they
// cannot be fetched, it uses the last ones for a day.
//
// The package follows no redirects. Metadata may name plain http only on a loopback
// address, and only if the issuer has one too. So a remote provider cannot lead requests
// with credentials to a service on this machine.
//
// # Secrets
//
// Types that hold a secret print as "[redacted]" in every format, in JSON and in
// log/slog. Before the package puts a provider's text into an error, it shortens the text
// and removes unprintable characters and everything that resembles a secret of the same
// call.
//
// # Testing
//
// Package [github.com/mytoken-go/sdk/oidcupstream/optest] is a complete provider for
// tests.
package oidcupstream
