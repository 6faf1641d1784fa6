package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestBadFlags: the program says in one line what is wrong, before it serves anything.
func TestBadFlags(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	dir := t.TempDir()
	damaged := filepath.Join(dir, "damaged")
	file := filepath.Join(dir, "file")
	require.NoError(t, errors.Join(os.Mkdir(damaged, 0o700), os.WriteFile(filepath.Join(damaged, "server.key"), []byte("hunter2"), 0o600), os.WriteFile(file, []byte("hunter2"), 0o600)))
	secret := "PORTAL_CLIENT_SECRET=hunter2-hunter2-hunter2"
	real := []string{"-issuer", "https://op.example.org", "-client-id", "x"}
	with := func(args ...string) []string { return append(append([]string{}, real...), args...) }
	free := []string{"PORTAL_LISTEN=127.0.0.1:0", "PORTAL_HEALTH=127.0.0.1:0", "PORTAL_DATA=" + filepath.Join(dir, "data")}
	for name, c := range map[string]struct {
		environment, args []string
		want              string
	}{
		"unknown":            {args: []string{"-client-secret", "hunter2"}, want: "flag provided but not defined: -client-secret"},
		"not a flag":         {args: []string{"serve"}, want: "portal: arguments are not accepted"},
		"no secret":          {args: real, want: "portal: -issuer needs PORTAL_CLIENT_SECRET or -client-secret-file"},
		"empty secret file":  {args: with("-client-secret-file", os.DevNull), want: "portal: -issuer needs PORTAL_CLIENT_SECRET or -client-secret-file"},
		"no secret file":     {args: with("-client-secret-file", filepath.Join(dir, "none")), want: "none: "},
		"no client":          {environment: []string{secret}, args: []string{"-issuer", "https://op.example.org"}, want: "portal: set both -issuer and -client-id"},
		"provider on http":   {environment: []string{secret}, args: []string{"-issuer", "http://op.example.org", "-client-id", "x"}, want: "portal: oidcupstream: "},
		"URL":                {environment: []string{secret}, args: with("-url", "nowhere"), want: "portal: -url is no URL"},
		"certificate alone":  {args: []string{"-tls-cert", file}, want: "portal: set both -tls-cert and -tls-key"},
		"TLS without a name": {args: []string{"-tls-cert", file, "-tls-key", file}, want: "portal: -tls-cert needs -url"},
		"no certificate":     {args: []string{"-tls-cert", file, "-tls-key", file, "-url", "https://x.example"}, want: "portal: tls: "},
		"unknown node":       {args: []string{"-abandon", "00112233445566778899aabbccddeeff"}, want: `portal: issuer: no process of node "00112233445566778899aabbccddeeff" is known`},
		"no node":            {args: []string{"-abandon", ""}, want: `portal: issuer: no process of node "" is known`},
		"trusted, no socket": {args: []string{"-trust-unix-peers"}, want: "portal: -trust-unix-peers needs -listen unix:/path"},
		"two databases":      {args: []string{"-db", "x", "-dsn", "postgres://h/d"}, want: "portal: set either -db or -dsn"},
		"DSN":                {environment: []string{"PORTAL_DSN=user:hunter2@host"}, want: "portal: database: the DSN is neither"},
		"database is down":   {environment: []string{"PORTAL_DSN=postgres://user:hunter2@127.0.0.1:1/x"}, want: "portal: sqlstore: "},
		"MariaDB is down":    {environment: []string{"PORTAL_DSN=user:hunter2@tcp(127.0.0.1:1)/x"}, want: "portal: sqlstore: "},
		"not a database":     {args: []string{"-db", file}, want: "portal: sqlstore: "},
		"database elsewhere": {args: []string{"-db", filepath.Join(dir, "none", "x.db")}, want: "portal: open "},
		"proxies":            {args: []string{"-trusted-proxies", "10.0.0.0/8,proxy"}, want: `invalid value "10.0.0.0/8,proxy" for flag -trusted-proxies: netip.ParsePrefix("proxy")`},
		"switch":             {environment: []string{"PORTAL_CHECK=perhaps"}, want: "portal: PORTAL_CHECK has a value that its flag does not accept"},
		"socket, no URL":     {args: []string{"-listen", "unix:" + filepath.Join(dir, "s")}, want: "portal: -listen unix:/path needs -url"},
		"socket is a file":   {args: []string{"-health", "unix:" + file}, want: "the file exists and is no socket"},
		"drain":              {args: []string{"-drain", "-1s"}, want: "portal: -drain is not between 0 and 1m"},
		"endless drain":      {args: []string{"-drain", "1h"}, want: "portal: -drain is not between 0 and 1m"},
		"check in earnest":   {environment: []string{secret}, args: with("-check"), want: "portal: -check uses the provider for tests"},
		"address in use":     {args: []string{"-listen", taken.Addr().String()}, want: "portal: listen tcp "},
		"health in use":      {args: []string{"-health", taken.Addr().String()}, want: "portal: listen tcp "},
		"no clients":         {args: []string{"-introspection-clients", filepath.Join(dir, "none")}, want: "flag -introspection-clients: open "},
		"bad clients":        {args: []string{"-introspection-clients", file}, want: "line 1 is not an id, a colon and the SHA-256 sum"},
		"cache":              {args: []string{"-access-token-cache", "1h"}, want: `invalid value "1h" for flag -access-token-cache: want age=5m, share=50% or left=10m`},
		"cache of nothing":   {args: []string{"-access-token-cache", "left=0"}, want: `invalid value "left=0" for flag -access-token-cache: want age=5m`},
		"share of more":      {args: []string{"-access-token-cache", "share=101%"}, want: `invalid value "share=101%" for flag -access-token-cache: want age=5m`},
		"cache, variable":    {environment: []string{"PORTAL_ACCESS_TOKEN_CACHE=age"}, want: "portal: PORTAL_ACCESS_TOKEN_CACHE has a value that its flag does not accept"},
		"level":              {args: []string{"-log-level", "loud"}, want: `invalid value "loud" for flag -log-level: want one of debug, error, info, warn`},
		"format":             {args: []string{"-log-format", "xml"}, want: `invalid value "xml" for flag -log-format: want one of json, text`},
		"level, variable":    {environment: []string{"PORTAL_LOG_LEVEL=loud"}, want: "portal: PORTAL_LOG_LEVEL has a value that its flag does not accept"},
		"data is a file":     {environment: []string{secret}, args: with("-data", file), want: "portal: keyfile: the directory for keys cannot be made: "},
		"damaged key":        {environment: []string{secret}, args: with("-data", damaged), want: "server.key: seal: unknown format"},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			cmd := command(t, append(append(append([]string{}, free...), "TMPDIR="+t.TempDir()), c.environment...), c.args...)
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			err := cmd.Run()
			if _, failed := errors.AsType[*exec.ExitError](err); !failed || !strings.Contains(stderr.String(), c.want) || stdout.Len() > 0 {
				t.Errorf("%v\n%s%s", err, &stdout, &stderr)
			}
			assert.NotContains(t, stdout.String()+stderr.String(), "hunter2")
		})
	}
}

