package rest_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/rest"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/restriction"
)

func can(names ...capability.Capability) mytoken.Properties {
	return mytoken.Properties{Capabilities: names}
}

const lackingText = "The provided token does not have the required capability for this operation"

func (s *service) info(action string, token any, extra m) *reply {
	s.t.Helper()
	body := m{"action": action, "mytoken": token}
	for k, v := range extra {
		body[k] = v
	}
	return s.post("/api/v0/tokeninfo", body)
}

// TestD30_D31_HistoryOfWhom: every form of mom_ids needs its capability. The words for
// groups of tokens are resolved first.
func TestD30_D31_HistoryOfWhom(t *testing.T) {
	s := start(t)
	without := s.token(can(capability.TokeninfoIntrospect, capability.CreateMytoken))
	own := s.object(s.introspect(without), 200)["mom_id"]
	for _, of := range [][]any{nil, {"this"}, {"children"}, {own}, {"children@" + own.(string)}} {
		s.fails(s.info("event_history", without, m{"mom_ids": of}), 403, "insufficient_capabilities", lackingText)
	}
	s.object(s.derive(without, m{"name": "child"}), 200)

	manager := s.token(can(capability.ManageMytokensHistory, capability.CreateMytoken, capability.TokeninfoIntrospect))
	child := s.object(s.derive(manager, m{"name": "child", "capabilities": []string{"create_mytoken"}}), 200)
	for _, of := range [][]any{{"this"}, {"children"}, {"children@" + own.(string)}, {own}, {child["mom_id"]}, {"this", "children"}} {
		if got := s.object(s.info("event_history", manager, m{"mom_ids": of}), 200); len(got["events"].([]any)) == 0 {
			t.Errorf("%v: %v", of, got)
		}
	}
	bob := s.object(s.introspect(s.tokenOf("bob", mytoken.Properties{})), 200)["mom_id"]
	for _, of := range []any{bob, "children@" + bob.(string)} {
		s.fails(s.info("event_history", manager, m{"mom_ids": []any{of}}), 403, "invalid_grant", "The provided token cannot be used to obtain history for this mom_id")
	}
	for _, of := range []string{"nonsense", "childrenx", "children@", "@", ""} {
		s.fails(s.info("event_history", manager, m{"mom_ids": []string{of}}), 400, "invalid_request", "mom_ids: not a mom_id")
	}
}

// TestD32_UnknownCapabilities: first tokens and children are refused, also for names below
// one that the parent has, and on the consent page for a child. The two old names that
// clients still send have no effect.
func TestD32_UnknownCapabilities(t *testing.T) {
	s := start(t)
	ask := func(names ...string) *reply {
		return s.post("/api/v0/token/my", m{"grant_type": "oidc_flow", "oidc_issuer": s.Provider.Issuer(), "capabilities": names})
	}
	s.fails(ask("AT", "tokeninfo:foo"), 400, "invalid_request", `unknown capability "tokeninfo:foo"`)
	s.object(ask("AT", "list_mytokens", "revoke_any_token"), 200)
	s.fails(ask("list_mytokens"), 400, "invalid_request", "none of the requested capabilities exists")
	parent := s.token(mytoken.Properties{})
	for _, bad := range []string{"everything", "nonsense", "tokeninfo:foo", "read@tokeninfo"} {
		asked := m{"capabilities": []string{"AT", bad}}
		s.fails(s.derive(parent, asked), 400, "invalid_request", `unknown capability "`+bad+`"`)
		asked["mytoken"], asked["oidc_issuer"] = parent, s.Provider.Issuer()
		s.fails(s.post("/c", asked), 400, "invalid_request", `unknown capability "`+bad+`"`)
		r := s.form("/oauth/token", url.Values{
			"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token": {parent}, "capabilities": {bad},
			"subject_token_type": {"urn:ietf:params:oauth:token-type:refresh_token"}, "requested_token_type": {"urn:ietf:params:oauth:token-type:refresh_token"},
		})
		s.fails(r, 400, "invalid_request", `unknown capability "`+bad+`"`)
	}
	require.Empty(t, s.object(s.info("subtokens", parent, nil), 200)["mytokens"].(m)["children"], "a child was made")
	s.fails(s.derive(s.token(mytoken.Properties{Capabilities: capability.Set{capability.CreateMytoken}}), m{"capabilities": []string{"AT"}}),
		400, "invalid_request", "mytoken to be issued cannot have any of the requested capabilities")
	for _, files := range []fstest.MapFS{
		{"capabilities/a.json": {Data: []byte(`["tokeninfo:foo"]`)}}, {"profiles/a.json": {Data: []byte(`{"capabilities":["tokeninfo:foo"]}`)}},
	} {
		_, err := rest.NewHandler(s.Issuer, rest.Options{Templates: files})
		require.ErrorContains(t, err, `unknown capability "tokeninfo:foo"`)
	}
}

