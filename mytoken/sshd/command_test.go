package sshd_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/internal/paralleltest"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/restriction"
)

func object(t *testing.T, text string) (out map[string]any) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), &out), "%s", text)
	return out
}

// TestCommands runs every action that is served. No log shows the SSH user. // proves P9
func TestCommands(t *testing.T) {
	s := start(t)
	h := s.register(newKey(t), mytoken.Properties{Name: "laptop"})

	assert.NotEmpty(t, h.worked("AT"))
	assert.NotEqual(t, h.worked("AT"), h.worked(`AT application/json '{"grant_type":"mytoken","mytoken":"","scope":"openid","comment":"it's mine"}'`))
	compact := mytoken.NewSecret(h.worked(`MT application/json '{"grant_type":"ssh","name":"child","capabilities":["AT"]}'`))
	child, err := s.Issuer.Inspect(t.Context(), issuer.InspectRequest{Token: compact})
	require.NoError(t, err)
	assert.Equal(t, "child", child.Claims.Name())
	assert.Len(t, h.worked(`MT application/json {"response_type":"short_token"}`), 64)
	code := h.worked(`MT application/json '{"response_type":"transfer_code"}'`)
	redeemed, err := s.Issuer.Redeem(t.Context(), issuer.RedeemRequest{Code: mytoken.NewSecret(code), Client: mytokentest.Client})
	require.NoError(t, err)

	seen := object(t, h.worked("introspect"))
	assert.Equal(t, "mytoken for ssh-grant: laptop", seen["token"].(map[string]any)["name"])
	momID := seen["mom_id"].(string)
	history := object(t, h.worked("history"))["events"].([]any)
	newest := history[0].(map[string]any)
	assert.Equal(t, "SSH-2.0-tests_1.0", newest["user_agent"])
	assert.Equal(t, "127.0.0.1", newest["ip"])
	comments, _ := json.Marshal(history)
	assert.Contains(t, string(comments), "it's mine")
	tree := object(t, h.worked("list-subtokens"))["mytokens"].(map[string]any)
	assert.Len(t, tree["children"], 3)
	assert.Len(t, object(t, h.worked("list-all-mytokens"))["mytokens"], 2)

	assert.Equal(t, "OK", h.worked(`revoke application/json '{"token":"","mom_id":"`+redeemed.ID.String()+`"}'`))
	h.fails(`revoke application/json '{"mom_id":"x"}'`, "invalid_request: mom_id is not a mom_id")
	assert.Equal(t, "OK", h.worked(`revoke application/json '{"token":"","mom_id":"","recursive":false}'`), "the key's own token")
	_, err = ssh.Dial("tcp", s.address, h.config())
	require.ErrorContains(t, err, "unable to authenticate", "its token is gone")
	_, err = s.Issuer.Inspect(t.Context(), issuer.InspectRequest{Token: compact})
	require.NoError(t, err, "children stay")
	assert.Empty(t, s.keys())
	assert.NotEmpty(t, momID)
	assert.NotContains(t, s.Log.String(), h.user, "the SSH user is a secret")
}

// TestSameAnswers: a command prints what the same request gets over HTTP.
func TestSameAnswers(t *testing.T) {
	s := start(t)
	h := s.register(newKey(t), mytoken.Properties{Restrictions: restriction.List{{UsagesAT: restriction.Usages(2), Scopes: []string{"openid", "compute"}}}})
	child := h.worked(`MT application/json '{"restrictions":[{"usages_AT":1}]}'`)
	over := func(action string) map[string]any {
		resp, err := http.Post(s.URL+"/api/v0/tokeninfo", "application/json", strings.NewReader(`{"action":"`+action+`","mytoken":"`+child+`"}`))
		require.NoError(t, err)
		defer resp.Body.Close()
		var out map[string]any
		require.NoError(t, json.NewDecoder(resp.Body).Decode(&out))
		return out
	}
	members := func(o map[string]any) (names []string) {
		for name, value := range o {
			names = append(names, name)
			if inner, ok := value.(map[string]any); ok {
				for inside := range inner {
					names = append(names, name+"."+inside)
				}
			}
		}
		return names
	}
	for command, action := range map[string]string{"introspect": "introspect", "history": "event_history", "list-subtokens": "subtokens", "list-all-mytokens": "list_mytokens"} {
		here, there := members(object(t, h.worked(command))), members(over(action))
		if command == "introspect" { // the child has no name
			there = append(there, "token.name")
		}
		if command == "list-subtokens" { // the child has no children
			there = append(there, "mytokens.children")
		}
		assert.ElementsMatch(t, there, here, command)
	}
}

