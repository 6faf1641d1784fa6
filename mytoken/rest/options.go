package rest

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mytoken-go/sdk/internal/clip"
	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/profile"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
)

// Options configures a [Handler]. The zero value works. Each field says what its zero
// value means.
type Options struct {
	// Logger gets a line for each request, with its error if there is one. Requests that
	// worked, and polls for a login, are of the level Debug. Refused requests are of the
	// level Info. A failure of a provider is of the level Warn, once in a minute for each
	// cause. A failure of the service is of the level Error. The lines never hold a
	// secret, a path or a query, but the pattern of the route. Nil means slog.Default().
	Logger *slog.Logger
	// Name is the name of the service, which the pages show in their titles, at the top
	// and at the bottom: at most 100 legible characters. Empty means mytoken.
	Name string
	// Version is the version in the discovery document. Empty means the version of the
	// reference server whose clients are served, with a suffix for this package.
	Version string
	// Documentation is the URL of a page for users. Empty means none.
	Documentation string

	// TrustedProxies are the networks of the reverse proxies whose ProxyHeader the
	// handler believes. Empty means none: the peer of the connection is the client. Name
	// the proxies alone: a trusted proxy is never taken for a client.
	//
	// A client has no known address if a trusted proxy sends no usable header, if the
	// header names trusted proxies alone, or if the connection comes through a Unix
	// socket that TrustUnixPeers does not cover. Such a client satisfies no restriction to
	// hosts or countries, and all of them share one budget of each limit. Logger gets a
	// warning once a minute that says why.
	TrustedProxies []netip.Prefix
	// TrustUnixPeers says that a reverse proxy, and nobody else, connects through Unix
	// sockets. The handler then believes the ProxyHeader of these peers, as it does for
	// TrustedProxies. Let only the proxy write to the socket. False: the peer of a Unix
	// socket has no address, and neither have the clients behind it.
	TrustUnixPeers bool
	// ProxyHeader is the header that these proxies set. Empty means [XForwardedFor]. The
	// handler ignores the other header: such a proxy passes it on as the client wrote it.
	ProxyHeader ProxyHeader

	// Values returns facts about a request for the embedding program's own restriction
	// conditions; see issuer.Client. It must be safe for concurrent use. Nil means none.
	Values func(*http.Request) map[string]any

	// MaxBody bounds a body, in bytes. A larger one gets status 413. 0 means 1 MiB.
	MaxBody int64
	// BodyTimeout is how long the body of a request may take to arrive. A slower one gets
	// status 408. 0 means 10 s.
	BodyTimeout time.Duration
	// RequestTimeout is how long a request may take. A slower one gets status 503. 0
	// means 19 s, because public clients wait 20 s.
	RequestTimeout time.Duration
	// Guesses limits failed guesses of codes.
	Guesses GuessLimits
	// Logins limits how often logins are started.
	Logins LoginLimits

	// Templates are the operator's own profiles and templates (protocol section 2.10):
	// JSON files <type>/<name>.json for the group "_", and <group>/<type>/<name>.json for
	// others. The types are profiles, restrictions, capabilities and rotation. A file
	// replaces the built-in one of the same name. NewHandler refuses a file with another
	// path, but ignores names that begin with a dot. Nil means only the built-in ones.
	//
	// The handler reads the files once. A source that is also [WritableTemplates] it reads
	// again when it uses what it read more than a second ago, so that several processes
	// can share the source. If the files cannot be used any more, the last good ones stay
	// in use, and Logger gets one line of the level Error.
	Templates fs.FS
	// TemplateEditors may change templates over HTTP (protocol section 5.14). The ID is
	// the group that a client may change, and the secret is its password, which has to be
	// drawn at random. Templates must be WritableTemplates. A change is stored only if
	// NewHandler would accept the files after it. Empty means that nobody can change them:
	// such requests answer 501.
	TemplateEditors []Client
	// Location is the time zone of times in requests that state none. Nil means UTC.
	Location *time.Location

	// Pages replaces files of the built-in pages; see "Replacing pages" in the package
	// comment. NewHandler refuses a file that no page uses, but ignores names that begin
	// with a dot. Nil means none.
	Pages fs.FS

	// RedirectURIs are regular expressions. Each URI to which a web login sends the
	// browser at its end has to match one of them as a whole. The browser gets a cookie
	// with the token (protocol section 6.2). Paths of this service, such as /home, are
	// always allowed. Empty means only these.
	RedirectURIs []string
	// TrustedRedirectURIs are redirect URIs of pages that ask the user for consent
	// themselves. A login that ends there has no consent page. They match like
	// RedirectURIs. Empty means none.
	TrustedRedirectURIs []string
	// ConsentMayWiden lets a decision that is sent as JSON grant more capabilities and
	// wider restrictions than the login asked for, as the reference server does. Set it
	// only for consent pages of your own that offer more. The form of the built-in page
	// narrows in either case. False: a decision only narrows.
	ConsentMayWiden bool
	// CookieLifetime is the lifetime of the cookie of a web login, and of a session of
	// the management pages. It is at least 1 s. 0 means 7 days.
	CookieLifetime time.Duration

	// SkipRedirectCheck accepts providers whose RedirectURL is not one of this handler, or is
	// missing. Set it if the embedding server takes users back from a provider itself, with
	// issuer.FinishLogin, or if nobody logs in. A login that this handler starts cannot end
	// then, because the browser that agreed does not come back to it. False: NewHandler
	// refuses such a provider.
	SkipRedirectCheck bool

	// NoManagement leaves out the pages below /manage, on which users log in to see,
	// revoke and create their tokens.
	NoManagement bool

	// NoHSTS leaves out the header Strict-Transport-Security (RFC 6797). If the issuer URL
	// is https, every response has it, for a year, unless the embedding server has set it.
	// Browsers then use https for all ports of the host. Set NoHSTS if another port serves
	// plain HTTP.
	NoHSTS bool

	// TokeninfoActions are the actions that the tokeninfo endpoint serves: introspect,
	// event_history, subtokens, list_mytokens, and explain, which extends the protocol.
	// Nil means all. An empty list that is not nil means none.
	TokeninfoActions []string
	// Explanations is how much a refusal by the restrictions of a token tells its holder.
	// Zero means [ExplainKeys]. With other levels a refusal says when to come back.
	Explanations ExplanationLevel
	// Clients may use the standard introspection endpoint. Empty means no endpoint.
	Clients []Client
	// SSH is the SSH server whose clients the handler serves with [Handler.Command], such as
	// one of package sshd. Users then register SSH keys (protocol section 5.11), and
	// discovery lists the host keys. Nil means none: the paths answer 501.
	SSH SSHServer
	// Guest serves an OpenID provider for guests below /api/v0/guests/; see package
	// oidcupstream/guest. Nil means none.
	Guest http.Handler
}

