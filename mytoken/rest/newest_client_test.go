package rest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
)

// clientRequest is a request that the command line client 0.7.1, or its library 0.8, sends
// for a command. Without a body it sends null and a line feed, and no content type, with GET
// and DELETE as well.
type clientRequest struct {
	command  string
	method   string
	endpoint string // a member of the settings or the discovery document, or a path
	below    string // what the client appends to it
	body     string // {token} and {mom} stand for those of the test
	status   int
	members  []string // that the client dereferences, with dots between levels and [] for each element
}

const noBody = "null\n"

// newestClient are the requests of the commands of protocol section 11. To serve another
// command, change its status and say which members the client reads.
var newestClient = []clientRequest{
	{"capabilities", "GET", "/api/v0/capabilities", "", noBody, 200, []string{"[].read_write_capability.name", "[].read_write_capability.description"}},

	{"settings email get", "GET", "email_endpoint", "", noBody, 501, nil},
	{"settings email update", "PUT", "email_endpoint", "", `{"mytoken":"{token}","email_address":"a@example.org","prefer_html_mail":true}`, 501, nil},

	{"settings tags create", "POST", "tags_endpoint", "/a", `{"color":"00ff00"}`, 204, nil},
	{"settings tags list", "GET", "tags_endpoint", "", noBody, 200, []string{"tags.[].tag", "tags.[].color"}},
	{"settings tags update", "PUT", "tags_endpoint", "/a", `{"tag":"b","color":"ff0000"}`, 204, nil},
	{"MT tags add", "POST", "mytoken_endpoint", "/tags", `{"tag":"a","mytoken":"{token}","include_children":true}`, 204, nil},
	{"MT tags remove", "DELETE", "mytoken_endpoint", "/tags", `{"tag":"a","mytoken":"{token}","mom_id":"{mom}"}`, 204, nil},
	{"settings tags delete", "DELETE", "tags_endpoint", "/a", noBody, 204, nil},

	{"settings grants list", "GET", "grant_type_endpoint", "", noBody, 200, []string{"grant_types"}},
	{"settings grants enable", "POST", "grant_type_endpoint", "", `{"grant_type":"ssh"}`, 201, nil},
	{"settings grants disable", "DELETE", "grant_type_endpoint", "", `{"grant_type":"ssh"}`, 204, nil},
	{"settings grants enable, for SSH keys", "POST", "grant_type_endpoint", "", `{"grant_type":"ssh"}`, 201, nil},
	{"settings grants ssh list", "GET", "grant_type_endpoint", "/ssh", noBody, 200, []string{"grant_enabled", "ssh_keys"}},
	{"settings grants ssh add", "POST", "grant_type_endpoint", "/ssh", `{"grant_type":"mytoken","mytoken":"{token}","ssh_key":"{key}","name":"laptop"}`, 200, []string{"consent_uri", "polling_code", "expires_in", "interval"}},
	{"settings grants ssh add, unreadable", "POST", "grant_type_endpoint", "/ssh", `{"grant_type":"mytoken","mytoken":"{token}","ssh_key":"ssh-ed25519 AAAA","name":"laptop"}`, 400, nil},
	{"settings grants ssh delete", "DELETE", "grant_type_endpoint", "/ssh", `{"mytoken":"{token}","ssh_key_fp":"SHA256:x"}`, 204, nil},

	{"notifications list", "GET", "notifications_endpoint", "", noBody, 501, nil},
	{"notifications create", "POST", "notifications_endpoint", "", `{"mytoken":"{token}","notification_type":"mail","notification_classes":["expiration"],"include_children":false,"user_wide":false,"tags":["a"]}`, 501, nil},
	{"notifications get", "GET", "notifications_endpoint", "/code", noBody, 501, nil},
	{"notifications update", "PUT", "notifications_endpoint", "/code/nc", `{"notification_classes":["security"],"tags":[]}`, 501, nil},
	{"notifications update, older", "POST", "notifications_endpoint", "/code/nc", `{"notification_classes":["security"]}`, 501, nil},
	{"notifications add-token", "POST", "notifications_endpoint", "/code/token", `{"mytoken":"{token}","include_children":true}`, 501, nil},
	{"notifications remove-token", "DELETE", "notifications_endpoint", "/code/token", `{"mom_id":"{mom}"}`, 501, nil},
	{"notifications delete", "DELETE", "notifications_endpoint", "/code", noBody, 501, nil},
	{"info notifications", "POST", "tokeninfo_endpoint", "", `{"action":"notifications","mytoken":"{token}","mom_ids":["this"]}`, 501, nil},

	{"calendars list", "GET", "notifications_endpoint", "/calendars", noBody, 501, nil},
	{"calendars create", "POST", "notifications_endpoint", "/calendars", `{"description":"mine","tags":["a"]}`, 501, nil},
	{"calendars get", "GET", "notifications_endpoint", "/calendars/abc", noBody, 501, nil},
	{"calendars update", "PUT", "notifications_endpoint", "/calendars/abc", `{"description":"ours"}`, 501, nil},
	{"calendars subscribe", "POST", "notifications_endpoint", "/calendars/abc", `{"mom_id":"{mom}","comment":"mine"}`, 501, nil},
	{"calendars unsubscribe", "DELETE", "notifications_endpoint", "/calendars/abc", `{"mom_id":"{mom}","comment":""}`, 501, nil},
	{"calendars unsubscribe, server 0.12", "DELETE", "notifications_endpoint", "/calendars/abc/mytokens", `{"mom_id":"{mom}"}`, 501, nil},
	{"calendars delete", "DELETE", "notifications_endpoint", "/calendars/abc", noBody, 501, nil},

	{"MT", "POST", "mytoken_endpoint", "", `{"grant_type":"mytoken","mytoken":"{token}","name":"x","capabilities":["AT"]}`, 200, []string{"mytoken", "mytoken_type", "mom_id"}},
	{"MT --tags", "POST", "mytoken_endpoint", "", `{"grant_type":"mytoken","mytoken":"{token}","name":"x","capabilities":["AT"],"tags":[{"tag":"a","include_children":true}]}`, 200, []string{"mytoken", "mytoken_type", "mom_id"}},
	{"MT with notifications", "POST", "mytoken_endpoint", "", `{"grant_type":"mytoken","mytoken":"{token}","subscribe_notifications":[{"include_children":false,"notification_type":"mail","notification_classes":["AT_creations"]}]}`, 501, nil},
	{"AT", "POST", "access_token_endpoint", "", `{"grant_type":"mytoken","mytoken":"{token}","scope":"openid"}`, 200, []string{"access_token", "token_type"}},
	{"revoke --mom-id", "POST", "revocation_endpoint", "", `{"token":"{token}","mom_id":"{mom}","recursive":true}`, 204, nil},
}

