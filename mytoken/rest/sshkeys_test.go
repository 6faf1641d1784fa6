package rest_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/rest"
	"github.com/mytoken-go/sdk/mytoken/sshd"
)

// sshServer is an SSH server that the tests of this package do not start. Its host key is
// always the same.
func sshServer() rest.SSHServer {
	seed := sha256.Sum256([]byte("host key of the tests"))
	key, err := ssh.NewSignerFromKey(ed25519.NewKeyFromSeed(seed[:]))
	if err != nil {
		panic(err)
	}
	server, err := sshd.New(sshd.Config{Issuer: new(issuer.Issuer), HostKeys: []ssh.Signer{key}})
	if err != nil {
		panic(err)
	}
	return server
}

func withSSH(o *setup) { o.rest.SSH = sshServer() }

// sshLine returns a new key, as a .pub file has it, and its fingerprint.
func sshLine(t testing.TB) (line, fingerprint string) {
	t.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	key, err := ssh.NewPublicKey(public)
	require.NoError(t, err)
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))) + " user@host", ssh.FingerprintSHA256(key)
}

const pathSSH = "/api/v0/settings/grants/ssh"

// settingsToken returns a token of alice for her settings. The grant is enabled.
func (s *service) settingsToken() string {
	s.t.Helper()
	token := s.token(mytoken.Properties{Capabilities: capability.Set{capability.Settings}})
	require.Equal(s.t, 201, s.post("/api/v0/settings/grants", m{"mytoken": token, "grant_type": "ssh"}).StatusCode)
	return token
}

// addKey registers a key with the given members. It returns what the user gets, and the
// consent page.
func (s *service) addKey(token, line string, members m, decision m) (m, *reply) {
	s.t.Helper()
	body := m{"grant_type": "mytoken", "mytoken": token, "ssh_key": line}
	for k, v := range members {
		body[k] = v
	}
	started := s.object(s.post(pathSSH, body), 200)
	b := s.browser()
	consent := started["consent_uri"].(string)
	page := b.open(consent)
	poll := m{"grant_type": "polling_code", "polling_code": started["polling_code"]}
	s.fails(s.post(pathSSH, poll), 428, "authorization_pending", "")
	require.Less(s.t, b.login(b.approve(consent, decision), "alice").StatusCode, 400)
	s.fails(s.poll(started["polling_code"].(string)), 401, "invalid_token", "Bad polling or transfer code")
	got := s.object(s.post(pathSSH, poll), 200)
	s.fails(s.post(pathSSH, poll), 401, "invalid_token", "Bad polling or transfer code")
	return got, page
}

