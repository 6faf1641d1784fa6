package rest

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
)

// kind is the kind of a route. It decides the headers of answers and the form of errors.
type kind uint8

const (
	api      kind = iota // JSON, also for scripts of other origins
	document             // the same for everybody
	page                 // for browsers
	standard             // an OAuth endpoint
	own                  // JSON, for scripts of the service's own pages alone
)

type methods map[string]handle

// route is a path below the issuer URL, as a pattern of http.ServeMux.
type route struct {
	path       string
	kind       kind
	methods    methods
	raw        http.Handler // instead of methods
	jsonErrors bool         // errors are JSON although the answer is a page
	maxBody    int64        // bytes, if less than Options.MaxBody; 0: that
}

const (
	pathAuthorizationServer = "/.well-known/oauth-authorization-server"
	pathJWKS                = "/jwks"
	pathTokenMy             = "/api/v0/token/my"
	pathTokenAccess         = "/api/v0/token/access"
	pathTokenTransfer       = "/api/v0/token/transfer"
	pathTokenRevoke         = "/api/v0/token/revoke"
	pathTokeninfo           = "/api/v0/tokeninfo"
	pathSettings            = "/api/v0/settings"
	pathSettingsGrants      = "/api/v0/settings/grants"
	pathSettingsEmail       = "/api/v0/settings/email"
	pathNotifications       = "/api/v0/notifications"
	pathCapabilities        = "/api/v0/capabilities"
	pathConsentAPI          = "/api/v0/consent"
	pathSettingsTags        = "/api/v0/settings/tags"
	pathTokenTags           = "/api/v0/token/my/tags"
	pathSettingsSSH         = "/api/v0/settings/grants/ssh"
	pathProfiles            = "/api/v0/pt"
	pathGuests              = "/api/v0/guests"
	pathOAuthToken          = "/oauth/token"
	pathOAuthIntrospect     = "/oauth/introspect"
	pathOAuthRevoke         = "/oauth/revoke"
	pathRedirect            = "/redirect"
	pathLogin               = "/login/"
	pathNative              = "/native"
	pathNativeAbort         = "/native/abort"
	pathHome                = "/home"
	pathManage              = "/manage"
	pathManageLogin         = "/manage/login"
	pathManageLogout        = "/manage/logout"
	pathManageToken         = "/manage/token"
	pathManageRevoke        = "/manage/revoke"
	pathManageTag           = "/manage/tag"
	pathManageRevokeTagged  = "/manage/revoke-tagged"
	pathManageCreate        = "/manage/create"
	pathStatic              = "/static/"
)

// notBuilt are the paths of the protocol that answer 501, and what is missing there. The
// settings and discovery documents name some of them, because public clients crash if they
// do not find the endpoint that a command needs (protocol section 13).
var notBuilt = []struct{ path, what string }{
	{"/.well-known/openid-federation", "federation"},
	{pathSettingsEmail, notBuiltMail},
	{pathSettingsEmail + "/{rest...}", notBuiltMail},
	{pathNotifications, notBuiltNotifications},
	{pathNotifications + "/{rest...}", notBuiltNotifications},
	{pathNotifications + "/calendars", notBuiltCalendars},
	{pathNotifications + "/calendars/{rest...}", notBuiltCalendars},
	{"/calendars/{rest...}", notBuiltCalendars},
	{"/actions", "the service for links in mails"},
}

// The errors of [notBuilt] use these names for what is missing.
const (
	notBuiltMail          = "mail"
	notBuiltNotifications = "the service for notifications"
	notBuiltCalendars     = "the service for calendars"
)

