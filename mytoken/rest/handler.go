package rest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"
	"sync/atomic"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/rest/internal/profile"
	"github.com/mytoken-go/sdk/restriction"
)

// Handler is the HTTP interface of an issuer. It is safe for concurrent use and
// starts no goroutine that outlives a request.
type Handler struct {
	issuer *issuer.Issuer
	opts   Options

	base   string // issuer URL without a slash at the end
	prefix string // its path
	origin string // its scheme and host
	secure bool   // it is https

	mux       *http.ServeMux
	guard     *guessGuard
	templates *profile.Set
	pages     *pages
	metadata  atomic.Pointer[metadata]
	csrf      *http.CrossOriginProtection
	redirects []*regexp.Regexp
	trusted   []*regexp.Regexp
	clients   map[string][sha256.Size]byte
}

// NewHandler returns the HTTP interface of an issuer. It reaches neither the
// store nor a provider. Errors: ErrOptions, and what is wrong with a template or
// page.
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
		origin: u.Scheme + "://" + u.Host, secure: u.Scheme == "https",
		mux: http.NewServeMux(), guard: newGuessGuard(opts.Guesses, iss.Now), csrf: http.NewCrossOriginProtection(),
		clients: make(map[string][sha256.Size]byte),
	}
	for _, c := range opts.Clients {
		h.clients[c.ID] = sha256.Sum256([]byte(c.Secret.Reveal()))
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
	if h.templates, err = profile.Load(opts.Templates, h.checkTemplate); err != nil {
		return nil, err
	}
	if h.pages, err = loadPages(opts.Pages); err != nil {
		return nil, err
	}
	h.mount(u)
	return h, nil
}

// checkTemplate refuses templates that no request could use.
func (h *Handler) checkTemplate(t profile.Type, payload []byte) error {
	switch t {
	case profile.Capabilities:
		set, err := capability.Parse(payload)
		if unknown := set.Unknown(); err == nil && len(unknown) > 0 {
			return badOption("unknown capability %q", string(unknown[0]))
		}
		return err
	case profile.Rotation:
		return new(mytoken.Rotation).UnmarshalJSON(payload)
	}
	list, err := restriction.ParseRequest(payload, restriction.RequestOptions{
		Now: h.issuer.Now(), Address: exampleAddress, Location: h.opts.Location,
	})
	var clause *restriction.ClauseError
	if errors.As(err, &clause) && endsInPast(clause) {
		err = nil
	}
	if err != nil {
		return err
	}
	// A key of the protocol that this issuer does not support is refused in
	// requests; shipped templates use some.
	for i := range list {
		for _, extra := range list[i].Extra {
			if !contains(h.issuer.RestrictionKeys(), extra.Key) {
				return badOption("unknown restriction key %q", extra.Key)
			}
		}
	}
	return nil
}

// MetadataPath is where RFC 8414 section 3 wants the metadata of the standard
// endpoints: the path of the issuer URL stands behind the well-known one.
func (h *Handler) MetadataPath() string { return pathAuthorizationServer + h.prefix }

// mount registers all routes.
func (h *Handler) mount(iss *url.URL) {
	for _, rt := range h.routes() {
		h.mux.Handle(h.prefix+rt.path, h.entry(rt))
	}
	if h.prefix != "" {
		rt := &route{path: pathAuthorizationServer, kind: document, methods: methods{http.MethodGet: authorizationServer}}
		h.mux.Handle(h.MetadataPath(), h.entry(rt))
	}
	other := &route{path: "/", kind: page}
	h.mux.Handle("/", h.entry(other))
	h.mux.Handle(h.prefix+"/api/", h.entry(&route{path: "/api/", kind: api}))
}

// entry makes an http.Handler of a route.
func (h *Handler) entry(rt *route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if rt.raw != nil {
			rt.raw.ServeHTTP(w, r)
			return
		}
		h.run(w, r, rt, rt.choose(r.Method))
	})
}

// ServeHTTP answers a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// http.ServeMux answers a path that is not clean with a redirect and a page;
	// clients of an API want neither, and no client sends one.
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

// newRequestID names a request in the log and to the client.
func newRequestID() string {
	var id [12]byte
	rand.Read(id[:])
	return hex.EncodeToString(id[:])
}
