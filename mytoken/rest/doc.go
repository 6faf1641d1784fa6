// Package rest is the HTTP interface of a mytoken service: every path, field,
// status and error that the public clients of the protocol use, the pages on
// which users agree, and next to them the OAuth standards that generic tools
// speak.
//
//	handler, err := rest.NewHandler(issuer, rest.Options{})
//	if err != nil {
//		return err
//	}
//	http.ListenAndServe(":8080", handler)
//
// # Mounting
//
// A [Handler] serves the complete paths below the path of the issuer URL, so it
// is mounted without http.StripPrefix: at "/" for https://mytoken.example.org, at
// "/tokens/" for https://portal.example.org/tokens. In the latter case mount it
// at [Handler.MetadataPath] too, which RFC 8414 puts in front of the prefix.
//
// Users come back from their OpenID provider to the path /redirect: register
// https://mytoken.example.org/redirect there, and set it as RedirectURL of the
// oidcupstream.Config.
//
// TLS is the embedding server's business, as are limits on headers and
// connections (http.Server.ReadHeaderTimeout). Where requests come through a
// reverse proxy, name it in [Options.TrustedProxies]: everything that depends on
// the address of a client depends on it.
//
// # Paths
//
//	/.well-known/mytoken-configuration, /.well-known/openid-configuration, /jwks
//	/api/v0/token/my, token/access, token/transfer, token/revoke, tokeninfo
//	/api/v0/settings, settings/grants, pt (profiles and templates)
//	/c/{code}, /c, /redirect, /native, /native/abort     pages of a login
//	/home, /manage, /manage/...                           pages for users
//	/.well-known/oauth-authorization-server               metadata (RFC 8414)
//	/oauth/token        token exchange (RFC 8693), refresh (RFC 6749)
//	/oauth/introspect   introspection (RFC 7662), if Options.Clients are set
//	/oauth/revoke       revocation (RFC 7009)
//
// What the protocol knows and this package does not (SSH grant, mail,
// notifications, calendars, tags, federation, writing templates) answers 501 with
// a JSON error and is absent from the discovery document.
//
// Where answers differ from those of the reference server on purpose, the file
// testdata/differences.md of this package says so, and why.
//
// # Refusals
//
// A refusal by the restrictions of a token has two members that are not in the
// protocol, and that its clients ignore: restricted_by, the keys that refused, and
// mytoken_explanation, which goes through the clauses:
//
//	{"admitted": false, "earliest": 1898668800, "clauses": [{"clause": 0, "earliest": 1898668800,
//	  "objections": [{"key": "nbf", "needed": "a time from 2030-03-02T08:00:00Z", "earliest": 1898668800}]}]}
//
// Instants are Unix seconds, "never", or "unknown" where nobody can tell; with one
// comes a Retry-After. [Options.Explanations] says how much of this is told: keys and
// nothing else, if nothing is set.
//
// The tokeninfo action explain asks the same about a use that is not made. It takes
// use ("AT" or "other"), scope, audience, resource and at (Unix seconds), needs the
// capability tokeninfo:introspect, and spends nothing.
//
// # Guessing codes
//
// Codes are long enough that guessing them is hopeless at any rate; see
// [GuessLimits] for what is done about those who try. Who polls for a login that
// exists is never slowed down by them.
//
// # Pages
//
// Pages are html/template, embedded, without JavaScript from elsewhere. Each file
// can be replaced; see [Options.Pages]. They work without scripts; the consent
// page also offers what the scripts of the protocol use.
//
// On the consent page a user reads who asks for what, from where, how often and
// until when, sees it on a timeline, and takes away what he does not want to give;
// its form never grants more than what was asked for.
//
// Below /manage a user who has logged in sees his tokens as a tree, with what they
// may do, what is left of their limits and what happened to them, revokes them, and
// creates new ones. The login gives his browser a mytoken that can list and revoke
// his tokens and read their history, in a cookie of these pages alone. A token that
// is created there has a login of its own, is shown once, and is not kept.
//
// Section numbers in comments refer to PROTOCOL.md in the repository root.
package rest
