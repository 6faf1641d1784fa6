package sshd_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/sshd"
)

func mustDecode(text string) []byte {
	out, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return out
}

// cannotSign is a public key whose private half somebody else has.
type cannotSign struct {
	ssh.Signer
	accepted bool
}

func (c *cannotSign) Sign(io.Reader, []byte) (*ssh.Signature, error) {
	c.accepted = true // clients sign only after the server has said that it would take the key
	return &ssh.Signature{Format: c.PublicKey().Type(), Blob: make([]byte, 64)}, nil
}

// TestKeyThatSignedCounts: it does not matter which keys a client has asked about
// (CVE-2024-45337).
func TestKeyThatSignedCounts(t *testing.T) {
	var mu sync.Mutex
	var acted []string
	seen := &commands{seen: func(c issuer.Client) {
		mu.Lock()
		defer mu.Unlock()
		acted = append(acted, c.Key.Fingerprint())
	}}
	s := start(t, func(o *setup) { o.commands = seen })
	seen.next = s.rest
	victim := s.register(newKey(t), mytoken.Properties{Name: "victim"})
	thief := s.register(newKey(t), mytoken.Properties{Name: "thief"})

	// The server would take the key of the victim. The thief signs with another one.
	stolen := &cannotSign{Signer: victim.key}
	for _, signers := range [][]ssh.Signer{{stolen, thief.key}, {thief.key, stolen}, {stolen, thief.key, stolen, newKey(t)}} {
		stolen.accepted = false
		_, err := ssh.Dial("tcp", s.address, victim.config(ssh.PublicKeys(signers...)))
		require.Error(t, err)
		require.True(t, stolen.accepted)
	}
	// Whoever asks about other keys first acts as the one that signed.
	others := &cannotSign{Signer: victim.key}
	client, err := ssh.Dial("tcp", s.address, thief.config(ssh.PublicKeys(others, newKey(t), thief.key)))
	require.NoError(t, err)
	defer client.Close()
	require.False(t, others.accepted, "it is no key of this user")
	assert.Contains(t, runOn(t, client, "introspect").out, "mytoken for ssh-grant: thief")
	mu.Lock()
	defer mu.Unlock()
	assert.Equal(t, []string{ssh.FingerprintSHA256(thief.key.PublicKey())}, acted)
}

// TestOnlyPublicKeys: there is no other way in.
func TestOnlyPublicKeys(t *testing.T) {
	s := start(t)
	h := s.register(newKey(t), mytoken.Properties{})
	answer := func(string, string, []string, []bool) ([]string, error) { return nil, nil }
	for _, auth := range []ssh.AuthMethod{ssh.Password(h.user), ssh.KeyboardInteractive(answer), ssh.PublicKeys(newKey(t))} {
		_, err := ssh.Dial("tcp", s.address, h.config(auth))
		require.ErrorContains(t, err, "unable to authenticate")
	}
	for _, user := range []string{"", "root", h.user[1:], strings.ToLower(h.user) + "x", h.user + "\x00", strings.Repeat("x", 10_000)} {
		config := h.config()
		config.User = user
		_, err := ssh.Dial("tcp", s.address, config)
		require.Error(t, err, "%q", user)
	}
	// The key cannot be used over HTTP: there is nothing to present.
	for _, secret := range []string{h.user, h.user + h.user, ssh.FingerprintSHA256(h.key.PublicKey())} {
		_, err := s.Issuer.AccessToken(t.Context(), issuer.AccessTokenRequest{Token: mytoken.NewSecret(secret)})
		_, refused := errors.AsType[*issuer.TokenError](err)
		require.True(t, refused, "%v", err)
	}
	h.worked("AT")
}