// TestD33_DisabledActions: an action that the operator switched off is refused.
func TestD33_DisabledActions(t *testing.T) {
	s := start(t, func(o *setup) { o.rest.TokeninfoActions = []string{"introspect"} })
	token := s.token(mytoken.Properties{})
	s.object(s.introspect(token), 200)
	for _, action := range []string{"event_history", "subtokens", "list_mytokens"} {
		s.fails(s.info(action, token, nil), 400, "invalid_request", "value '"+action+"' not valid for TokeninfoAction")
	}
	doc := s.object(s.do(http.MethodGet, "/.well-known/mytoken-configuration", ""), 200)
	assert.Equal(t, `["introspect"]`, encode(t, doc["tokeninfo_endpoint_actions_supported"]), doc)
	none := start(t, func(o *setup) { o.rest.TokeninfoActions = []string{} })
	doc = none.object(none.do(http.MethodGet, "/.well-known/mytoken-configuration", ""), 200)
	if doc["tokeninfo_endpoint"] != nil || doc["tokeninfo_endpoint_actions_supported"] != nil {
		t.Errorf("%v", doc)
	}
	none.fails(none.info("", token, nil), 400, "invalid_request", "value 'introspect' not valid for TokeninfoAction")
}

// TestD38_D49_LostRaces: of many requests with one rotating token at once, each succeeds
// or is a 401. All successors are the same token, and nothing is revoked.
func TestD38_D49_LostRaces(t *testing.T) {
	s := start(t)
	token := s.token(mytoken.Properties{Rotation: &mytoken.Rotation{OnAT: true, AutoRevoke: true}, Capabilities: everything})
	var next atomic.Pointer[string]
	got := inParallel(12, func(int) *reply {
		r := s.access(token, nil)
		if r.StatusCode == 200 {
			successor := s.object(r, 200)["token_update"].(m)["mytoken"].(string)
			if old := next.Swap(&successor); old != nil && *old != successor {
				t.Error("two different successors")
			}
		}
		return r
	})
	if got[200] == 0 || got[200]+got[401] != 12 {
		t.Errorf("%v", got)
	}
	// The service repeats a lost response until the successor is used.
	again := s.object(s.access(token, nil), 200)
	if again["token_update"].(m)["mytoken"] != *next.Load() {
		t.Error("the lost response is another one")
	}
	s.object(s.access(*next.Load(), nil), 200)
}

// TestD39_D40_D41_Lifetime: a token that reached the end of its lifetime is not reused.
// Every generation expires where the restrictions do. Reuse revokes for good, at
// whichever endpoint.
func TestD39_D40_D41_Lifetime(t *testing.T) {
	s := start(t)
	now := s.Clock.Now()
	rotation := &mytoken.Rotation{OnAT: true, OnOther: true, Lifetime: 600, AutoRevoke: true}
	first := s.token(mytoken.Properties{
		Capabilities: everything, Rotation: rotation, Restrictions: restriction.List{{Expires: now.Unix() + 900}},
	})
	claims := s.object(s.introspect(first), 200)["token"].(m)
	if claims["exp"] != float64(now.Unix()+600) {
		t.Errorf("the first generation ends at %v", claims["exp"])
	}
	s.Clock.Advance(500 * time.Second)
	second := s.object(s.access(first, nil), 200)["token_update"].(m)
	if second["expires_in"] != 400.0 { // the restriction ends before the lifetime
		t.Errorf("%v", second)
	}
	s.Clock.Advance(401 * time.Second)
	s.fails(s.access(second["mytoken"], nil), 401, "invalid_token", "token has expired")

	// An expired token is no reuse: the tree lives.
	parent := s.token(mytoken.Properties{Capabilities: everything, Rotation: &mytoken.Rotation{Lifetime: 60, AutoRevoke: true}})
	s.Clock.Advance(50 * time.Second)
	child := s.object(s.derive(parent, nil), 200)["mytoken"] // lives until 110 s
	s.Clock.Advance(40 * time.Second)
	s.fails(s.access(parent, nil), 401, "invalid_token", "token has expired")
	s.object(s.access(child, nil), 200)

	// Reuse at the settings endpoint revokes as well.
	third := s.token(mytoken.Properties{Capabilities: everything, Rotation: &mytoken.Rotation{OnAT: true, AutoRevoke: true}})
	fourth := s.object(s.access(third, nil), 200)["token_update"].(m)["mytoken"]
	s.object(s.introspect(fourth), 200)
	s.Clock.Advance(time.Minute)
	s.fails(s.do(http.MethodGet, "/api/v0/settings/grants", "", "Authorization", "Bearer "+third), 401, "invalid_token", "")
	s.fails(s.access(fourth, nil), 401, "invalid_token", "")
}

