package rest

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
)

// Options configures a [Handler]. The zero value works; for each field zero means
// what is named.
type Options struct {
	// Logger gets one line for each request, and what went wrong. No secret is
	// logged, nor are paths and queries that hold codes. Nil: slog.Default().
	Logger *slog.Logger
	// Version is what the discovery document says about the software; empty:
	// the version of the reference server that clients know, with a suffix.
	Version string
	// Documentation is the URL of a page for users; empty: none.
	Documentation string

	// TrustedProxies are the addresses of reverse proxies whose header is
	// believed. Empty: none; the peer of the connection is the client.
	TrustedProxies []netip.Prefix
	// ProxyHeader is the header that these proxies set; empty:
	// XForwardedFor. The other one is not looked at, because such a proxy
	// passes it on as anybody wrote it.
	ProxyHeader ProxyHeader

	// Values are facts about a request for the embedding program's own restriction
	// conditions; see mytoken.Client. Nil: none.
	Values func(*http.Request) map[string]any

	// MaxBody bounds the body of a request, in bytes; 0: 1 MiB.
	MaxBody int64
	// BodyTimeout is how long the body of a request may take; 0: 10 s.
	BodyTimeout time.Duration
	// RequestTimeout is how long the answer to a request may take; 0: 19 s.
	// Public clients stop waiting after 20 s.
	RequestTimeout time.Duration
	// Guesses limits failed guesses of codes.
	Guesses GuessLimits

	// Templates are the operator's own profiles and templates (protocol section
	// 2.10), as JSON files <type>/<name>.json for the group "_" and
	// <group>/<type>/<name>.json for others; types are profiles, restrictions,
	// capabilities and rotation. A file replaces what is shipped under its name.
	// Nil: only what is shipped.
	Templates fs.FS
	// Location is that of local times in requests; nil: UTC.
	Location *time.Location

	// Pages replaces files of the built-in pages: base.html, the frame; parts.html,
	// what several pages show; one file for each page, see [ConsentPage],
	// [MessagePage], [HomePage], [LoginPage], [TokensPage], [TokenPage],
	// [RevokePage], [CreatePage] and [CreatedPage] for its name and what its
	// template gets; and everything below static/. Nil: none.
	Pages fs.FS

	// RedirectURIs are where a web login may send the browser with its cookie:
	// regular expressions that have to match the whole URI (protocol section
	// 6.2). Paths of this service, such as /home, are allowed without. Empty:
	// nothing but these.
	RedirectURIs []string
	// TrustedRedirectURIs are redirect URIs of pages that ask the user for
	// consent themselves: no consent page is shown for them. As with
	// RedirectURIs the whole URI has to match. Empty: none.
	TrustedRedirectURIs []string
	// CookieLifetime is how long the cookie of a web login is kept, and how long a
	// login to the management pages is good; 0: 7 days.
	CookieLifetime time.Duration

	// NoManagement leaves out the pages below /manage, on which users log in to
	// see, revoke and create their tokens. Zero: they are served.
	NoManagement bool

	// TokeninfoActions are the actions of the tokeninfo endpoint that are
	// served: introspect, event_history, subtokens, list_mytokens, and explain,
	// which is not in the protocol. Nil: all. Empty and not nil: none.
	TokeninfoActions []string
	// Explanations is how much a refusal by the restrictions of a token tells
	// its holder: ExplainKeys, ExplainClauses or ExplainEverything. Zero:
	// ExplainKeys. With the others, a refusal says when to come back.
	Explanations ExplanationLevel
	// Clients may use the standard introspection endpoint. Empty: nobody may,
	// and it is not advertised.
	Clients []Client
	// GrantSettings keeps which grant types users enabled (protocol section
	// 5.10). Nil: nothing can be changed.
	GrantSettings GrantSettings
	// Guest serves a provider for guests below /api/v0/guests/, see package
	// guest. Nil: none.
	Guest http.Handler
}

// Client is a service that authenticates itself to ask about tokens of others.
type Client struct {
	ID string
	// Secret needs at least 16 characters.
	Secret mytoken.Secret
}

// defaultVersion is that of the reference server whose clients are served.
const defaultVersion = "0.10.2+go-sdk"

var allActions = []string{wire.ActionIntrospect, wire.ActionHistory, wire.ActionSubtokens, wire.ActionList, wire.ActionExplain}

// ErrOptions reports options that make no sense.
var ErrOptions = errors.New("rest: invalid options")

func badOption(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrOptions, fmt.Sprintf(format, args...))
}

// complete checks the options and fills in what is zero.
func (o *Options) complete() error {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.ProxyHeader == "" {
		o.ProxyHeader = XForwardedFor
	}
	if o.Version == "" {
		o.Version = defaultVersion
	}
	if o.Location == nil {
		o.Location = time.UTC
	}
	if o.TokeninfoActions == nil {
		o.TokeninfoActions = allActions
	}
	setDefault(&o.MaxBody, 1<<20)
	setDefault(&o.BodyTimeout, 10*time.Second)
	setDefault(&o.RequestTimeout, 19*time.Second)
	setDefault(&o.CookieLifetime, 7*24*time.Hour)
	switch {
	case o.Explanations > ExplainEverything:
		return badOption("Explanations %d is no level", o.Explanations)
	case o.ProxyHeader != XForwardedFor && o.ProxyHeader != Forwarded:
		return badOption("ProxyHeader %q is not a header with addresses that is understood", o.ProxyHeader)
	case o.MaxBody < 0 || o.BodyTimeout < 0 || o.RequestTimeout < 0 || o.CookieLifetime < time.Second:
		return badOption("a limit or time is negative")
	}
	for _, p := range o.TrustedProxies {
		if !p.IsValid() {
			return badOption("TrustedProxies has an invalid prefix")
		}
	}
	for _, a := range o.TokeninfoActions {
		if !slices.Contains(allActions, a) {
			return badOption("TokeninfoActions: %q is not an action that is served", a)
		}
	}
	for _, c := range o.Clients {
		if c.ID == "" || strings.Contains(c.ID, ":") || len(c.Secret.Reveal()) < 16 {
			return badOption("Clients: an ID without colon and a secret of 16 characters are needed")
		}
	}
	return o.Guesses.complete()
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// redirects compiles expressions so that they match whole strings (D69).
func redirects(option string, expressions []string) ([]*regexp.Regexp, error) {
	var out []*regexp.Regexp
	for _, e := range expressions {
		if e == "" {
			return nil, badOption("%s: an empty expression", option)
		}
		re, err := regexp.Compile(`\A(?:` + e + `)\z`)
		if err != nil {
			return nil, badOption("%s: %v", option, err)
		}
		out = append(out, re)
	}
	return out, nil
}

// parseIssuer reads the issuer URL: its path is the prefix of all paths.
func parseIssuer(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || !u.IsAbs() || u.Host == "" || u.RawPath != "" || strings.Contains(u.Path, "{") {
		return nil, badOption("the issuer URL %q cannot be served", text)
	}
	return u, nil
}