// routes lists everything that the handler serves.
func (h *Handler) routes() []*route {
	get := func(fn handle) methods { return methods{http.MethodGet: fn} }
	post := func(fn handle) methods { return methods{http.MethodPost: fn} }
	list := []*route{
		{path: wire.PathMytokenConfiguration, kind: document, methods: get(configuration)},
		{path: wire.PathOpenIDConfiguration, kind: document, methods: get(configuration)},
		{path: pathAuthorizationServer, kind: document, methods: get(authorizationServer)},
		{path: pathJWKS, kind: document, methods: get(jwks)},
		{path: pathCapabilities, kind: document, methods: get(capabilities)},

		{path: pathTokenMy, methods: post(serveExpanded(expandTokenRequest, tokenMy))},
		{path: pathTokenAccess, methods: post(serve(tokenAccess))},
		{path: pathTokenTransfer, methods: post(serve(tokenTransfer))},
		{path: pathTokenRevoke, methods: post(serve(tokenRevoke))},
		{path: pathTokeninfo, methods: post(serve(tokeninfo))},
		{path: pathSettings, methods: get(settings)},
		{path: pathSettingsGrants, methods: methods{
			http.MethodGet: serve(grantsList), http.MethodPost: serve(grantsEnable), http.MethodDelete: serve(grantsDisable),
		}},
		{path: pathSettingsSSH, methods: h.sshMethods()},
		{path: pathSettingsTags, methods: get(serve(tagsList))},
		{path: pathSettingsTags + "/{tag}", methods: methods{
			http.MethodPost: serve(tagCreate), http.MethodPut: serve(tagUpdate), http.MethodDelete: serve(tagDelete),
		}},
		{path: pathTokenTags, methods: methods{http.MethodPost: serve(tokenTag), http.MethodDelete: serve(tokenUntag)}},

		{path: pathConsentAPI + "/{code}", kind: own, methods: methods{http.MethodGet: consentDocument, http.MethodPost: consentByScript}},

		{path: pathOAuthToken, kind: standard, methods: post(serveExpanded(expandProfiles, oauthToken))},
		{path: pathOAuthRevoke, kind: standard, methods: post(serve(oauthRevoke))},

		{path: wire.PathConsent, kind: page, jsonErrors: true, methods: methods{
			http.MethodGet: consentWithoutCode, http.MethodPost: serveExpanded(expandProfiles, consentOnDemand),
		}},
		{path: wire.PathConsent + "/{code}", kind: page, methods: methods{http.MethodGet: consentPage, http.MethodPost: consentDecision}},
		{path: wire.PathConsent + "/{$}", kind: page, methods: get(consentWithoutCode)},
		{path: pathRedirect, kind: page, methods: get(redirect)},
		{path: pathRedirect + "/{provider}", kind: page, methods: get(redirect)},
		{path: pathLogin + "{login}", kind: page, methods: get(landing)},
		{path: pathNative, kind: page, methods: get(nativePage)},
		{path: pathNativeAbort, kind: page, methods: get(nativeAbortPage)},
		{path: pathHome, kind: page, methods: get(homePage)},
		{path: "/{$}", kind: page, methods: get(homePage)},
		{path: pathStatic + "{file...}", kind: document, methods: get(staticFile)},
	}
	list = append(list, h.templateRoutes()...)
	if !h.opts.NoManagement {
		list = append(list,
			&route{path: pathManage, kind: page, methods: get(managed(managePage))},
			&route{path: pathManageLogin, kind: page, maxBody: h.maxLoginBody(), methods: methods{http.MethodGet: manageLoggedIn, http.MethodPost: manageLogin}},
			&route{path: pathManageLogout, kind: page, methods: post(manageLogout)},
			&route{path: pathManageToken, kind: page, methods: get(managed(manageToken))},
			&route{path: pathManageRevoke, kind: page, methods: methods{http.MethodGet: managed(manageAsk), http.MethodPost: managed(manageRevoke)}},
			&route{path: pathManageTag, kind: page, methods: post(managed(manageTag))},
			&route{path: pathManageRevokeTagged, kind: page, methods: methods{http.MethodGet: managed(manageAskTagged), http.MethodPost: managed(manageRevokeTagged)}},
			&route{path: pathManageCreate, kind: page, methods: methods{http.MethodGet: checkedLink(managed(manageCreatePage)), http.MethodPost: managed(manageCreate)}},
		)
	}
	if len(h.clients) > 0 {
		list = append(list, &route{path: pathOAuthIntrospect, kind: standard, methods: post(serve(oauthIntrospect))})
	}
	if h.opts.Guest != nil {
		list = append(list, &route{path: pathGuests + "/", raw: http.StripPrefix(h.prefix+pathGuests, h.opts.Guest)})
	}
	for _, n := range notBuilt {
		list = append(list, &route{path: n.path, methods: allMissing(n.what)})
	}
	return list
}

// allMissing answers 501 to every method.
func allMissing(what string) methods {
	all := make(methods)
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		all[method] = missing(what)
	}
	return all
}

// missing answers 501 with a sentence. Public clients show it to their users.
func missing(what string) handle {
	return func(*call) (*answer, error) { return nil, notServed(what) }
}

func notServed(what string) error {
	return &told{errNotBuilt, what + " is not available on this server"}
}

// choose returns the handle for a method.
func (rt *route) choose(method string) handle {
	if fn, ok := rt.methods[method]; ok {
		return fn
	}
	switch {
	case len(rt.methods) == 0:
		return notFound
	case method == http.MethodHead && rt.methods[http.MethodGet] != nil:
		return rt.methods[http.MethodGet] // net/http leaves out the body
	case method == http.MethodOptions:
		return rt.options
	}
	return rt.wrongMethod
}

func (rt *route) allow() string {
	names := append(slices.Sorted(maps.Keys(rt.methods)), http.MethodOptions)
	return strings.Join(names, ", ")
}

// options answers OPTIONS. A browser sends it before a request by a script of another
// origin (CORS).
func (rt *route) options(*call) (*answer, error) {
	a := empty(http.StatusNoContent)
	a.header = http.Header{"Allow": {rt.allow()}}
	if rt.kind == api || rt.kind == document {
		a.header.Set("Access-Control-Allow-Methods", rt.allow())
		a.header.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, "+wire.HeaderIdempotencyKey)
		a.header.Set("Access-Control-Max-Age", "600")
	}
	return a, nil
}

func (rt *route) wrongMethod(c *call) (*answer, error) {
	a := &answer{
		status: http.StatusMethodNotAllowed, header: http.Header{"Allow": {rt.allow()}},
		body: wire.Error{Code: http.StatusText(http.StatusMethodNotAllowed), Description: legible.Show(c.r.Method + " " + c.r.URL.Path)},
	}
	return a, nil
}

// notFound names the path in its error, as the reference server does.
func notFound(c *call) (*answer, error) {
	if c.route.kind == page && c.wantsPage() {
		return nil, errNotFound
	}
	return &answer{status: http.StatusNotFound, body: wire.Error{Code: wire.ErrorNotFound, Description: legible.Show(c.r.URL.Path)}}, nil
}

// routeHeaders sets the headers that depend on the kind of the route (protocol section
// 5.0.7).
func (c *call) routeHeaders(h http.Header) {
	switch c.route.kind {
	case api, document:
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Access-Control-Expose-Headers", "Retry-After, X-Request-Id")
	case own:
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
	case page:
		c.pageHeaders(h)
	}
}