// TestCommandErrors: each is one line on both outputs, and status 1.
func TestCommandErrors(t *testing.T) {
	s := start(t)
	h := s.register(newKey(t), mytoken.Properties{Capabilities: capability.Set{capability.AT}})
	h.fails("introspect", "insufficient_capabilities: The provided token does not have the required capability for this operation")
	h.fails(`AT application/json '{"scope":5}'`, "invalid_request: scope has the wrong type")
	h.fails(`AT application/json '[1]'`, "invalid_request: the body is not a JSON object, or not strict JSON")
	h.fails(`AT application/json '{"comment":"a","comment":"b"}'`, "invalid_request: the body is not a JSON object, or not strict JSON")
	h.fails(`AT application/json '{"oidc_issuer":"https://other.example.org"}'`, "invalid_request: token not for specified issuer")
	h.fails("AT application/xml x", "unknown mimetype; supported mimetypes are: [application/json application/json;base64]")
	h.fails("AT application/json;base64 ???", "invalid_request: the data is not base64 with padding")
	for _, token := range []string{`"mytoken":"` + s.by.Reveal() + `"`, `"refresh_token":"x"`} {
		h.fails(`AT application/json '{`+token+`}'`, "invalid_request: the SSH key stands for its own token, and no other one can be used")
	}
	for _, action := range strings.Fields("tokeninfo-notifications notifications notification-create notification-update notification-delete " +
		"notification-add-token notification-remove-token calendars calendar-create calendar-get calendar-update calendar-delete " +
		"calendar-add-mytoken calendar-remove-mytoken calendar-add-tag calendar-remove-tag email-get email-set") {
		got := h.run(action + ` application/json '{"tag":"a"}'`)
		assert.Equal(t, 1, got.status, action)
		assert.Regexp(t, `^not_yet_implemented: not supported by this server: (mail|notifications|calendars)\n$`, got.out, action)
	}
	for command, first := range map[string]string{"telepathy": "Unknown request", "at": "Unknown request", "AT x": "Invalid Request", "'": "Invalid Request"} {
		got := h.run(command)
		assert.Equal(t, 1, got.status)
		lines := strings.Split(strings.TrimSpace(got.out), "\n")
		require.Len(t, lines, 3, "%s: %s", command, got.out)
		assert.Equal(t, first, lines[0])
		assert.Contains(t, lines[2], s.URL)
		for _, action := range []string{
			wire.SSHAccessToken, wire.SSHMytoken, wire.SSHIntrospect, wire.SSHHistory, wire.SSHSubtokens, wire.SSHList, wire.SSHRevoke,
			wire.SSHTags, wire.SSHTagCreate, wire.SSHTagUpdate, wire.SSHTagDelete, wire.SSHTagAdd, wire.SSHTagRemove,
		} {
			assert.Regexp(t, `\b`+action+`[,.]`, lines[2])
		}
		assert.Equal(t, got.out, got.err)
	}
	assert.NotEmpty(t, h.worked("AT"), "nothing of this did harm")
}

