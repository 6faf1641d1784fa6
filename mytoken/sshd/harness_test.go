package sshd_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/mytoken-go/sdk/capability"
	_ "github.com/mytoken-go/sdk/internal/ownfile/ownfiletest" // sets the umask
	"github.com/mytoken-go/sdk/internal/paralleltest"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/mytoken/rest"
	"github.com/mytoken-go/sdk/mytoken/sshd"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/restriction"
)

// service is an issuer that is served over HTTP and SSH.
type service struct {
	*mytokentest.Service
	t       testing.TB
	URL     string
	Log     *paralleltest.Buffer
	rest    *rest.Handler
	ssh     *sshd.Server
	address string // of the SSH server
	http    *httptest.Server
	host    ssh.Signer
	by      mytoken.Secret // token of alice for her settings
}

// setup changes a service before it starts.
type setup struct {
	mytokentest.Options
	ssh      sshd.Config
	commands sshd.Commands // nil: the handler
}

var everything = capability.Set{
	capability.AT, capability.CreateMytoken, capability.Tokeninfo, capability.ManageMytokens, capability.Settings,
}

func start(t testing.TB, changes ...func(*setup)) *service {
	t.Helper()
	s := &service{t: t, Log: new(paralleltest.Buffer), http: httptest.NewUnstartedServer(nil), host: newKey(t)}
	s.URL = "http://" + s.http.Listener.Addr().String()
	logger := slog.New(slog.NewJSONHandler(s.Log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	o := setup{ssh: sshd.Config{HostKeys: []ssh.Signer{s.host}, Logger: logger}}
	for _, change := range changes {
		change(&o)
	}
	config := o.Config
	o.URL = s.URL
	o.Config = func(c *issuer.Config) {
		c.Logger = logger
		if config != nil {
			config(c)
		}
	}
	upstream := o.Upstream
	o.Upstream = func(c *oidcupstream.Config) {
		c.RedirectURL = s.URL + "/redirect"
		if upstream != nil {
			upstream(c)
		}
	}
	var err error
	s.Service, err = mytokentest.Start(o.Options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	o.ssh.Issuer = s.Issuer
	s.ssh, err = sshd.New(o.ssh)
	require.NoError(t, err)
	s.rest, err = rest.NewHandler(s.Issuer, rest.Options{SSH: s.ssh, Logger: logger})
	require.NoError(t, err)
	s.http.Config.Handler = s.rest
	s.http.Start()
	t.Cleanup(s.http.Close)
	if o.commands == nil {
		o.commands = s.rest
	}
	s.address = listen(t, s.ssh, o.commands)
	issued, err := s.Login(t.Context(), "alice", mytoken.Properties{Capabilities: capability.Set{capability.Settings}})
	require.NoError(t, err)
	s.by = issued.Token
	s.setGrant(true)
	return s
}

// listen serves on a port of its own until the test is over.
func listen(t testing.TB, server *sshd.Server, commands sshd.Commands) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- server.Serve(l, commands) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(ctx)
		require.ErrorIs(t, <-done, sshd.ErrServerClosed)
	})
	return l.Addr().String()
}

func newKey(t testing.TB) ssh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	signer, err := ssh.NewSignerFromKey(key)
	require.NoError(t, err)
	return signer
}

func (s *service) setGrant(enabled bool) {
	s.t.Helper()
	_, err := s.Issuer.SetGrant(s.t.Context(), issuer.GrantRequest{
		Token: s.by, GrantSetting: issuer.GrantSetting{GrantType: "ssh", Enabled: enabled}, Client: mytokentest.Client,
	})
	require.NoError(s.t, err)
}

// holder is a client with a registered key.
type holder struct {
	*service
	key  ssh.Signer
	user string
}

// register registers a key of alice.
func (s *service) register(key ssh.Signer, props mytoken.Properties) *holder {
	s.t.Helper()
	ctx := s.t.Context()
	if props.Capabilities == nil {
		props.Capabilities = everything
	}
	started, err := s.Issuer.AddSSHKey(ctx, issuer.SSHKeyRequest{
		Token: s.by, Fingerprint: ssh.FingerprintSHA256(key.PublicKey()), Name: props.Name,
		Capabilities: props.Capabilities, Restrictions: props.Restrictions, Client: mytokentest.Client,
	})
	require.NoError(s.t, err)
	asked, err := s.Issuer.Consent(ctx, started.ConsentCode)
	require.NoError(s.t, err)
	asked.Properties.Rotation = props.Rotation
	login, err := s.Issuer.Approve(ctx, started.ConsentCode, asked.Properties)
	require.NoError(s.t, err)
	_, err = s.Follow(ctx, "alice", login)
	require.NoError(s.t, err)
	got, err := s.Issuer.PollSSHKey(ctx, issuer.PollRequest{Code: started.PollingCode, Client: mytokentest.Client})
	require.NoError(s.t, err)
	return &holder{s, key, got.User.Reveal()}
}

func (s *service) keys() []issuer.SSHKeyRecord {
	s.t.Helper()
	got, err := s.Issuer.SSHKeys(s.t.Context(), issuer.SettingsRequest{Token: s.by, Client: mytokentest.Client})
	require.NoError(s.t, err)
	return got.List
}

// config is how the client connects.
func (h *holder) config(auth ...ssh.AuthMethod) *ssh.ClientConfig {
	if len(auth) == 0 {
		auth = []ssh.AuthMethod{ssh.PublicKeys(h.key)}
	}
	return &ssh.ClientConfig{
		User: h.user, Auth: auth, HostKeyCallback: ssh.FixedHostKey(h.host.PublicKey()), Timeout: 10 * time.Second, ClientVersion: "SSH-2.0-tests_1.0",
	}
}

func (h *holder) dial() *ssh.Client {
	h.t.Helper()
	client, err := ssh.Dial("tcp", h.address, h.config())
	require.NoError(h.t, err)
	h.t.Cleanup(func() { _ = client.Close() })
	return client
}

// outcome is what a command printed.
type outcome struct {
	out, err string
	status   int
}

// run runs a command on a connection of its own.
func (h *holder) run(command string) outcome {
	h.t.Helper()
	client := h.dial()
	defer client.Close()
	return runOn(h.t, client, command)
}

func runOn(t testing.TB, client *ssh.Client, command string) (o outcome) {
	t.Helper()
	session, err := client.NewSession()
	require.NoError(t, err)
	defer session.Close()
	var out, errs bytes.Buffer
	session.Stdout, session.Stderr = &out, &errs
	err = session.Run(command)
	var exit *ssh.ExitError
	if errors.As(err, &exit) {
		o.status = exit.ExitStatus()
	} else {
		require.NoError(t, err)
	}
	o.out, o.err = out.String(), errs.String()
	return o
}

// worked checks that a command printed one line, and returns it.
func (h *holder) worked(command string) string {
	h.t.Helper()
	got := h.run(command)
	require.Zero(h.t, got.status, "%s: %+v", command, got)
	require.Empty(h.t, got.err)
	require.Regexp(h.t, `\A[^\n]+\n\z`, got.out)
	return got.out[:len(got.out)-1]
}

// fails checks that a command printed an error.
func (h *holder) fails(command, line string) {
	h.t.Helper()
	require.Equal(h.t, outcome{line + "\n", line + "\n", 1}, h.run(command), "%s", command)
}

// from is a list of restrictions to hosts.
func from(hosts ...string) restriction.List {
	list, err := restriction.Parse([]byte(`[{"hosts":["` + hosts[0] + `"]}]`))
	if err != nil {
		panic(err)
	}
	return list
}