// Client may introspect tokens, and then authenticates as in RFC 6749 section 2.3.1, or
// change templates, and then authenticates as in RFC 7617.
type Client struct {
	ID string // without colon, and of this client alone
	// Secret is at least 16 bytes long.
	Secret mytoken.Secret
	// SecretSum is the SHA-256 sum of the secret, for a program that does not keep the
	// secret itself. Set it or Secret. The secret has to be drawn at random, 128 bits at
	// least: nobody can find it from the sum then.
	SecretSum [sha256.Size]byte
}

// sum returns the SHA-256 sum of the secret, or zero if there is no usable one.
func (c *Client) sum() [sha256.Size]byte {
	secret := c.Secret.Reveal()
	switch {
	case secret == "":
		return c.SecretSum
	case len(secret) < 16 || c.SecretSum != [sha256.Size]byte{}:
		return [sha256.Size]byte{}
	}
	return sha256.Sum256([]byte(secret))
}

// defaultVersion is the version of the reference server whose clients are served.
const defaultVersion = "0.10.2+go-sdk"

var allActions = []string{wire.ActionIntrospect, wire.ActionHistory, wire.ActionSubtokens, wire.ActionList, wire.ActionExplain}

// ErrOptions reports options that make no sense. The error names the field.
var ErrOptions = errors.New("rest: invalid options")

func badOption(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrOptions, fmt.Sprintf(format, args...))
}

// refuse names the option that an error is about.
func refuse(option string, err error) error {
	if err == nil {
		return nil
	}
	return badOption("%s: %v", option, err)
}

