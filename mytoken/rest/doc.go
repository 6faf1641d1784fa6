// Package rest serves a mytoken issuer over HTTP: the API of the mytoken protocol, the
// pages on which users agree to requests and manage their tokens, and standard OAuth
// endpoints for generic tools. Section numbers in comments refer to PROTOCOL.md in the
// repository root.
//
//	handler, err := rest.NewHandler(issuer, rest.Options{})
//	if err != nil {
//		return err
//	}
//	return http.ListenAndServe(":8080", handler)
//
// # Mounting
//
// A [Handler] serves complete paths below the path of the issuer URL. Mount it without
// http.StripPrefix: at "/" for https://mytoken.example.org, at "/tokens/" for
// https://portal.example.org/tokens. In the second case mount it at
// [Handler.MetadataPath] too: RFC 8414 puts the well-known path in front.
//
// OpenID providers send users back to /redirect/{provider}. Give each provider a path of
// its own, register exactly that address there, and set it as RedirectURL of the
// oidcupstream.Config:
//
//	RedirectURL: "https://mytoken.example.org/redirect/" + oidcupstream.DefaultShortName(providerIssuer)
//
// The handler takes users back at these addresses only, and [NewHandler] refuses any other
// one. A service with one provider may use /redirect instead. See
// [Options.SkipRedirectCheck] if your server takes users back itself.
//
// The embedding server provides TLS and limits headers and connections
// (http.Server.ReadHeaderTimeout). Name every reverse proxy in [Options.TrustedProxies]:
// otherwise all requests seem to come from the proxy, and restrictions to hosts and
// countries, and the limits on logins and guesses, judge the wrong address. A proxy that
// connects through a Unix socket has no address: set [Options.TrustUnixPeers] instead.
// Routes of your own that call the issuer get the same client from [Handler.ClientOf].
//
// # Paths
//
//	/.well-known/mytoken-configuration, /.well-known/openid-configuration, /jwks
//	/api/v0/token/my, token/access, token/transfer, token/revoke, tokeninfo
//	/api/v0/settings, settings/grants, settings/grants/ssh, settings/tags, token/my/tags
//	/api/v0/capabilities, pt (profiles and templates)
//	/api/v0/consent/{code}                                consent by script
//	/c/{code}, /c, /redirect/{provider}, /redirect,
//	/login/{login}, /native, /native/abort                pages of a login
//	/home, /manage, /manage/...                           pages for users
//	/.well-known/oauth-authorization-server               metadata (RFC 8414)
//	/oauth/token        token exchange (RFC 8693), refresh (RFC 6749)
//	/oauth/introspect   introspection (RFC 7662), if Options.Clients are set
//	/oauth/revoke       revocation (RFC 7009)
//
// [Handler.Command] carries out the actions of SSH clients, whose connections package sshd
// serves. [Options.SSH] lets users register SSH keys.
//
// The package does not serve mail, notifications, calendars or federation. Their paths
// answer 501 with a JSON error. The documents name the endpoints of mail and notifications
// all the same, because public clients crash without them.
//
// # Templates
//
// Operators keep profiles and templates as files in [Options.Templates] (protocol section
// 2.10). They can let a group of users change its own ones over HTTP: with a source that
// can be written to, such as [TemplateDir], and a password for each group.
//
//	source, err := rest.TemplateDir("/var/lib/mytoken/templates")
//	options := rest.Options{Templates: source, TemplateEditors: []rest.Client{{ID: "grid", Secret: password}}}
//
// The handler stores a template only if every template is valid afterwards. Several
// processes may share a source: each sees the changes of the others after a second. If two
// of them change the same template at the same time, the last one wins.
//
// A mytoken is no access token. Introspection describes it with the token_type N_A, and
// with this issuer as iss and aud. A resource server that also accepts the tokens of other
// issuers must compare iss: active alone does not say whose token it is.
//
// The file testdata/differences.md of this package lists the answers that differ from
// those of the reference server on purpose, with the reasons.
//
// # Failures
//
// Clients never learn the cause of a failure. It is in Options.Logger, in one line with
// the id of the request, which is also in the header X-Request-Id. The line of a failed
// login has attributes, too: the reason, and what the provider answered; see
// [issuer.LogAttrs].
//
// While the store is away, requests get status 503 with Retry-After if repeating them
// costs nothing, and the log of the issuer tells so once; see package issuer. If nobody
// knows whether a use was counted, the status is 500.
//
// # Repeated requests
//
// A request that counts as a use may have a header that names it, Idempotency-Key. Then a
// client that lost the answer can send the request again, and it counts once. The
// discovery document says so in idempotency_key_supported. Package client does this by
// itself. Protocol section 5.0.9 has the details.
//
// # Refusals
//
// The restrictions of a token are a list of clauses with keys such as nbf. A use has to
// satisfy all keys of one clause. If it satisfies no clause, the JSON error has two
// members that extend the protocol. Public clients ignore them. The member restricted_by
// lists the keys that refused. The member mytoken_explanation gives the objections of
// each clause:
//
//	{"admitted": false, "earliest": 1898668800, "clauses": [{"clause": 0, "earliest": 1898668800,
//	  "objections": [{"key": "nbf", "needed": "a time from 2030-03-02T08:00:00Z", "earliest": 1898668800}]}]}
//
// An instant is a number of Unix seconds, "never", or "unknown" if the server cannot
// tell. If the earliest instant is known, the response has a Retry-After header.
// [Options.Explanations] decides how much of this a client learns. By default it learns
// only the keys.
//
// The tokeninfo action explain tells in advance whether a use would be refused. Its
// parameters are use ("AT" or "other"), scope, audience, resource and at (Unix seconds).
// It spends nothing. The token needs the capability tokeninfo:introspect, and AT too for
// a question about an access token.
//
// # Guessing codes
//
// A program polls with a polling code, a link has a consent code, and a transfer code
// hands a token to another device. All are too long to guess. [GuessLimits] keeps
// attackers who try from overloading the store. It never slows down a client that polls
// for an existing login.
//
// # Pages
//
// The pages are templates of html/template, embedded in the program. They load nothing
// from other hosts and work without scripts. The consent page also takes the requests
// that scripts of the protocol send.
//
// The consent page tells the user who asks for what, from where, how often and until
// when: first in short, then in full. A timeline draws several cases, and gaps. Package
// rest describes the usual scopes, and [issuer.Provider].Scopes describes others. The
// page warns of scopes that the provider does not list. The page shows what the service
// would issue, after its policy and the maximum lifetime, and marks what that changes.
// The user can take away rights, and the form never grants more than was requested. The
// browser in which the user agrees gets a cookie, and no other one can finish the login,
// whatever its token is for. After the login the address bar holds no code. A page says
// what was given to whom, or what failed and what did not happen, and can be loaded
// again.
//
// Below /manage a user who has logged in sees all tokens as a tree, with their rights,
// what is left of their limits, their tags and their history. The user can sort them by
// tags, revoke them one by one or by a tag, and create new ones. The login gives the
// browser a mytoken in a cookie that only these pages get. That mytoken can only list, tag
// and revoke tokens and read their history. Each new token needs a login of its own. A page
// shows it once, and the service does not keep it. A link can fill in the form for a new
// token (protocol section 5.23.1). The form shows all of it, or the link is refused.
//
// A consent page of your own can ask about a login and decide by script (protocol section
// 5.18.4), under the protections of the built-in page.
//
// # Replacing pages
//
// Files in [Options.Pages] replace built-in files of the same name. The built-in files
// are in internal/pages/html. base.html is the frame, parts.html has what several pages
// share, and the folder static has the style sheet, the scripts and the icon. The handler
// also serves any file that you add to static. Each page defines "title", "content" and
// optionally "head", and gets these fields besides Base, Home, Service, Embedded,
// Managing and Here:
//
//	message.html  Title Heading Text Quote Unchanged Advice Link LinkText Application Failed
//	              Request Continue
//	given.html    Application Token Summary Timeline Manageable
//	home.html     Providers Manageable
//	consent.html  Application Address Provider ProviderName Polled SSHKey OnDemand Action Expires Name
//	              Capabilities Tags Summary Changes Scopes Clauses RotationText Timeline Restrictions
//	              Rotation Editor Judged Problems Style Script
//	login.html    Providers Ended Lifetime Wanted
//	tokens.html   User Roots Count More Search Tags Tag Notice
//	token.html    Token Summary Scopes Parent Timeline Events Truncated Tags NewTag Problems
//	revoke.html   Token
//	revoketagged.html
//	              Tag Tokens Count Below Current
//	create.html   Name Providers Provider Capabilities Editor Transfer Filled Tags TagsBelow Judged Summary
//	              Changes Scopes Clauses RotationText Timeline Problems
//	created.html  Token Code CodeExpires QR ID Name User Capabilities Summary Changes Scopes Clauses
//	              RotationText Timeline
//
// The elements of lists, and the fields that are structs, have these fields:
//
//	Providers     Issuer Name Chosen
//	User          Subject ProviderName Until
//	Roots, Token, Tokens, Parent, Children
//	              ID Name Link RevokeLink Current Revoked Expired Session Provider Address Created
//	              Expires Used Tags Brief Capabilities Clauses RotationText Children Below
//	Tags, Tag     Name Color Children Checked Link RevokeLink; in token.html Tags are names
//	Events        Name Text Comment By Address UserAgent Time
//	Summary       Label Lines Warn
//	Capabilities  Name Title Description Sensitive Checked Refused; in create.html also Read Children Open
//	Scopes        Name Title Description Limit Sensitive Unknown
//	Clauses       Lines Left
//	Lines         Text Time Items More
//	Items         Before Text
//	Problems      Field Text
//
// A program shows consent.html in a window of its own if OnDemand is true. That window may
// not be able to load anything from here. So Style and Script hold style.css, page.js and
// ondemand.js, and the policy of the page admits exactly these texts.
//
// The template "time" of parts.html writes a time in UTC, and "clock" only its time of
// day. The script static/page.js adds the time where the browser is. The attribute
// data-local of its script element is what it calls that time.
//
// Editor is for the template "editor" of parts.html. Timeline and QR are SVG. Expires,
// Until and the like are times; a zero time means that there is none. The comments of
// internal/pages/data.go say more about each field.
package rest