// TestD42_D43_EveryOtherUseRotates: a token without restrictions rotates too, and the
// response always holds the new token.
func TestD42_D43_EveryOtherUseRotates(t *testing.T) {
	s := start(t)
	var token any = s.token(mytoken.Properties{Capabilities: everything, Rotation: &mytoken.Rotation{OnOther: true}})
	header := func() []string { return []string{"Authorization", "Bearer " + token.(string)} }
	for name, send := range map[string]func() *reply{
		"derive":       func() *reply { return s.derive(token, nil) },
		"history":      func() *reply { return s.info("event_history", token, nil) },
		"subtokens":    func() *reply { return s.info("subtokens", token, nil) },
		"list":         func() *reply { return s.info("list_mytokens", token, nil) },
		"grants":       func() *reply { return s.do(http.MethodGet, "/api/v0/settings/grants", "", header()...) },
		"enable grant": func() *reply { return s.post("/api/v0/settings/grants", m{"grant_type": "ssh"}, header()...) },
		"disable grant": func() *reply {
			return s.do(http.MethodDelete, "/api/v0/settings/grants", `{"grant_type":"ssh"}`, header()...)
		},
	} {
		r := send()
		if r.StatusCode != 200 && r.StatusCode != 201 {
			t.Fatalf("%s: %d %s", name, r.StatusCode, r.text)
		}
		update, _ := s.object(r, r.StatusCode)["token_update"].(m)
		if update["mytoken"] == nil || update["mytoken"] == token {
			t.Fatalf("%s: no token_update: %s", name, r.text)
		}
		token = update["mytoken"]
	}
	for _, action := range []string{"introspect"} {
		if got := s.object(s.info(action, token, nil), 200); got["token_update"] != nil {
			t.Errorf("%s rotates", action)
		}
	}
}

// TestRevokingByIDDoesNotRotate: public clients ignore token_update when they revoke by
// mom_id. Their token stays the current one, also long after the grace, and the use counts.
func TestRevokingByIDDoesNotRotate(t *testing.T) {
	s := start(t)
	token := s.token(mytoken.Properties{
		Capabilities: everything, Rotation: &mytoken.Rotation{OnAT: true, OnOther: true, AutoRevoke: true},
		Restrictions: restriction.List{{UsagesOther: restriction.Usages(2)}},
	})
	for range 2 {
		other := s.object(s.derive(s.token(mytoken.Properties{}), nil), 200)
		r := s.post("/api/v0/token/revoke", m{"token": token, "mom_id": other["mom_id"]})
		require.Equal(t, []any{http.StatusNoContent, ""}, []any{r.StatusCode, r.text})
		s.fails(s.access(other["mytoken"], nil), 401, "invalid_token", "")
		s.Clock.Advance(time.Hour)
		require.EqualValues(t, 1, s.object(s.introspect(token), 200)["token"].(m)["seq_no"])
	}
	other := s.object(s.derive(s.token(mytoken.Properties{}), nil), 200)
	s.refusedBy(s.post("/api/v0/token/revoke", m{"token": token, "mom_id": other["mom_id"]}), "usages_other")
	s.object(s.access(other["mytoken"], nil), 200)
}