// complete checks the options and fills in defaults.
func (o *Options) complete() error {
	o.Logger = cmp.Or(o.Logger, slog.Default())
	o.ProxyHeader = cmp.Or(o.ProxyHeader, XForwardedFor)
	o.Version, o.Name = cmp.Or(o.Version, defaultVersion), cmp.Or(strings.TrimSpace(o.Name), "mytoken")
	o.Location = cmp.Or(o.Location, time.UTC)
	if o.TokeninfoActions == nil {
		o.TokeninfoActions = allActions
	}
	o.MaxBody = cmp.Or(o.MaxBody, 1<<20)
	o.BodyTimeout = cmp.Or(o.BodyTimeout, 10*time.Second)
	o.RequestTimeout = cmp.Or(o.RequestTimeout, 19*time.Second)
	o.CookieLifetime = cmp.Or(o.CookieLifetime, 7*24*time.Hour)
	switch {
	case utf8.RuneCountInString(o.Name) > mytoken.MaxNameLength:
		return badOption("Name %q is longer than %d characters", clip.Name(o.Name), mytoken.MaxNameLength)
	case legible.Refuse(o.Name) != "":
		return badOption("Name %q cannot be shown: %s", o.Name, legible.Refuse(o.Name))
	case o.Explanations > ExplainEverything:
		return badOption("Explanations %d is no level", o.Explanations)
	case o.ProxyHeader != XForwardedFor && o.ProxyHeader != Forwarded:
		return badOption("ProxyHeader %q is unknown; use XForwardedFor or Forwarded", o.ProxyHeader)
	case o.MaxBody < 0 || o.BodyTimeout < 0 || o.RequestTimeout < 0:
		return badOption("MaxBody, BodyTimeout or RequestTimeout is negative")
	case o.CookieLifetime < time.Second:
		return badOption("CookieLifetime %v is less than a second", o.CookieLifetime)
	}
	for _, p := range o.TrustedProxies {
		if !p.IsValid() {
			return badOption("TrustedProxies has an invalid prefix")
		}
		if p.Addr().Is4In6() { // addresses are compared as IPv4, so it would match none
			return badOption("TrustedProxies: write %s as a network of IPv4", p)
		}
	}
	for _, a := range o.TokeninfoActions {
		if !slices.Contains(allActions, a) {
			return badOption("TokeninfoActions: %q is none of %q", a, allActions)
		}
	}
	return cmp.Or(checkClients("Clients", o.Clients), o.checkEditors(), o.Guesses.complete(), o.Logins.complete())
}

// checkClients checks an option that lists clients. Its errors show no ID, which may be a
// pasted secret.
func checkClients(option string, clients []Client) error {
	ids := make(map[string]bool)
	for n, c := range clients {
		if c.ID == "" || strings.Contains(c.ID, ":") || c.sum() == [sha256.Size]byte{} {
			return badOption("%s: client %d needs an ID without colon, and either a secret of at least 16 characters or the sum of one", option, n)
		}
		if ids[c.ID] {
			return badOption("%s: client %d has the ID of an earlier one", option, n)
		}
		ids[c.ID] = true
	}
	return nil
}

func (o *Options) checkEditors() error {
	if _, writable := o.Templates.(WritableTemplates); len(o.TemplateEditors) > 0 && !writable {
		return badOption("TemplateEditors: Templates cannot be written to; use TemplateDir, for example")
	}
	for n, c := range o.TemplateEditors {
		if profile.CheckName(c.ID) != nil {
			return badOption("TemplateEditors: the ID of client %d cannot be the name of a group", n)
		}
	}
	return checkClients("TemplateEditors", o.TemplateEditors)
}

// redirects compiles regular expressions so that each matches only whole strings (D69).
func redirects(option string, expressions []string) ([]*regexp.Regexp, error) {
	var out []*regexp.Regexp
	for _, e := range expressions {
		if e == "" {
			return nil, badOption("%s has an empty expression", option)
		}
		re, err := regexp.Compile(`\A(?:` + e + `)\z`)
		if err != nil {
			return nil, badOption("%s: %v", option, err)
		}
		out = append(out, re)
	}
	return out, nil
}
