package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestHostNames: a token can be bound to a host name, because the program looks names up. An
// address that does not have the name is refused.
func TestHostNames(t *testing.T) {
	p := start(t, nil)
	token, _ := p.login(object{"restrictions": []object{{"hosts": []string{"elsewhere.invalid"}}}})
	status, got := p.api("token/access", object{"grant_type": "mytoken", "mytoken": token})
	assert.Equal(t, http.StatusForbidden, status)
	assert.Contains(t, got["error_description"], ": hosts: ")
	p.stop()
}

// TestIntrospectionClients: the clients of the file may introspect tokens, and nobody else.
func TestIntrospectionClients(t *testing.T) {
	const secret = "a random secret of the tests"
	file := filepath.Join(t.TempDir(), "clients")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, "# id:sum\ncompute:%x\n", sha256.Sum256([]byte(secret))), 0o600))
	p := start(t, nil, "-introspection-clients", file)
	token, secrets := p.login()
	introspect := func(id, secret string) (int, object) {
		body := url.Values{"token": {token}, "client_id": {id}, "client_secret": {secret}}.Encode()
		status, text, err := send(t.Context(), p.client(), http.MethodPost, p.URL+"/oauth/introspect", "application/x-www-form-urlencoded", body)
		require.NoError(t, err)
		var got object
		require.NoError(t, json.Unmarshal([]byte(text), &got), text)
		return status, got
	}
	status, got := introspect("compute", secret)
	assert.Equal(t, []any{http.StatusOK, true}, []any{status, got["active"]})
	for id, secret := range map[string]string{"compute": "another secret of the tests", "storage": secret, "": ""} {
		status, _ := introspect(id, secret)
		assert.Equal(t, http.StatusUnauthorized, status, id)
	}
	p.stop()
	p.quiet(append(secrets, secret)...)
}

// TestProviderForTestsKeepsItsAddress: with -data the provider for tests is where it was
// before, because clients are configured with it. The program says so if it cannot be.
func TestProviderForTestsKeepsItsAddress(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "data")
	first := start(t, nil, "-data", dir)
	first.stop()
	second := start(t, nil, "-data", dir)
	require.Equal(t, first.provider, second.provider)
	private(t, dir)
	second.access(func() string { token, _ := second.login(); return token }())
	second.stop()

	taken, err := net.Listen("tcp", strings.TrimPrefix(first.provider, "http://"))
	require.NoError(t, err)
	defer taken.Close()
	text, err := command(t, nil, "-listen", "127.0.0.1:0", "-health", "127.0.0.1:0", "-data", dir).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(text), "portal: the provider for tests cannot have its address of before: ")
	require.Contains(t, string(text), "remove "+filepath.Join(dir, "provider-for-tests"))

	one, two := start(t, nil), start(t, nil) // without a directory each has its own
	require.NotEqual(t, one.provider, two.provider)
	one.stop()
	two.stop()
}