// TestWeakAlgorithms are not offered, least of all those with SHA-1.
func TestWeakAlgorithms(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	host, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)
	s := start(t, func(o *setup) { o.ssh.HostKeys = append(o.ssh.HostKeys, host) })
	h := s.register(newKey(t), mytoken.Properties{})
	connect := func(change func(*ssh.ClientConfig)) error {
		config := h.config()
		config.HostKeyCallback = ssh.FixedHostKey(host.PublicKey())
		config.HostKeyAlgorithms = []string{ssh.KeyAlgoRSASHA256}
		change(config)
		client, err := ssh.Dial("tcp", s.address, config)
		if err == nil {
			_ = client.Close()
		}
		return err
	}
	require.NoError(t, connect(func(*ssh.ClientConfig) {}))
	require.NoError(t, connect(func(c *ssh.ClientConfig) { c.HostKeyAlgorithms = []string{ssh.KeyAlgoRSASHA512} }))
	require.NoError(t, connect(func(c *ssh.ClientConfig) {
		c.KeyExchanges, c.Ciphers, c.MACs = []string{ssh.KeyExchangeDH14SHA256}, []string{ssh.CipherAES256CTR}, []string{ssh.HMACSHA256}
	}))
	for name, weaken := range map[string]func(*ssh.ClientConfig){
		"host key":     func(c *ssh.ClientConfig) { c.HostKeyAlgorithms = []string{ssh.KeyAlgoRSA} },
		"key exchange": func(c *ssh.ClientConfig) { c.KeyExchanges = []string{ssh.InsecureKeyExchangeDH14SHA1} },
		"cipher":       func(c *ssh.ClientConfig) { c.Ciphers = []string{ssh.InsecureCipherAES128CBC} },
		"MAC": func(c *ssh.ClientConfig) {
			c.Ciphers, c.MACs = []string{ssh.CipherAES128CTR}, []string{ssh.HMACSHA1}
		},
	} {
		require.ErrorContains(t, connect(weaken), "no common algorithm", name)
	}
}

// TestRefusedRequests: a session runs a command, and nothing else.
func TestRefusedRequests(t *testing.T) {
	s := start(t)
	h := s.register(newKey(t), mytoken.Properties{})
	client := h.dial()
	_, err := client.Dial("tcp", "127.0.0.1:22")
	require.Error(t, err, "no forwarding")
	_, err = client.Listen("tcp", "127.0.0.1:0")
	require.Error(t, err)
	ok, _, err := client.SendRequest("keepalive@openssh.com", true, nil)
	require.NoError(t, err)
	require.False(t, ok)
	session, err := client.NewSession()
	require.NoError(t, err)
	require.Error(t, session.RequestPty("xterm", 24, 80, nil))
	require.Error(t, session.Setenv("LANG", "C"))
	require.Error(t, session.RequestSubsystem("sftp"))
	for _, name := range []string{"auth-agent-req@openssh.com", "x11-req", "env", "signal", "exec"} {
		ok, err := session.SendRequest(name, true, nil)
		require.NoError(t, err)
		require.False(t, ok, name)
	}
	out, err := session.Output("AT")
	require.NoError(t, err, "the session still works")
	require.NotEmpty(t, out)

	shell, err := client.NewSession()
	require.NoError(t, err)
	var text strings.Builder
	shell.Stdout = &text
	require.NoError(t, shell.Shell())
	var exit *ssh.ExitError
	require.ErrorAs(t, shell.Wait(), &exit)
	assert.Equal(t, 1, exit.ExitStatus())
	assert.Len(t, strings.Split(strings.TrimSpace(text.String()), "\n"), 2, "the help")
}

// TestLimits of a connection and its commands.
func TestLimits(t *testing.T) {
	s := start(t, func(o *setup) { o.ssh.Limits = sshd.Limits{Command: 1000, Output: 1500} })
	h := s.register(newKey(t), mytoken.Properties{})
	client := h.dial()
	session, err := client.NewSession()
	require.NoError(t, err)
	require.Error(t, session.Start("AT application/json '"+strings.Repeat(" ", 1000)+"'"))
	for range 10 {
		h.worked("MT")
	}
	h.fails("list-all-mytokens", "internal_server_error: the output is longer than 1500 bytes")

	// Sessions of one connection.
	var open []*ssh.Session
	for range 3 { // and the one from above
		session, err := client.NewSession()
		require.NoError(t, err)
		open = append(open, session)
	}
	_, err = client.NewSession()
	require.ErrorContains(t, err, "too many sessions")
	require.NoError(t, open[0].Run("AT"), "the others work")
}