// TestHelp: the help lists all flags, and nothing from the environment.
func TestHelp(t *testing.T) {
	cmd := command(t, []string{"PORTAL_DSN=user:hunter2@tcp(host)/database"}, "-help")
	text, err := cmd.CombinedOutput()
	if err != nil || strings.Contains(string(text), "hunter2") || !strings.Contains(string(text), "PORTAL_CLIENT_SECRET") {
		t.Errorf("%v\n%s", err, text)
	}
}

// TestRedirectURI: the program says which address to register at the provider. An address
// that is registered already may stay.
func TestRedirectURI(t *testing.T) {
	const url = "https://mytoken.example.org"
	for want, args := range map[string][]string{
		url + "/redirect/op.example.org-realms-x": nil,
		url + "/redirect":                         {"-redirect-uri", url + "/redirect"},
	} {
		p := start(t, []string{"PORTAL_CLIENT_SECRET=hunter2-hunter2-hunter2"}, append(args,
			"-issuer", "https://op.example.org/realms/x", "-client-id", "x", "-url", url, "-data", t.TempDir())...)
		p.errs.wait(t, "redirect_uri="+want+"\n")
		p.stop()
	}
}

// TestTLSBehindProxies: with a certificate the program speaks HTTP/2 over TLS. It
// believes the trusted proxies.
func TestTLSBehindProxies(t *testing.T) {
	dir := t.TempDir()
	roots := certificate(t, filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	p := start(t, []string{"PORTAL_TRUSTED_PROXIES=192.0.2.0/24, 127.0.0.1/32"},
		"-url", "https://portal.example.org", "-tls-cert", filepath.Join(dir, "cert.pem"), "-tls-key", filepath.Join(dir, "key.pem"))
	client := p.client()
	transport := client.Transport.(*http.Transport)
	transport.TLSClientConfig, transport.ForceAttemptHTTP2 = &tls.Config{RootCAs: roots}, true
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL+"/.well-known/mytoken-configuration", nil)
	require.NoError(t, err)
	req.Header.Set("X-Forwarded-For", "198.51.100.9, 203.0.113.5, 192.0.2.8")
	resp, err := client.Do(req)
	require.NoError(t, err)
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.ProtoMajor != 2 {
		t.Errorf("%s %s", resp.Proto, resp.Status)
	}
	p.errs.wait(t, "address=203.0.113.5")
	p.stop()
}

