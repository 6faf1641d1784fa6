// Package oidcupstream is a client of an OpenID provider. It sends users there to log in,
// exchanges codes for tokens, refreshes access tokens and revokes refresh tokens.
//
//	provider, err := oidcupstream.New(oidcupstream.Config{
//		Issuer:      "https://op.example.org",
//		ClientID:    "portal",
//		Auth:        oidcupstream.ClientSecretBasic(secret),
//		RedirectURL: "https://portal.example.org/redirect",
//		Scopes:      []string{"openid", "profile", "storage.read"},
//	})
//
// [New] does not use the network. The first call that needs the provider's metadata
// fetches it. The package keeps the metadata and renews it in the background.
//
// # A login
//
// [Provider.AuthorizationURL] returns the address to send the browser to. It always uses
// PKCE (S256), state and nonce. [Provider.CheckRedirect] checks the parameters that the
// browser brings back. [Provider.Exchange] turns the code into [Tokens]. Their subject
// comes from the ID token, after its signature, issuer, audience, authorized party,
// times, nonce and access token hash were verified.
//
// # One attempt, and what became of it
//
// Many providers rotate refresh tokens: a refresh returns a new token, and the old one
// stops working. Some revoke the whole grant when they see the old one again. Therefore
// this package sends a token request at most once. It never retries, and it leaves
// net/http nothing to retry with. Every failure is an [*Error], whose [Outcome] says what
// a caller may conclude:
//
//	NotSent   the provider cannot have seen the request    undo everything; try again at will
//	Refused   the provider answered with an OAuth error    undo the use; see Error.InvalidGrant
//	Unknown   anything else                                assume that the provider acted
//
// Some providers use a refresh token up before they refuse the request, and so end the
// login. [AudienceParameter] says which requests this package does not send for that
// reason.
//
// An unusable response may still carry the only refresh token that works.
// [Error.RefreshToken] returns it.
//
// # Secrets
//
// Types that hold a secret print as a placeholder in every format, in JSON and in
// log/slog. The package bounds texts of a provider before it puts them into an error. It
// removes unprintable characters and everything that resembles a secret of the same call.
//
// # Testing
//
// Package [github.com/mytoken-go/sdk/oidcupstream/optest] is a complete provider for
// tests.
package oidcupstream
