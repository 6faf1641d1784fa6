package rest_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/mytoken-go/sdk/mytoken/rest"
)

// protocolPaths are the rows of protocol section 5.0.1.
var protocolPaths = []string{
	"GET /.well-known/mytoken-configuration", "GET /.well-known/openid-configuration", "GET /.well-known/openid-federation", "GET /jwks",
	"POST /api/v0/token/my", "POST /api/v0/token/access", "POST /api/v0/token/revoke", "POST /api/v0/token/transfer", "POST /api/v0/tokeninfo",
	"GET /api/v0/settings", "GET /api/v0/settings/grants", "POST /api/v0/settings/grants", "DELETE /api/v0/settings/grants",
	"GET /api/v0/settings/grants/ssh", "POST /api/v0/settings/grants/ssh", "DELETE /api/v0/settings/grants/ssh",
	"GET /api/v0/settings/email", "PUT /api/v0/settings/email",
	"GET /api/v0/settings/tags", "POST /api/v0/settings/tags/x", "PUT /api/v0/settings/tags/x", "DELETE /api/v0/settings/tags/x", "POST /api/v0/token/my/tags", "DELETE /api/v0/token/my/tags",
	"GET /api/v0/pt", "GET /api/v0/pt/profiles", "GET /api/v0/pt/_/profiles", "POST /api/v0/pt/profiles", "PUT /api/v0/pt/_/profiles/x", "DELETE /api/v0/pt/_/profiles/x",
	"GET /api/v0/notifications", "POST /api/v0/notifications", "GET /api/v0/notifications/x", "PUT /api/v0/notifications/x/nc", "POST /api/v0/notifications/x/token", "DELETE /api/v0/notifications/x",
	"GET /api/v0/notifications/calendars", "POST /api/v0/notifications/calendars/x", "DELETE /api/v0/notifications/calendars/x",
	"GET /api/v0/guests/.well-known/openid-configuration", "GET /api/v0/guests/auth", "POST /api/v0/guests/token",
	"GET /c/x", "POST /c/x", "POST /c", "GET /redirect", "GET /native", "GET /native/abort", "GET /actions", "GET /calendars/x", "GET /calendars/x/view",
	"GET /", "GET /home", "GET /static/style.css",
}

// TestProtocolPaths: each of them is a route. TestEveryRouteHasATranscript looks at the
// routes.
func TestProtocolPaths(t *testing.T) {
	handler := start(t, scenarios["guests"]...).http.Config.Handler.(*rest.Handler)
	routes := handler.Routes()
	for _, row := range protocolPaths {
		method, path, _ := strings.Cut(row, " ")
		route := handler.RouteOf(method, path)
		known := slices.Contains(routes, route) || strings.HasSuffix(route, " /api/v0/guests/")
		assert.True(t, known && (path != "/" || route == "GET /{$}"), "%s is served by %q", row, route)
	}
}

// row is a statement of protocol section 5, and the step of a transcript that shows it.
type row struct {
	section, says string
	step          string
	status        int
	code          string // of the error; empty: none
}