// TestBehindUnixSocket: the service and its health check listen on Unix sockets, which are
// gone at the end. The program believes what a proxy says there, if it is told to.
func TestBehindUnixSocket(t *testing.T) {
	for flag, address := range map[string]string{"-trust-unix-peers": "203.0.113.5", "-trust-unix-peers=false": `"invalid IP"`} {
		dir := t.TempDir()
		p := start(t, nil, "-listen", "unix:"+filepath.Join(dir, "service"), "-health", "unix:"+filepath.Join(dir, "health"), "-url", "https://portal.example.org", flag)
		assert.True(t, strings.HasPrefix(p.out.String(), "Open https://portal.example.org in a browser.\n"), p.out.String())
		assert.Contains(t, p.out.String(), "listens on the socket "+p.address+". The address works as soon as your proxy leads there.")
		assert.Contains(t, p.out.String(), "The provider for tests, "+p.provider+", can be reached from this machine alone")
		client := func(socket string) *http.Client {
			transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", socket)
			}}
			t.Cleanup(transport.CloseIdleConnections)
			return &http.Client{Transport: transport}
		}
		status, _, err := send(t.Context(), client(p.address), http.MethodGet, "http://portal.example.org/.well-known/mytoken-configuration", "", "", "X-Forwarded-For", "203.0.113.5")
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, status)
		p.errs.wait(t, "address="+address)
		status, _, err = send(t.Context(), client(p.health), http.MethodGet, "http://localhost", "", "")
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, status)
		p.stop()
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		assert.Empty(t, left)
	}
}

// certificate makes a key and a certificate for portal.example.org.
func certificate(t *testing.T, certFile, keyFile string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "portal"}, DNSNames: []string{"portal.example.org"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	for name, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		require.NoError(t, os.WriteFile(name, pem.EncodeToMemory(block), 0o600))
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return roots
}

// TestLog: the log of the level Info has one line for a login, and none for requests that
// worked. The log of the level Debug has one for each request. No line has a secret, in
// neither format.
//
// proves P9.
func TestLog(t *testing.T) {
	for name, c := range map[string]struct {
		args     []string
		requests int
		line     string // pattern of the login's
	}{
		"info, text":  {[]string{"-log-level", "info"}, 0, `^time=\S+ level=INFO msg=mytoken kind=issued address=127\.0\.0\.1 mom_id=\S+ reason=login detail=http\S+ request=[0-9a-f]{24}\n$`},
		"debug, json": {[]string{"-log-format", "json"}, 8, `^{"time":"[^"]+","level":"INFO","msg":"mytoken","kind":"issued","address":"127\.0\.0\.1","mom_id":"[^"]+","reason":"login","detail":"http[^"]+","request":"[0-9a-f]{24}"}\n$`},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, nil, c.args...)
			token, secrets := p.login()
			secrets = append(secrets, p.access(token))
			p.stop()
			requests, logins := 0, 0
			for line := range strings.Lines(p.errs.String()) {
				switch {
				case strings.Contains(line, "mytoken request"):
					requests++
				case strings.Contains(line, "issued"):
					logins++
					assert.Regexp(t, c.line, line)
				}
			}
			assert.Equal(t, c.requests, requests, "%s", p.errs)
			assert.Equal(t, 1, logins, "%s", p.errs)
			p.quiet(secrets...)
		})
	}
}