// TestSSHKeys registers a key, lists and deletes it (protocol section 5.11).
func TestSSHKeys(t *testing.T) {
	s := start(t, withSSH)
	token := s.settingsToken()
	line, fingerprint := sshLine(t)
	list := func() m {
		return s.object(s.do(http.MethodGet, pathSSH, "null\n", "Authorization", "Bearer "+token, "Content-Type", ""), 200)
	}
	assert.Equal(t, m{"grant_enabled": true, "ssh_keys": nil}, list())
	got, page := s.addKey(token, line, m{"name": "laptop", "application_name": "mytoken webinterface", "restrictions": []m{{"usages_AT": 5}}}, nil)
	assert.Contains(t, page.text, "<code>"+strings.ReplaceAll(fingerprint, "+", "&#43;")+"</code>")
	assert.Contains(t, page.text, "mytoken for ssh-grant: laptop")
	accessible(t, page)
	user := got["ssh_user"].(string)
	assert.Equal(t, "# Host entry for mytoken\nHost mytoken-laptop\n\tHostName 127.0.0.1\n\tPort 2222\n\tUser "+user+
		"\n\t# Only needed if the key is none of the default keys of ssh:\n\t# IdentityFile ~/.ssh/your.key\n", got["ssh_host_config"])
	assert.Equal(t, m{"grant_enabled": true, "ssh_keys": []any{m{
		"name": "laptop", "ssh_key_fp": fingerprint, "created": float64(s.Clock.Now().Unix()),
	}}}, list())
	s.fails(s.post(pathSSH, m{"grant_type": "mytoken", "mytoken": token, "ssh_key": line}), 409, "invalid_request", "ssh key already added")

	// The key acts over SSH alone.
	key, err := s.Issuer.OpenSSHKey(t.Context(), fingerprint, mytoken.NewSecret(user))
	require.NoError(t, err)
	out, err := s.http.Config.Handler.(*rest.Handler).Command(t.Context(), issuer.Client{Key: key}, "AT", nil)
	require.NoError(t, err)
	assert.NotEmpty(t, out.Reveal())
	_, err = s.http.Config.Handler.(*rest.Handler).Command(t.Context(), issuer.Client{}, "AT", nil)
	require.ErrorIs(t, err, rest.ErrAction, "a client without a key has no actions")
	s.fails(s.access(user, nil), 401, "invalid_token", "token not valid")
	assert.Equal(t, float64(s.Clock.Now().Unix()), list()["ssh_keys"].([]any)[0].(m)["last_used"])

	for _, body := range []m{{"ssh_key": line}, {"ssh_key_fp": fingerprint}} {
		body["mytoken"] = token
		r := s.do(http.MethodDelete, pathSSH, encode(t, body))
		require.Equal(t, 204, r.StatusCode, "%s", r.text)
		require.Empty(t, r.text)
	}
	assert.Nil(t, list()["ssh_keys"])
	_, err = s.Issuer.OpenSSHKey(t.Context(), fingerprint, mytoken.NewSecret(user))
	require.ErrorIs(t, err, issuer.ErrUnknownKey)
	assert.NotContains(t, s.Log.String(), user)

	discovery := s.object(s.do(http.MethodGet, "/.well-known/mytoken-configuration", ""), 200)
	assert.Equal(t, []any{m{"type": "ssh-ed25519", "fingerprint": sshServer().Fingerprints()["ssh-ed25519"]}}, discovery["ssh_keys"])
}

// TestSSHKeysAreRefused in the order of protocol section 5.11. Nothing is stored.
func TestSSHKeysAreRefused(t *testing.T) {
	s := start(t, withSSH)
	line, _ := sshLine(t)
	weak := s.token(mytoken.Properties{Capabilities: capability.Set{capability.AT, capability.ReadSettings}})
	token := s.token(mytoken.Properties{Capabilities: capability.Set{capability.Settings}})
	for _, c := range []struct {
		body       m
		status     int
		code, text string
	}{
		{m{"grant_type": "telepathy", "ssh_key": line, "mytoken": token}, 400, "unsupported_grant_type", "grant_type is neither mytoken nor polling_code"},
		{m{"grant_type": "mytoken", "mytoken": token}, 400, "invalid_request", "required parameter 'ssh_key' is missing"},
		{m{"grant_type": "mytoken", "ssh_key": "ssh-ed25519 AAAA"}, 400, "invalid_request", "could not parse ssh public key: it is not a line as in authorized_keys, such as a .pub file has it"},
		{m{"grant_type": "mytoken", "ssh_key": line + strings.Repeat("x", 20_000), "mytoken": token}, 400, "invalid_request", "could not parse ssh public key: it is longer than 16384 bytes"},
		{m{"grant_type": "mytoken", "ssh_key": line}, 401, "invalid_token", "no mytoken found in request"},
		{m{"grant_type": "mytoken", "ssh_key": line, "mytoken": weak}, 403, "insufficient_capabilities", "The provided token does not have the required capability for this operation"},
		{m{"grant_type": "mytoken", "ssh_key": line, "mytoken": token}, 403, "access_denied", "'ssh' grant type not enabled"},
		{m{"grant_type": "polling_code", "polling_code": "abcdefghijkmnopqrstuvwxy"}, 401, "invalid_token", "Bad polling or transfer code"},
	} {
		s.fails(s.post(pathSSH, c.body), c.status, c.code, c.text)
	}
	s.fails(s.do(http.MethodDelete, pathSSH, encode(t, m{"mytoken": token})), 400, "invalid_request", "One of the required parameters 'ssh_key' or 'ssh_key_hash' must be given")
	s.fails(s.do(http.MethodDelete, pathSSH, encode(t, m{"mytoken": token, "ssh_key": "x"})), 400, "invalid_request", "could not parse ssh public key: it is not a line as in authorized_keys, such as a .pub file has it")
	s.fails(s.do(http.MethodDelete, pathSSH, encode(t, m{"mytoken": weak, "ssh_key_fp": "x"})), 403, "insufficient_capabilities", "The provided token does not have the required capability for this operation")

	off := start(t)
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
		assert.Equal(t, 501, off.do(method, pathSSH, "{}").StatusCode)
	}
	assert.NotContains(t, off.do(http.MethodGet, "/.well-known/mytoken-configuration", "").text, "ssh_keys")
}

