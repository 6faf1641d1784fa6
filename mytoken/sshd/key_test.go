package sshd_test

import (
	"crypto/dsa" //lint:ignore SA1019 to see it refused
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/sshd"
)

// skLine is a key of a security key, as ssh-keygen -t ed25519-sk makes it.
const skLine = "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIJjzc2a20RjCvN/0ibH6UpGuN9F9hDvD7x182bOesNhHAAAABHNzaDo= user@host"

// publicLine is a line as in authorized_keys.
func publicLine(t *testing.T, key any) string {
	t.Helper()
	public, err := ssh.NewPublicKey(key)
	require.NoError(t, err)
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public)))
}

func TestParseKey(t *testing.T) {
	server, err := sshd.New(sshd.Config{Issuer: new(issuer.Issuer), HostKeys: []ssh.Signer{newKey(t)}})
	require.NoError(t, err)
	signer := newKey(t)
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
	want := ssh.FingerprintSHA256(signer.PublicKey())
	for _, text := range []string{line, line + " user@host\n", "  " + line, `restrict,command="x y" ` + line} {
		got, err := server.ParseKey(text)
		require.NoError(t, err, "%q", text)
		assert.Equal(t, want, got)
	}
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	good, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	curve, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	for _, text := range []string{publicLine(t, &good.PublicKey), publicLine(t, &curve.PublicKey), skLine} {
		_, err := server.ParseKey(text)
		assert.NoError(t, err, "%s", text)
	}
	certificate := &ssh.Certificate{Key: signer.PublicKey(), CertType: ssh.UserCert}
	require.NoError(t, certificate.SignCert(rand.Reader, newKey(t)))
	var old dsa.PrivateKey
	require.NoError(t, dsa.GenerateParameters(&old.Parameters, rand.Reader, dsa.L1024N160))
	require.NoError(t, dsa.GenerateKey(&old, rand.Reader))
	for text, why := range map[string]string{
		"":                                   "authorized_keys",
		"ssh-ed25519":                        "authorized_keys",
		"# " + line:                          "authorized_keys",
		"ssh-rsa " + strings.Fields(line)[1]: "authorized_keys",
		line + "\n" + line:                   "more than one line",
		"# comment\n" + line:                 "more than one line",
		line + strings.Repeat(" x", 10_000):  "longer than 16384 bytes",
		publicLine(t, &short.PublicKey):      "1024 bits",
		publicLine(t, &old.PublicKey):        "ssh-dss are not accepted",
		string(ssh.MarshalAuthorizedKey(certificate)): "certificate",
	} {
		_, err := server.ParseKey(text)
		require.ErrorContains(t, err, why, "%.60q", text)
	}
}

// TestHostKey makes a key once, which ssh-keygen can read too.
func TestHostKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ssh-host-key")
	first, err := sshd.HostKey(path)
	require.NoError(t, err)
	again, err := sshd.HostKey(path)
	require.NoError(t, err)
	assert.Equal(t, ssh.FingerprintSHA256(first.PublicKey()), ssh.FingerprintSHA256(again.PublicKey()))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Contains(t, string(text), "BEGIN OPENSSH PRIVATE KEY")

	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(curve)
	require.NoError(t, err)
	plain, err := sshd.ParseHostKey(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	require.NoError(t, err)
	server, err := sshd.New(sshd.Config{Issuer: new(issuer.Issuer), HostKeys: []ssh.Signer{first, plain}, Address: "login.example.org:22"})
	require.NoError(t, err)
	assert.Equal(t, map[string]string{
		"ssh-ed25519": ssh.FingerprintSHA256(first.PublicKey()), "ecdsa-sha2-nistp256": ssh.FingerprintSHA256(plain.PublicKey()),
	}, server.Fingerprints())
	host, port := server.Address()
	assert.Equal(t, "login.example.org", host)
	assert.Equal(t, 22, port)

	locked, err := ssh.MarshalPrivateKeyWithPassphrase(curve, "", []byte("secret"))
	require.NoError(t, err)
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	for _, text := range [][]byte{nil, text[:100], pem.EncodeToMemory(locked), pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(small)})} {
		_, err := sshd.ParseHostKey(text)
		assert.ErrorIs(t, err, sshd.ErrConfig)
	}
	require.NoError(t, os.Chmod(path, 0o644))
	_, err = sshd.HostKey(path)
	assert.Error(t, err, "everybody can read it")
}

func TestConfig(t *testing.T) {
	key := newKey(t)
	for name, change := range map[string]func(*sshd.Config){
		"no issuer":     func(c *sshd.Config) { c.Issuer = nil },
		"no host key":   func(c *sshd.Config) { c.HostKeys = nil },
		"the same type": func(c *sshd.Config) { c.HostKeys = []ssh.Signer{key, newKey(t)} },
		"timeout":       func(c *sshd.Config) { c.IdleTimeout = -1 },
		"limit":         func(c *sshd.Config) { c.Limits.Connections = -1 },
		"look-ups":      func(c *sshd.Config) { c.Limits.Lookups = -1 },
		"no port":       func(c *sshd.Config) { c.Address = "example.org" },
		"port":          func(c *sshd.Config) { c.Address = "example.org:70000" },
		"host":          func(c *sshd.Config) { c.Address = "example.org\nProxyCommand x:22" },
		"proxies":       func(c *sshd.Config) { c.TrustedProxies = prefixes("::ffff:10.0.0.0/104") },
	} {
		c := sshd.Config{Issuer: new(issuer.Issuer), HostKeys: []ssh.Signer{key}}
		change(&c)
		_, err := sshd.New(c)
		assert.ErrorIs(t, err, sshd.ErrConfig, name)
	}
}