// TestTagsOverSSH: a key sorts tokens as its token does over HTTP.
func TestTagsOverSSH(t *testing.T) {
	s := start(t)
	rotating := mytoken.Properties{Rotation: &mytoken.Rotation{OnOther: true}}
	rotating.Capabilities = capability.Set{capability.SettingsTags, capability.TokeninfoTags, capability.TokeninfoSubtokens, capability.CreateMytoken}
	h := s.register(newKey(t), rotating)
	data := func(action, data string) string { return action + " application/json '" + data + "'" }
	const ok = "OK"
	require.Equal(t, ok, h.worked(data("tag-create", `{"tag":"night","color":"#a1b2c3"}`)))
	require.Equal(t, ok, h.worked(data("add-tag", `{"tag":"night","include_children":true,"mom_id":""}`)))
	require.Equal(t, ok, h.worked(data("add-tag", `{"tag":"new"}`)))
	require.NotEmpty(t, h.worked(data("MT", `{"capabilities":["create_mytoken"],"tags":[{"tag":"child"}]}`)))
	var listed struct {
		Mytokens struct {
			Token    struct{ Tags []m } `json:"token"`
			Children []struct {
				Token struct{ Tags []m } `json:"token"`
			} `json:"children"`
		} `json:"mytokens"`
	}
	text := h.worked("list-subtokens")
	require.NoError(t, json.Unmarshal([]byte(text), &listed))
	require.Len(t, listed.Mytokens.Children, 1, text)
	names := func(tags []m) (names []any) {
		for _, tag := range tags {
			names = append(names, tag["tag"])
		}
		return names
	}
	assert.ElementsMatch(t, []any{"night", "new"}, names(listed.Mytokens.Token.Tags), text)
	assert.ElementsMatch(t, []any{"night", "child"}, names(listed.Mytokens.Children[0].Token.Tags), text)
	require.Equal(t, ok, h.worked(data("tag-update", `{"tag":"night","name":"day"}`)))
	require.Equal(t, ok, h.worked(data("remove-tag", `{"tag":"day"}`)))
	require.Equal(t, ok, h.worked(data("tag-delete", `{"tag":"new"}`)))
	require.NotContains(t, h.worked("list-subtokens"), `"day"`)
	assert.Equal(t, "child day", tagNames(t, h.worked("tags-list")))
	h.fails("tag-create", "invalid_request: tag must not be empty")
	h.fails(data("tag-update", `{"tag":"day"}`), "invalid_request: no supported request parameter given")
	h.fails(data("tag-update", `{"tag":"day","name":"child"}`), "invalid_request: tag: the user has another tag of this name")
	h.fails(data("tag-create", `{"tag":"a/b"}`), "invalid_request: tag: must not have the character '/'")
	assert.Equal(t, "child day", tagNames(t, h.worked("tags-list")))
}

type m = map[string]any