// TestLookupsAreLimited: a client that guesses is soon refused, and so is what it guesses
// right. Other addresses are not; see package budget.
func TestLookupsAreLimited(t *testing.T) {
	s := start(t, func(o *setup) { o.ssh.Limits = sshd.Limits{Lookups: 5, LookupsEvery: time.Hour} })
	h := s.register(newKey(t), mytoken.Properties{})
	agent := h.config(ssh.PublicKeys(newKey(t), newKey(t), h.key))
	for range 20 { // good look-ups do not count, nor do the keys that an agent offers first
		client, err := ssh.Dial("tcp", s.address, agent)
		require.NoError(t, err)
		require.Zero(t, runOn(t, client, "AT").status)
		_ = client.Close()
	}
	for range 5 {
		_, err := ssh.Dial("tcp", s.address, h.config(ssh.PublicKeys(newKey(t))))
		require.Error(t, err)
	}
	_, err := ssh.Dial("tcp", s.address, h.config())
	require.ErrorContains(t, err, "unable to authenticate")
	s.Clock.Advance(time.Hour)
	h.worked("AT")
}

// TestUnreadInput: what a client sends to a session is read and forgotten, and does not
// keep the command from running.
func TestUnreadInput(t *testing.T) {
	s := start(t, func(o *setup) { o.ssh.Timeout, o.ssh.IdleTimeout = 20*time.Second, 20*time.Second })
	h := s.register(newKey(t), mytoken.Properties{})
	session, err := h.dial().NewSession()
	require.NoError(t, err)
	input, err := session.StdinPipe()
	require.NoError(t, err)
	_, err = input.Write(make([]byte, 8<<20)) // more than package ssh keeps
	require.NoError(t, err)
	out, err := session.Output("AT")
	require.NoError(t, err)
	assert.NotEmpty(t, out)

	channel, requests, err := h.dial().OpenChannel("session", nil)
	require.NoError(t, err)
	go ssh.DiscardRequests(requests)
	_, err = channel.Stderr().Write(make([]byte, 8<<20))
	require.NoError(t, err)
}

// TestGarbage: whatever comes instead of a handshake does no harm.
func TestGarbage(t *testing.T) {
	s := start(t)
	h := s.register(newKey(t), mytoken.Properties{})
	for _, text := range []string{"", "GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\x00", "SSH-1.5-old\r\n", "SSH-2.0-x\r\n" + strings.Repeat("\xff", 100_000), strings.Repeat("x", 100_000)} {
		conn, err := net.Dial("tcp", s.address)
		require.NoError(t, err)
		_, _ = conn.Write([]byte(text))
		_ = conn.(*net.TCPConn).CloseWrite() // the server may be faster
		_, _ = io.Copy(io.Discard, conn)     // until the server closes it
		_ = conn.Close()
	}
	h.worked("AT")
}

// TestProxyHeaders: the address of a client behind a trusted proxy is the one in the
// header.
func TestProxyHeaders(t *testing.T) {
	s := start(t, func(o *setup) { o.ssh.TrustedProxies = prefixes("127.0.0.1/32") })
	h := s.register(newKey(t), mytoken.Properties{Restrictions: from("192.0.2.0/24")})
	through := func(header string) (*ssh.Client, error) {
		conn, err := net.Dial("tcp", s.address)
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		_, err = conn.Write([]byte(header))
		require.NoError(t, err)
		c, channels, requests, err := ssh.NewClientConn(conn, s.address, h.config())
		if err != nil {
			return nil, err
		}
		return ssh.NewClient(c, channels, requests), nil
	}
	client, err := through("PROXY TCP4 192.0.2.7 192.0.2.1 12345 2222\r\n")
	require.NoError(t, err)
	require.Zero(t, runOn(t, client, "AT").status)
	client, err = through("PROXY TCP4 198.51.100.7 192.0.2.1 12345 2222\r\n")
	require.NoError(t, err)
	require.Equal(t, 1, runOn(t, client, "AT").status)
	client, err = through("PROXY UNKNOWN\r\n")
	require.NoError(t, err)
	require.Equal(t, 1, runOn(t, client, "AT").status, "an unknown address satisfies no restriction")
	_, err = through("")
	require.Error(t, err, "the proxy sends a header, or is none")

	// Without trust the header says nothing.
	s = start(t)
	h = s.register(newKey(t), mytoken.Properties{Restrictions: from("192.0.2.0/24")})
	client, err = through("PROXY TCP4 192.0.2.7 192.0.2.1 12345 2222\r\n")
	require.NoError(t, err, "a line in front of the version is ignored (RFC 4253 section 4.2)")
	require.Equal(t, 1, runOn(t, client, "AT").status)
}