// TestD44_RefreshTokenAlias: a client that presents the token as a refresh token gets the
// new one as a refresh token.
func TestD44_RefreshTokenAlias(t *testing.T) {
	s := start(t)
	rotating := mytoken.Properties{Capabilities: everything, Rotation: &mytoken.Rotation{OnAT: true}}
	for name, send := range map[string]func(token string) *reply{
		"form": func(token string) *reply {
			return s.form("/api/v0/token/access", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
		},
		"field": func(token string) *reply {
			return s.post("/api/v0/token/access", m{"grant_type": "mytoken", "refresh_token": token})
		},
		"grant": func(token string) *reply {
			return s.post("/api/v0/token/access", m{"grant_type": "refresh_token", "mytoken": token})
		},
		"standard": func(token string) *reply {
			return s.form("/oauth/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
		},
	} {
		got := s.object(send(s.token(rotating)), 200)
		if got["refresh_token"] == nil || got["refresh_token"] != got["token_update"].(m)["mytoken"] {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got := s.object(s.access(s.token(rotating), nil), 200); got["refresh_token"] != nil || got["token_update"] == nil {
		t.Errorf("without the alias: %v", got)
	}
	if got := s.object(s.form("/oauth/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {s.token(mytoken.Properties{})}}), 200); got["refresh_token"] != nil {
		t.Errorf("without rotation: %v", got)
	}
}

// TestD45_D46_D48_Revocation: revocation by mom_id reaches the provider. An outdated
// token revokes its chain. A short token that rotated away no longer works.
func TestD45_D46_D48_Revocation(t *testing.T) {
	s := start(t)
	root := s.object(s.introspect(s.token(mytoken.Properties{})), 200)
	manager := s.token(mytoken.Properties{})
	before := s.Provider.Count(optest.Revoked)
	if r := s.post("/api/v0/token/revoke", m{"token": s.token(mytoken.Properties{})}); r.StatusCode != 204 || s.Provider.Count(optest.Revoked) != before+1 {
		t.Errorf("%d, %d revoked at the provider", r.StatusCode, s.Provider.Count(optest.Revoked)-before)
	}
	if r := s.post("/api/v0/token/revoke", m{"token": manager, "mom_id": root["mom_id"], "recursive": true}); r.StatusCode != 204 {
		t.Errorf("%d %s", r.StatusCode, r.text)
	}
	self := s.object(s.introspect(manager), 200)
	before = s.Provider.Count(optest.Revoked)
	if r := s.post("/api/v0/token/revoke", m{"token": manager, "mom_id": self["mom_id"]}); r.StatusCode != 204 || s.Provider.Count(optest.Revoked) != before+1 {
		t.Errorf("by mom_id: %d, %d revoked at the provider", r.StatusCode, s.Provider.Count(optest.Revoked)-before)
	}

	outdated := s.token(mytoken.Properties{Capabilities: everything, Rotation: &mytoken.Rotation{OnAT: true}})
	current := s.object(s.access(outdated, nil), 200)["token_update"].(m)["mytoken"]
	s.object(s.introspect(current), 200)
	if r := s.post("/api/v0/token/revoke", m{"token": outdated}); r.StatusCode != 204 || r.text != "" {
		t.Errorf("%d %s", r.StatusCode, r.text)
	}
	s.fails(s.access(current, nil), 401, "invalid_token", "")

	parent := s.token(mytoken.Properties{})
	short := s.object(s.derive(parent, m{"rotation": m{"on_AT": true}}), 200)["mytoken"]
	update := s.object(s.access(short, nil), 200)["token_update"].(m)
	if update["mytoken_type"] != "short_token" || update["mytoken"] == short {
		t.Fatalf("%v", update)
	}
	s.object(s.introspect(update["mytoken"]), 200)
	s.Clock.Advance(time.Minute)
	s.fails(s.access(short, nil), 401, "invalid_token", "")
	s.object(s.access(update["mytoken"], nil), 200)
}

// TestD90_TokenProblemsAre401: wherever the token stands, and whatever is wrong with it.
func TestD90_TokenProblemsAre401(t *testing.T) {
	s := start(t)
	for path, body := range map[string]m{
		"/api/v0/token/my": {"grant_type": "mytoken"}, "/api/v0/token/access": {"grant_type": "mytoken"},
		"/api/v0/token/transfer": {}, "/api/v0/tokeninfo": {"action": "introspect"}, "/c": {"oidc_issuer": s.Provider.Issuer()},
	} {
		s.fails(s.post(path, body), 401, "invalid_token", "no mytoken found in request")
		s.fails(s.post(path, body, "Authorization", "Basic eDp5"), 401, "invalid_token", "no mytoken found in request")
		for _, bad := range []string{"x", "a.b.c", strings.Repeat("x", 300_000)} {
			header := append([]string{}, "Authorization", "Bearer "+bad)
			if len(bad) < 1000 {
				s.fails(s.post(path, body, header...), 401, "invalid_token", "token not valid")
			}
			body["mytoken"] = bad
			s.fails(s.post(path, body), 401, "invalid_token", "token not valid")
			delete(body, "mytoken")
		}
		body["mytoken"] = ""
		s.fails(s.post(path, body), 401, "invalid_token", "no mytoken found in request")
		s.fails(s.post(path, body, "Cookie", "mytoken=x"), 401, "invalid_token", "token not valid")
	}
}

// TestD91_D92_Keys: the handler accepts signatures of any length. The key set names its
// keys, and can have several.
func TestD91_D92_Keys(t *testing.T) {
	for _, alg := range []mytoken.Algorithm{mytoken.ES256, mytoken.ES512, mytoken.EdDSA} {
		key, err := mytoken.GenerateKey(alg)
		require.NoError(t, err)
		next, err := mytoken.GenerateKey(mytoken.ES384)
		require.NoError(t, err)
		keys, err := mytoken.NewKeys(key, next.Public())
		require.NoError(t, err)
		s := start(t, func(o *setup) { o.Config = func(c *issuer.Config) { c.Keys = keys } })
		token := s.token(mytoken.Properties{})
		s.object(s.introspect(token), 200)
		set := s.object(s.do(http.MethodGet, "/jwks", ""), 200)["keys"].([]any)
		doc := s.object(s.do(http.MethodGet, "/.well-known/mytoken-configuration", ""), 200)
		if len(set) != 2 || set[0].(m)["kid"] != key.ID() || doc["token_signing_alg_value"] != string(alg) {
			t.Errorf("%s: %v, %v", alg, set, doc["token_signing_alg_value"])
		}
		require.NoError(t, keys.Activate(next))
		doc = s.object(s.do(http.MethodGet, "/.well-known/openid-configuration", ""), 200)
		if doc["token_signing_alg_value"] != "ES384" {
			t.Errorf("after the change: %v", doc["token_signing_alg_value"])
		}
		s.object(s.introspect(token), 200)
	}
}

// TestD96_HistoryStays: revocation adds an event and removes none.
func TestD96_HistoryStays(t *testing.T) {
	s := start(t)
	manager := s.token(mytoken.Properties{})
	child := s.object(s.derive(manager, m{"name": "x"}), 200)
	s.object(s.access(child["mytoken"], nil), 200)
	s.post("/api/v0/token/revoke", m{"token": child["mytoken"]})
	got := s.object(s.info("event_history", manager, m{"mom_ids": []any{child["mom_id"]}}), 200)
	var names []string
	for _, e := range got["events"].([]any) {
		names = append(names, e.(m)["event"].(string))
	}
	for _, want := range []string{"revoked", "AT_created", "inherited_RT", "created"} {
		if !slices.Contains(names, want) {
			t.Errorf("no %s in %q", want, names)
		}
	}
}

// TestD97_D98_RevokingAlone: a token revoked alone leaves its children below its parent.
// Revocation by mom_id checks the authorising token in full.
func TestD97_D98_RevokingAlone(t *testing.T) {
	s := start(t)
	root := s.token(mytoken.Properties{})
	middle := s.object(s.derive(root, m{"name": "middle"}), 200)
	leaf := s.object(s.derive(middle["mytoken"], m{"name": "leaf", "capabilities": []string{"AT"}}), 200)
	if r := s.post("/api/v0/token/revoke", m{"token": root, "mom_id": middle["mom_id"]}); r.StatusCode != 204 {
		t.Fatalf("%d %s", r.StatusCode, r.text)
	}
	s.object(s.access(leaf["mytoken"], nil), 200)
	tree := s.object(s.info("list_mytokens", root, nil), 200)["mytokens"].([]any)
	found := false
	for _, r := range tree {
		if entry := r.(m)["token"].(m); entry["mom_id"] == leaf["mom_id"] {
			t.Error("the leaf became a root")
		}
		found = found || strings.Contains(encode(t, r), leaf["mom_id"].(string))
	}
	if !found || !strings.Contains(encode(t, tree), `"revoked":true`) {
		t.Errorf("%v", tree)
	}
	if r := s.post("/api/v0/token/revoke", m{"token": root, "mom_id": leaf["mom_id"]}); r.StatusCode != 204 {
		t.Errorf("the ancestor lost its right: %d %s", r.StatusCode, r.text)
	}
	s.fails(s.access(leaf["mytoken"], nil), 401, "invalid_token", "")

	target := s.object(s.derive(root, nil), 200)["mom_id"]
	spent := s.token(mytoken.Properties{Capabilities: everything, Restrictions: restriction.List{{UsagesOther: restriction.Usages(0)}}})
	s.refusedBy(s.post("/api/v0/token/revoke", m{"token": spent, "mom_id": target}), "usages_other")
	dead := s.token(mytoken.Properties{})
	s.post("/api/v0/token/revoke", m{"token": dead})
	s.fails(s.post("/api/v0/token/revoke", m{"token": dead, "mom_id": target}), 401, "invalid_token", "")
	s.fails(s.post("/api/v0/token/revoke", m{"token": "nonsense", "mom_id": target}), 401, "invalid_token", "token not valid")
	bob := s.tokenOf("bob", mytoken.Properties{})
	s.fails(s.post("/api/v0/token/revoke", m{"token": bob, "mom_id": target}), 403, "invalid_grant", "The provided token cannot be used to revoke this mom_id")
}