// TestN3_NamesInTheStanza: only a plain name gets into what clients append to
// ~/.ssh/config. Users may change it on the consent page, but not the rest.
func TestN3_NamesInTheStanza(t *testing.T) {
	s := start(t, withSSH)
	token := s.settingsToken()
	for name, host := range map[string]string{
		"":                      "mytoken",
		"a.b_c-9":               "mytoken-a.b_c-9",
		strings.Repeat("x", 32): "mytoken-" + strings.Repeat("x", 32),
		strings.Repeat("x", 33): "mytoken",
		"my laptop":             "mytoken",
		"x ProxyCommand=sh":     "mytoken",
		"*":                     "mytoken",
		"läptop":                "mytoken",
		"x\u2028ProxyCommand":   "mytoken",
	} {
		line, _ := sshLine(t)
		body := m{"name": name}
		if r := s.post(pathSSH, m{"grant_type": "mytoken", "mytoken": token, "ssh_key": line, "name": name}); r.StatusCode == 400 {
			continue // no legible name
		}
		got, _ := s.addKey(token, line, body, nil)
		config := got["ssh_host_config"].(string)
		assert.Len(t, strings.Split(config, "\n"), 8, "%q", config)
		assert.Equal(t, "Host "+host, strings.Split(config, "\n")[1], "%q", name)
	}
	for _, name := range []string{"a\nProxyCommand x", "a\rb", "a\x00b", strings.Repeat("x", 65)} {
		line, _ := sshLine(t)
		r := s.post(pathSSH, m{"grant_type": "mytoken", "mytoken": token, "ssh_key": line, "name": name})
		require.Equal(t, 400, r.StatusCode, "%q: %s", name, r.text)
	}
	for edited, host := range map[string]string{"mytoken for ssh-grant: work": "mytoken-work", "mytoken for ssh-grant": "mytoken", "short": "mytoken", "something else altogether, a": "mytoken"} {
		line, _ := sshLine(t)
		got, _ := s.addKey(token, line, m{"name": "asked"}, m{"oidc_issuer": s.Provider.Issuer(), "name": edited})
		assert.Equal(t, "Host "+host, strings.Split(got["ssh_host_config"].(string), "\n")[1], "%q", edited)
	}
}

// TestSSHKeysRotate: the token that authorises gets its successor each time.
func TestSSHKeysRotate(t *testing.T) {
	s := start(t, withSSH)
	s.settingsToken()
	token := s.token(mytoken.Properties{Capabilities: capability.Set{capability.Settings}, Rotation: &mytoken.Rotation{OnOther: true, AutoRevoke: true}})
	line, fingerprint := sshLine(t)
	for _, send := range []func() *reply{
		func() *reply { return s.post(pathSSH, m{"grant_type": "mytoken", "mytoken": token, "ssh_key": line}) },
		func() *reply { return s.do(http.MethodGet, pathSSH, encode(t, m{"mytoken": token})) },
		func() *reply {
			return s.do(http.MethodDelete, pathSSH, encode(t, m{"mytoken": token, "ssh_key_fp": fingerprint}))
		},
	} {
		update, _ := s.object(send(), 200)["token_update"].(m)
		require.NotNil(t, update)
		require.NotEqual(t, token, update["mytoken"])
		token = update["mytoken"].(string)
		s.Clock.Advance(time.Minute)
	}
}
