// Package oidcupstream is the client side towards an OpenID provider: it sends users there, exchanges the code they come
// back with, refreshes access tokens and revokes refresh tokens.
//
//	provider, err := oidcupstream.New(oidcupstream.Config{
//		Issuer:      "https://op.example.org",
//		ClientID:    "portal",
//		Auth:        oidcupstream.ClientSecretBasic(secret),
//		RedirectURL: "https://portal.example.org/redirect",
//		Scopes:      []string{"openid", "profile", "storage.read"},
//	})
//
// [New] does not touch the network. The provider's metadata is fetched by the first call that needs it, kept, and renewed
// in the background; a provider that is down delays and fails only the calls that need it.
//
// # A login
//
// [Provider.AuthorizationURL] makes the address to send the browser to, always with PKCE (S256), state and nonce.
// [Provider.CheckRedirect] judges the parameters that the browser brings back, and [Provider.Exchange] turns the code into
// [Tokens]. The subject in them comes from the ID token alone, after its signature, issuer, audience, authorized party,
// times, nonce and access token hash were verified.
//
// # One attempt, and what became of it
//
// Many providers rotate refresh tokens: once a refresh token was used, only its successor works, and presenting the old one
// again may revoke the whole grant. Therefore a token call of this package is sent at most once: nothing here retries, and
// neither can net/http (see the comment at post). Every failure is an [*Error] whose [Outcome] says what the
// caller may conclude:
//
//	NotSent   the provider cannot have seen the request        undo everything, try again at will
//	Refused   the provider answered with an OAuth error         undo the use; InvalidGrant tells whether the grant is dead
//	Unknown   anything else                                     assume that the provider acted
//
// Some providers end a login over a refresh that they refuse, because they use the refresh token up first.
// [AudienceParameter] says which refreshes are not sent for that reason.
//
// If an unusable answer still carried a refresh token, [Error.RefreshToken] returns it: it may be the only one that works.
//
// # Secrets
//
// Types that hold a secret print as a placeholder in every format, in JSON and in log/slog. Texts of a provider that end up
// in an error are bounded, stripped of unprintable characters and of anything that resembles a secret of the same call.
//
// # Testing
//
// Package [github.com/mytoken-go/sdk/oidcupstream/optest] is a complete provider in the process.
package oidcupstream