var protocolRows = []row{
	{"5.0.2", "token in the body", "access/JSON", 200, ""},
	{"5.0.2", "bearer token", "access/bearer", 200, ""},
	{"5.0.2", "cookie", "web-login/with the cookie", 200, ""},
	{"5.0.2", "no token", "access/no token", 401, "invalid_token"},
	{"5.0.3", "null bodies", "settings/with a null body", 200, ""},
	{"5.0.3", "grant_type in the query", "subtokens/grant type in the query", 200, ""},
	{"5.0.5", "unknown path", "elsewhere/unknown path", 404, "not_found"},
	{"5.0.5", "wrong method", "elsewhere/wrong method", 405, "Method Not Allowed"},
	{"5.0.6", "201 without a body", "settings/enable", 201, ""},
	{"5.1", "discovery", "discovery/mytoken configuration", 200, ""},
	{"5.1", "discovery for oidc-agent", "discovery/openid configuration", 200, ""},
	{"5.2", "JWKS", "discovery/jwks", 200, ""},
	{"5.3", "issuer of another provider", "access/wrong issuer", 400, "invalid_request"},
	{"5.4", "no grant_type", "login-refused/no grant", 400, "invalid_grant"},
	{"5.4", "unknown grant_type", "login-refused/unknown grant", 400, "invalid_grant"},
	{"5.4", "no JSON", "login-refused/no JSON", 400, "invalid_request"},
	{"5.4.1", "native", "native-login/start", 200, ""},
	{"5.4.1", "web", "web-login/start", 200, ""},
	{"5.4.1", "web, trusted", "web-login-trusted/start", 278, ""},
	{"5.4.1", "unknown issuer", "login-refused/unknown issuer", 400, "invalid_request"},
	{"5.4.1", "web without redirect_uri", "web-login/no redirect uri", 400, "invalid_request"},
	{"5.4.1", "all clauses have expired", "login-refused/expired", 400, "invalid_request"},
	{"5.4.1", "unknown include", "login-refused/unknown include", 400, "invalid_request"},
	{"5.4.1", "malformed restriction", "login-refused/negative usages", 400, "invalid_request"},
	{"5.4.2", "user not finished", "native-login/pending", 428, "authorization_pending"},
	{"5.4.2", "finished", "native-login/fetch", 200, ""},
	{"5.4.2", "already used", "native-login/fetch again", 401, "invalid_token"},
	{"5.4.2", "user declined", "native-login-declined/poll", 401, "access_denied"},
	{"5.4.2", "too late", "native-login-failed/poll too late", 401, "expired_token"},
	{"5.4.3", "subtoken", "subtokens/subtoken", 200, ""},
	{"5.4.3", "no capability", "subtokens/no capability", 403, "insufficient_capabilities"},
	{"5.4.3", "not tighter", "subtokens/not tighter", 400, "invalid_request"},
	{"5.4.3", "none of the capabilities", "subtokens/no common capability", 400, "invalid_request"},
	{"5.4.4", "transfer code", "subtokens/redeem", 200, ""},
	{"5.4.4", "used", "subtokens/redeem again", 401, "invalid_token"},
	{"5.4.4", "too late", "subtokens/redeem too late", 401, "expired_token"},
	{"5.4.5", "ssh grant", "login-refused/ssh grant", 400, "invalid_grant"},
	{"5.5", "JSON", "access/JSON", 200, ""},
	{"5.5", "form", "access/form", 200, ""},
	{"5.5", "refresh_token", "access/refresh", 200, ""},
	{"5.5", "resource", "access/resource", 200, ""},
	{"5.5", "no grant_type", "access/no grant", 400, "invalid_grant"},
	{"5.5", "other grant_type", "access/wrong grant", 400, "invalid_request"},
	{"5.5", "issuer in a form", "access/issuer in a form", 400, "invalid_request"},
	{"5.5", "scope not allowed", "access/scope not allowed", 403, "usage_restricted"},
	{"5.5", "rotated", "rotation/access", 200, ""},
	{"5.6", "transfer code", "subtokens/create a transfer code", 200, ""},
	{"5.7", "JWT", "revocation/recursive", 204, ""},
	{"5.7", "short token", "revocation-of-codes/revoke the short token", 204, ""},
	{"5.7", "transfer code", "revocation-of-codes/revoke the code", 204, ""},
	{"5.7", "transfer code for a new token", "revocation-of-codes/revoke that", 204, ""},
	{"5.7", "unknown", "revocation/unknown", 204, ""},
	{"5.7", "no token", "revocation/no token", 400, "invalid_request"},
	{"5.7", "unknown issuer", "revocation/wrong issuer", 400, "invalid_request"},
	{"5.7", "mom_id", "revocation/by mom_id", 204, ""},
	{"5.7", "mom_id without capability", "revocation/not a parent", 403, "insufficient_capabilities"},
	{"5.7", "mom_id of somebody else", "revocation/stranger", 403, "invalid_grant"},
	{"5.7", "by oidc-agent", "revocation/by oidc-agent", 204, ""},
	{"5.8", "no action", "tokeninfo/no action", 200, ""},
	{"5.8", "unknown action", "tokeninfo/unknown", 400, "invalid_request"},
	{"5.8.1", "introspect", "tokeninfo/introspect", 200, ""},
	{"5.8.1", "a short token", "subtokens/introspect a short token", 200, ""},
	{"5.8.2", "history", "tokeninfo/history", 200, ""},
	{"5.8.2", "this and children", "tokeninfo/history of this and its children", 200, ""},
	{"5.8.2", "mom_id", "tokeninfo/history of a child", 200, ""},
	{"5.8.2", "mom_id of somebody else", "tokeninfo/history of a stranger", 403, "invalid_grant"},
	{"5.8.2", "no capability", "tokeninfo/no capability", 403, "insufficient_capabilities"},
	{"5.8.3", "subtokens", "tokeninfo/subtokens", 200, ""},
	{"5.8.4", "list", "tokeninfo/list", 200, ""},
	{"5.8.5", "notifications", "tokeninfo/notifications", 501, "not_yet_implemented"},
	{"5.9", "settings", "discovery/settings", 200, ""},
	{"5.10", "list", "settings/list", 200, ""},
	{"5.10", "enable", "settings/enable", 201, ""},
	{"5.10", "disable", "settings/disable", 204, ""},
	{"5.10", "no type", "settings/no grant type", 400, "invalid_request"},
	{"5.11", "grant off", "ssh-keys/not enabled", 403, "access_denied"},
	{"5.11", "list", "ssh-keys/list", 200, ""},
	{"5.11", "register", "ssh-keys/register", 200, ""},
	{"5.11", "no key", "ssh-keys/no key", 400, "invalid_request"},
	{"5.11", "bad key", "ssh-keys/bad key", 400, "invalid_request"},
	{"5.11", "known key", "ssh-keys/known key", 409, "invalid_request"},
	{"5.11", "not finished", "ssh-keys/not finished", 428, "authorization_pending"},
	{"5.11", "finished", "ssh-keys/finished", 200, ""},
	{"5.11", "used code", "ssh-keys/used code", 401, "invalid_token"},
	{"5.11", "other grant types", "ssh-keys/another grant type", 400, "unsupported_grant_type"},
	{"5.11", "delete", "ssh-keys/delete by key", 204, ""},
	{"5.11", "delete an unknown key", "ssh-keys/delete", 204, ""},
	{"5.11", "delete nothing", "ssh-keys/delete nothing", 400, "invalid_request"},
	{"5.14", "groups", "profiles/groups", 200, ""},
	{"5.14", "profiles", "profiles/profiles", 200, ""},
	{"5.14", "of a group", "profiles/of a group", 200, ""},
	{"5.14", "nobody may write", "profiles/write", 501, "not_yet_implemented"},
	{"5.14", "create", "profiles-write/create", 201, ""},
	{"5.14", "exists already", "profiles-write/create again", 409, "invalid_request"},
	{"5.14", "replace", "profiles-write/replace", 200, ""},
	{"5.14", "id in the body", "profiles-write/replace by the id in the body", 200, ""},
	{"5.14", "rename", "profiles-write/rename", 400, "invalid_request"},
	{"5.14", "not valid", "profiles-write/includes itself", 400, "invalid_request"},
	{"5.14", "others depend on it", "profiles-write/delete what another includes", 409, "invalid_request"},
	{"5.14", "no password", "profiles-write/without a password", 401, "invalid_client"},
	{"5.14", "another group", "profiles-write/of another group", 403, "access_denied"},
	{"5.14", "delete", "profiles-write/delete", 204, ""},
	{"5.14", "id in the query", "profiles-write/delete by the id in the query", 204, ""},
	{"5.14", "unknown id", "profiles-write/delete an unknown one", 404, "not_found"},
	{"5.14", "built in", "profiles-write/delete a built-in one", 400, "invalid_request"},
	{"5.18.1", "page", "native-login/consent page", 200, ""},
	{"5.18.1", "unknown code", "elsewhere/no such consent page", 404, ""},
	{"5.18.2", "decline, native", "native-login-declined/decline", 278, ""},
	{"5.18.2", "decline, web", "web-login-trusted/decline", 278, ""},
	{"5.18.2", "approve", "native-login/approve", 278, ""},
	{"5.18.3", "page on demand", "on-demand/page", 200, ""},
	{"5.18.3", "invalid token", "on-demand/invalid token", 401, "invalid_token"},
	{"5.18.3", "no issuer", "on-demand/no issuer", 400, "invalid_request"},
	{"5.19", "no code in the address", "native-login/back", 303, ""},
	{"5.19", "native", "native-login/back, without the code", 303, ""},
	{"5.19", "web", "web-login/back, without the code", 303, ""},
	{"5.19", "the provider failed", "native-login-failed/back, without the code", 555, ""},
	{"5.19", "unknown state", "native-login/back in another browser, without the code", 400, ""},
	{"5.20", "discovery", "guests/discovery", 200, ""},
	{"5.21", "list", "tags/list", 200, ""},
	{"5.21", "create", "tags/create", 204, ""},
	{"5.21", "exists already", "tags/create again", 204, ""},
	{"5.21", "rename", "tags/rename", 204, ""},
	{"5.21", "name of another tag", "tags/rename to another", 409, "invalid_request"},
	{"5.21", "unknown", "tags/change an unknown one", 404, "not_found"},
	{"5.21", "neither name nor colour", "tags/change nothing", 400, "invalid_request"},
	{"5.21", "delete", "tags/delete", 204, ""},
	{"5.21", "delete an unknown one", "tags/delete again", 204, ""},
	{"5.21", "add", "tags/add", 204, ""},
	{"5.21", "add to a descendant", "tags/add to a child", 204, ""},
	{"5.21", "remove", "tags/remove", 204, ""},
	{"5.21", "not there", "tags/remove again", 204, ""},
	{"5.21", "no capability", "tags/a child may not list", 403, "insufficient_capabilities"},
	{"5.21", "no token is created", "tags/tags without a token", 400, "invalid_request"},
	{"5.21", "of another token of the user", "manage-tags/add a tag", 303, ""},
}

// TestProtocolRows: a transcript shows each statement.
func TestProtocolRows(t *testing.T) {
	answers := goldenAnswers(t)
	for _, r := range protocolRows {
		a, ok := answers[r.step]
		if !assert.True(t, ok, "%s %s: no step %q", r.section, r.says, r.step) {
			continue
		}
		body, _ := a.body.(m)
		code, _ := body["error"].(string)
		assert.Equal(t, []any{r.status, r.code}, []any{a.status, code}, "%s %s: in %s", r.section, r.says, r.step)
	}
}