// TestNewestClient sends what the newest command line client sends, byte for byte. No answer
// makes the client fail: it finds each endpoint before it sends anything, decodes every body,
// and shows both members of an error. What is not served counts and changes nothing.
func TestNewestClient(t *testing.T) {
	s := start(t, withSSH)
	for _, c := range newestClient {
		t.Run(c.command, func(t *testing.T) {
			issued := s.issued("alice", mytoken.Properties{Restrictions: restriction.List{{UsagesAT: restriction.Usages(9), UsagesOther: restriction.Usages(9)}}})
			token, other := issued.Token.Reveal(), s.child(issued, mytoken.Properties{})
			line, _ := sshLine(t)
			fill := strings.NewReplacer("{key}", line, "{token}", token, "{mom}", other.ID.String())
			header := []string{"Authorization", "Bearer " + token, "Content-Type", "application/json"}
			if c.body == noBody {
				header[3] = ""
			}
			before := encode(t, s.object(s.introspect(token), 200)["token"].(m)["restrictions"])
			body := strings.TrimSuffix(fill.Replace(c.body), "\n") + "\n" // the encoder of the client ends each body so
			r := s.do(c.method, s.endpoint(t, c.endpoint)+c.below, body, header...)
			require.Equal(t, c.status, r.StatusCode, r.text)
			s.clientReads(t, r, c.members)
			if c.status == http.StatusNotImplemented {
				require.Equal(t, before, encode(t, s.object(s.introspect(token), 200)["token"].(m)["restrictions"]), "a use was counted")
				require.True(t, s.live(other))
			}
		})
	}
}

// endpoint returns the address that a client finds in one of the two documents. It crashes
// if there is none.
func (s *service) endpoint(t *testing.T, name string) string {
	t.Helper()
	if strings.HasPrefix(name, "/") {
		return s.URL + name
	}
	for _, document := range []string{"/.well-known/mytoken-configuration", "/api/v0/settings"} {
		if address, ok := s.object(s.do(http.MethodGet, document, noBody, "Content-Type", ""), 200)[name].(string); ok {
			require.True(t, strings.HasPrefix(address, s.URL+"/"), address)
			return address
		}
	}
	t.Fatalf("no %s: the client crashes", name)
	return ""
}

// clientReads checks that the client can read an answer. It decodes every body that has a
// length. It shows error and error_description.
func (s *service) clientReads(t *testing.T, r *reply, members []string) {
	t.Helper()
	if r.text == "" {
		require.Less(t, r.StatusCode, 300)
		require.Empty(t, members)
		require.Contains(t, []int64{0, -1}, r.ContentLength)
		require.NotEqual(t, http.StatusOK, r.StatusCode, "an empty 200")
		return
	}
	require.NotEqual(t, http.StatusNoContent, r.StatusCode)
	require.Equal(t, "application/json", r.Header.Get("Content-Type"))
	var body any
	require.NoError(t, json.Unmarshal([]byte(r.text), &body))
	if r.StatusCode >= 400 {
		members = []string{"error", "error_description"}
	}
	for _, path := range members {
		require.NoError(t, dereference(body, strings.Split(path, ".")), "%s in %s", path, r.text)
	}
	if r.StatusCode >= 400 {
		require.NotEmpty(t, body.(m)["error"])
		require.NotEmpty(t, body.(m)["error_description"])
	}
}