func tagNames(t *testing.T, list string) string {
	t.Helper()
	var names []string
	for _, tag := range object(t, list)["tags"].([]any) {
		names = append(names, tag.(m)["tag"].(string))
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// TestRestrictionsOverSSH: the address of the connection and the uses count.
func TestRestrictionsOverSSH(t *testing.T) {
	s := start(t)
	here := s.register(newKey(t), mytoken.Properties{Restrictions: from("127.0.0.0/8")})
	there := s.register(newKey(t), mytoken.Properties{Restrictions: from("192.0.2.0/24")})
	once := s.register(newKey(t), mytoken.Properties{Restrictions: restriction.List{{UsagesAT: restriction.Usages(1)}}})
	assert.NotEmpty(t, here.worked("AT"))
	for _, h := range []*holder{there, once} {
		if h == once {
			h.worked("AT")
		}
		got := h.run("AT")
		assert.Equal(t, 1, got.status)
		assert.True(t, strings.HasPrefix(got.out, "usage_restricted: The restrictions of this token does not allow this usage"), got.out)
	}
}

// TestExpiredOverSSH: whether the token has expired is for the command to say.
func TestExpiredOverSSH(t *testing.T) {
	s := start(t)
	h := s.register(newKey(t), mytoken.Properties{Restrictions: restriction.List{{Expires: s.Clock.Now().Add(time.Hour).Unix()}}})
	s.Clock.Advance(2 * time.Hour)
	h.fails("AT", "invalid_token: token has expired")
}

// TestRevokedWhileConnected: a connection that stands gives no right to go on.
// proves P6
func TestRevokedWhileConnected(t *testing.T) {
	s := start(t)
	h := s.register(newKey(t), mytoken.Properties{})
	client := h.dial()
	require.Zero(t, runOn(t, client, "AT").status)
	_, err := s.Issuer.DeleteSSHKey(t.Context(), issuer.SSHKeyDeletion{Token: s.by, Fingerprint: ssh.FingerprintSHA256(h.key.PublicKey()), Client: mytokentest.Client})
	require.NoError(t, err)
	assert.Equal(t, outcome{"invalid_token\n", "invalid_token\n", 1}, runOn(t, client, "AT"))
}

// TestD102_EmptyMembers: the empty members of the public client hide nothing.
func TestD102_EmptyMembers(t *testing.T) {
	s := start(t)
	h := s.register(newKey(t), mytoken.Properties{})
	h.worked(`AT application/json '{"grant_type":"mytoken","oidc_issuer":"","mytoken":"","scope":"openid","audience":null,"comment":"seen"}'`)
	assert.Contains(t, h.worked("history"), ": seen")
	assert.Equal(t, "named", object(t, bodyOf(h.worked(`MT application/json '{"grant_type":"ssh","mytoken":"","name":"named","action":"","token":""}'`)))["name"])
}

// bodyOf returns the claims of a token.
func bodyOf(compact string) string {
	return string(mustDecode(strings.Split(compact, ".")[1]))
}

// TestD82_PanicsEndOneCommand: the server and the connection go on.
func TestD82_PanicsEndOneCommand(t *testing.T) {
	broken := &commands{}
	s := start(t, func(o *setup) { o.commands = broken })
	broken.next = s.rest
	h := s.register(newKey(t), mytoken.Properties{})
	broken.do = func() { panic("a bug with a secret") }
	client := h.dial()
	session, err := client.NewSession()
	require.NoError(t, err)
	require.Error(t, session.Run("AT"), "no exit status")
	broken.do = nil
	require.Zero(t, runOn(t, client, "AT").status)
	assert.Contains(t, s.Log.String(), "an SSH session")
}

// commands lets a test look at commands before they are carried out.
type commands struct {
	next interface {
		Command(context.Context, issuer.Client, string, []byte) (mytoken.Secret, error)
	}
	do   func()
	seen func(issuer.Client)
}

func (c *commands) Command(ctx context.Context, client issuer.Client, action string, data []byte) (mytoken.Secret, error) {
	if c.do != nil {
		c.do()
	}
	if c.seen != nil {
		c.seen(client)
	}
	return c.next.Command(ctx, client, action, data)
}

// TestN8_DisabledGrant: no key works while the user has the grant disabled.
func TestN8_DisabledGrant(t *testing.T) {
	s := start(t)
	h := s.register(newKey(t), mytoken.Properties{})
	client := h.dial()
	s.setGrant(false)
	_, err := ssh.Dial("tcp", s.address, h.config())
	require.ErrorContains(t, err, "unable to authenticate")
	assert.Equal(t, 1, runOn(t, client, "AT").status)
	s.setGrant(true)
	h.worked("AT")
}

// TestN5_RotationOverSSH: nothing is printed about a rotation, and the key goes on, also
// in many connections at once.
func TestN5_RotationOverSSH(t *testing.T) {
	s := start(t, func(o *setup) {
		o.Options.Config = func(c *issuer.Config) { c.RotationGrace = -1 }
	})
	h := s.register(newKey(t), mytoken.Properties{Rotation: &mytoken.Rotation{OnAT: true, OnOther: true, AutoRevoke: true}})
	seq := func() float64 { return object(t, h.worked("introspect"))["token"].(map[string]any)["seq_no"].(float64) }
	before := seq()
	for _, command := range []string{"AT", "MT", "history", "list-subtokens", "list-all-mytokens"} {
		out := h.worked(command)
		assert.NotContains(t, out, "token_update")
		s.Clock.Advance(time.Minute)
	}
	assert.Equal(t, before+5, seq())
	paralleltest.Do(64, func(k int) {
		got := h.run([]string{"AT", "MT", "introspect", "history"}[k%4])
		if got.status != 0 { // more lists at once than one token may have
			assert.True(t, k%4 == 3 && strings.HasPrefix(got.out, "temporarily_unavailable"), "%+v", got)
		}
	})
	h.worked("AT")
}

// TestN2_QueriesMoveNothing: a client that asks whether a key would be accepted, and
// cannot sign with it, leaves no trace.
func TestN2_QueriesMoveNothing(t *testing.T) {
	s := start(t)
	h := s.register(newKey(t), mytoken.Properties{})
	h.worked("AT")
	used := s.keys()[0].LastUsed
	s.Clock.Advance(time.Hour)
	asked := &cannotSign{Signer: h.key}
	_, err := ssh.Dial("tcp", s.address, h.config(ssh.PublicKeys(asked)))
	require.Error(t, err)
	require.True(t, asked.accepted, "the server said that it would take the key")
	assert.Equal(t, used, s.keys()[0].LastUsed)
	h.dial() // not even a connection without a command
	assert.Equal(t, used, s.keys()[0].LastUsed)
	h.worked("AT")
	assert.Equal(t, s.Clock.Now().Unix(), s.keys()[0].LastUsed.Unix())
}
