package rest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"
	"sync/atomic"

	"github.com/mytoken-go/sdk/internal/weburl"
	"github.com/mytoken-go/sdk/mytoken/internal/budget"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/rest/internal/pages"
)

// Handler is the HTTP interface of an issuer. It is safe for concurrent use, and starts
// no goroutine that outlives a request.
type Handler struct {
	issuer *issuer.Issuer
	opts   Options

	base   string // issuer URL without a slash at the end
	prefix string // its path
	origin string // its scheme and host
	secure bool   // it is https

	mux       *http.ServeMux
	guard     *guessGuard
	logins    *budget.Budgets
	unknown   unknownClients
	warnings  warnings
	templates templates
	pages     *pages.Pages
	metadata  atomic.Pointer[metadata]
	csrf      *http.CrossOriginProtection
	redirects []*regexp.Regexp
	trusted   []*regexp.Regexp
	clients   map[string][sha256.Size]byte
	editors   map[string][sha256.Size]byte // of templates, by group
}

// String returns the issuer URL.
func (h *Handler) String() string { return "rest.Handler(" + h.base + ")" }

// Format writes the text of String, for every verb. Without it, fmt would read fields
// that concurrent requests change.
func (h *Handler) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, h.String()) }

// NewHandler returns the HTTP interface of an issuer. It returns [ErrOptions], or an
// error that names a template or page that it cannot use. It calls neither the store nor
// a provider. It refuses a provider whose RedirectURL does not lead here.
func NewHandler(iss *issuer.Issuer, opts Options) (*Handler, error) {
	if iss == nil {
		return nil, badOption("the issuer is missing")
	}
	if err := opts.complete(); err != nil {
		return nil, err
	}
	u, err := parseIssuer(iss.URL())
	if err != nil {
		return nil, err
	}
	h := &Handler{
		issuer: iss, opts: opts,
		base: strings.TrimSuffix(iss.URL(), "/"), prefix: strings.TrimSuffix(u.Path, "/"),
		origin: weburl.Origin(u), secure: u.Scheme == "https",
		mux: http.NewServeMux(), guard: newGuessGuard(opts.Guesses, iss.Now), logins: budget.New(budget.Rates(opts.Logins)), csrf: http.NewCrossOriginProtection(),
		clients: sums(opts.Clients), editors: sums(opts.TemplateEditors),
	}
	if err := h.csrf.AddTrustedOrigin(h.origin); err != nil {
		return nil, badOption("the issuer URL %q is no origin: %v", iss.URL(), err)
	}
	if h.redirects, err = redirects("RedirectURIs", opts.RedirectURIs); err != nil {
		return nil, err
	}
	if h.trusted, err = redirects("TrustedRedirectURIs", opts.TrustedRedirectURIs); err != nil {
		return nil, err
	}
	h.templates.source, h.templates.check, h.templates.now, h.templates.logger = opts.Templates, h.checkTemplate, iss.Now, h.opts.Logger
	if err := h.templates.load(); err != nil {
		return nil, err
	}
	if h.pages, err = pages.New(pages.Config{
		Issuer: iss, Base: h.base, Home: h.prefix + pathHome, Name: opts.Name, Managed: !opts.NoManagement, SSH: opts.SSH != nil,
		Files: opts.Pages, Logger: h.opts.Logger,
	}); err != nil {
		return nil, err
	}
	h.mount()
	if !opts.SkipRedirectCheck {
		for _, p := range iss.Providers() {
			if err := h.checkRedirectURL(p); err != nil {
				return nil, err
			}
		}
	}
	return h, nil
}

// checkRedirectURL returns an error if a user who comes back from a provider would not
// reach this handler, or not with the cookie of the login.
func (h *Handler) checkRedirectURL(provider issuer.Provider) error {
	p := provider.Upstream
	advice := fmt.Sprintf("set it to %s%s/%s, and register exactly that at the provider", h.base, pathRedirect, p.ShortName())
	text := p.RedirectURL()
	if text == "" {
		return badOption("the provider %s has no RedirectURL, so nobody could log in: %s; or set SkipRedirectCheck, if nobody has to", p.Issuer(), advice)
	}
	u, err := url.Parse(text)
	if err != nil || weburl.Origin(u) != h.origin {
		return badOption("the RedirectURL %s of the provider %s is not on %s, where this handler is: %s", text, p.Issuer(), h.origin, advice)
	}
	_, pattern := h.mux.Handler(&http.Request{Method: http.MethodGet, Host: u.Host, URL: u})
	if !cleanPath(u.Path) || pattern != h.prefix+pathRedirect && pattern != h.prefix+pathRedirect+"/{provider}" {
		return badOption("the RedirectURL %s of the provider %s has a path at which this handler takes nobody back: %s", text, p.Issuer(), advice)
	}
	return nil
}

// parseIssuer reads the issuer URL. Its path is the prefix of all paths.
func parseIssuer(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || !u.IsAbs() || u.Host == "" || u.EscapedPath() != u.Path || strings.Contains(u.Path, "{") {
		return nil, badOption("the issuer URL %q cannot be served; it needs a host, and a path without escapes and braces", text)
	}
	return u, nil
}

// MetadataPath returns the path of the metadata of the OAuth endpoints: the well-known
// path, then the path of the issuer URL (RFC 8414 section 3).
func (h *Handler) MetadataPath() string { return pathAuthorizationServer + h.prefix }

func (h *Handler) mount() {
	for _, rt := range h.routes() {
		h.mux.Handle(h.prefix+rt.path, h.entry(rt))
	}
	if h.prefix != "" {
		rt := &route{path: pathAuthorizationServer, kind: document, methods: methods{http.MethodGet: authorizationServer}}
		h.mux.Handle(h.MetadataPath(), h.entry(rt))
	}
	h.mux.Handle("/", h.entry(&route{path: "/", kind: page}))
	h.mux.Handle(h.prefix+"/api/", h.entry(&route{path: "/api/", kind: api}))
}

func (h *Handler) entry(rt *route) http.Handler {
	if rt.raw != nil {
		return h.logRaw(rt, rt.raw)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.run(w, r, rt, rt.choose(r.Method))
	})
}

// strictTransport is for this host alone: it may not own the hosts below it.
const strictTransport = "max-age=31536000"

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if header := w.Header(); h.secure && !h.opts.NoHSTS && header.Get("Strict-Transport-Security") == "" {
		header.Set("Strict-Transport-Security", strictTransport)
	}
	// http.ServeMux would answer a path that is not clean with a redirect and a page.
	// Clients of an API expect neither.
	if p := r.URL.Path; p != "*" && !cleanPath(p) {
		h.run(w, r, &route{path: "unclean", kind: api}, notFound)
		return
	}
	h.mux.ServeHTTP(w, r)
}

func cleanPath(p string) bool {
	if p == "" || p[0] != '/' {
		return false
	}
	return path.Clean(p) == strings.TrimSuffix(p, "/") || p == "/"
}

// newRequestID returns a new id for a request. The log and the response show it.
func newRequestID() string {
	var id [12]byte
	rand.Read(id[:])
	return hex.EncodeToString(id[:])
}