// dereference looks for a member.
func dereference(value any, path []string) error {
	if len(path) == 0 {
		return nil
	}
	if path[0] == "[]" {
		list, ok := value.([]any)
		if !ok || len(list) == 0 {
			return fmt.Errorf("%v is no list with elements", value)
		}
		for _, element := range list {
			if err := dereference(element, path[1:]); err != nil {
				return err
			}
		}
		return nil
	}
	object, ok := value.(m)
	if !ok {
		return fmt.Errorf("%v is no object", value)
	}
	member, ok := object[path[0]]
	if !ok {
		return fmt.Errorf("no member %s", path[0])
	}
	return dereference(member, path[1:])
}

// TestNotServed: each path that is not served answers each method with JSON, whatever the
// client accepts, also below it and with escapes in it.
func TestNotServed(t *testing.T) {
	s := start(t)
	for _, path := range []string{
		"/api/v0/settings/email", "/api/v0/settings/email/", "/api/v0/settings/email/verify", "/api/v0/notifications", "/api/v0/notifications/", "/api/v0/notifications/a/b/c",
		"/api/v0/notifications/calendars", "/api/v0/notifications/calendars/", "/api/v0/notifications/calendars/x/mytokens", "/api/v0/notifications/a%2Fb", "/api/v0/notifications/%C3%BC%20%3F", "/calendars/x", "/actions",
	} {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
			for _, body := range []string{"", noBody, "{}", "nonsense"} {
				r := s.do(method, path, body, "Content-Type", "", "Accept", "text/html")
				got := s.object(r, http.StatusNotImplemented)
				assert.Equal(t, "not_yet_implemented", got["error"], path)
				assert.Regexp(t, ` is not available on this server$`, got["error_description"], path)
			}
		}
		r := s.do(http.MethodHead, path, "")
		assert.Equal(t, http.StatusNotImplemented, r.StatusCode, path)
	}
	for _, path := range []string{"/api/v0/none", "/api/v0/settings/none", "/api/v0/capabilities/x", "/api/v0/consent", "/api/v0/settings/%2e%2e/x", "/api/v0/notifications/..%2Fx"} {
		got := s.object(s.do(http.MethodGet, path, "", "Accept", "text/html"), http.StatusNotFound)
		assert.Equal(t, "not_found", got["error"], path)
		assert.NotEmpty(t, got["error_description"], path)
	}
}

// TestNothingIsDropped: a request that subscribes to notifications is refused. No token is
// made, no use is counted, and no login starts, because the user would believe in them.
func TestNothingIsDropped(t *testing.T) {
	s := start(t, func(o *setup) { o.rest.Logins.PerAddress = 1 })
	parent := s.token(mytoken.Properties{Restrictions: restriction.List{{UsagesOther: restriction.Usages(1)}}})
	asked := []m{{"include_children": true, "notification_type": "mail", "notification_classes": []string{"security"}}}
	login := m{"grant_type": "oidc_flow", "oidc_issuer": s.Provider.Issuer()}
	const text = "subscribe_notifications: the service for notifications is not available on this server"
	for _, subscribe := range []any{asked, m{}, "x", true, 1} {
		s.fails(s.derive(parent, m{"subscribe_notifications": subscribe}), 501, "not_yet_implemented", text)
		login["subscribe_notifications"] = subscribe
		s.fails(s.post("/api/v0/token/my", login), 501, "not_yet_implemented", text)
		s.fails(s.post("/c", m{"mytoken": parent, "oidc_issuer": s.Provider.Issuer(), "subscribe_notifications": subscribe}), 501, "not_yet_implemented", text)
	}
	form := "grant_type=mytoken&mytoken=" + parent + "&subscribe_notifications=" + `[{"notification_type":"mail"}]`
	s.fails(s.do(http.MethodPost, "/api/v0/token/my", form, "Content-Type", "application/x-www-form-urlencoded"), 501, "not_yet_implemented", text)
	require.Len(t, s.tokens(t), 1)
	// Whoever asks for none gets what they ask for: the start of a login and the use are left.
	for _, none := range []any{nil, []any{}} {
		login["subscribe_notifications"] = none
		if none == nil {
			s.object(s.post("/api/v0/token/my", login), 200)
			continue
		}
		s.object(s.derive(parent, m{"subscribe_notifications": none}), 200)
	}
}
