package rest

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/mytoken/issuer"
)

// SSHServer is what the handler has to know about an SSH server. Package sshd has one.
// Its methods always return the same, and must be safe for concurrent use.
type SSHServer interface {
	// ParseKey reads a public key, one line as in an authorized_keys file, and returns its
	// fingerprint. An error says what is wrong with it, and clients are shown its text.
	ParseKey(line string) (fingerprint string, err error)
	// Fingerprints returns the fingerprints of the host keys by their types, such as
	// ssh-ed25519.
	Fingerprints() map[string]string
	// Address returns where clients reach the server. An empty host is that of the issuer
	// URL.
	Address() (host string, port int)
}

// sshMethods returns the methods of the endpoint for SSH keys (protocol section 5.11).
func (h *Handler) sshMethods() methods {
	if h.opts.SSH == nil {
		return allMissing("the SSH grant")
	}
	return methods{http.MethodGet: serve(sshKeys), http.MethodPost: serve(sshKeyAdd), http.MethodDelete: serve(sshKeyDelete)}
}

func sshKeys(c *call, req *wire.SSHKeyRequest) (*answer, error) {
	token, err := c.token(req.Mytoken)
	if err != nil {
		return nil, err
	}
	got, err := c.issuer.SSHKeys(c.ctx(), issuer.SettingsRequest{Token: token, Client: c.client})
	if err != nil {
		return nil, err
	}
	body := wire.SSHKeys{GrantEnabled: got.Enabled, TokenUpdate: c.update(got.Update)}
	for _, k := range got.List {
		body.Keys = append(body.Keys, wire.SSHKey{Name: k.Name, Fingerprint: k.Fingerprint, Created: unix(k.Created), LastUsed: unix(k.LastUsed)})
	}
	return ok(body), nil
}

func sshKeyAdd(c *call, req *wire.SSHKeyRequest) (*answer, error) {
	switch c.grantType(req.GrantType) {
	case wire.GrantMytoken:
		return sshKeyStart(c, req)
	case wire.GrantPollingCode:
		return sshKeyPoll(c, req)
	}
	return nil, errGrantType
}

// sshKeyStart begins the login for a new key.
func sshKeyStart(c *call, req *wire.SSHKeyRequest) (*answer, error) {
	if req.Key == "" {
		return nil, badRequest("required parameter 'ssh_key' is missing")
	}
	fingerprint, err := c.parseKey(req.Key)
	if err != nil {
		return nil, err
	}
	props, err := c.properties(&wire.TokenRequest{Restrictions: req.Restrictions, Capabilities: req.Capabilities})
	if err != nil {
		return nil, err
	}
	token, err := c.token(req.Mytoken)
	if err != nil {
		return nil, err
	}
	if err := c.admitLogin(); err != nil {
		return nil, err
	}
	login, err := c.issuer.AddSSHKey(c.ctx(), issuer.SSHKeyRequest{
		Token: token, Fingerprint: fingerprint, Name: req.Name, Capabilities: props.Capabilities, Restrictions: props.Restrictions,
		Application: req.ApplicationName, Client: c.client,
	})
	if err != nil {
		return nil, err
	}
	return ok(wire.SSHKeyLogin{LoginResponse: c.loginResponse(&login.NativeLogin), TokenUpdate: c.update(login.Update)}), nil
}

func (c *call) loginResponse(login *issuer.NativeLogin) wire.LoginResponse {
	return wire.LoginResponse{
		ConsentURI:  c.consentURI(login.ConsentCode),
		PollingCode: wire.Secret{Secret: c.issuer.MarkCode(login.PollingCode)},
		ExpiresIn:   c.secondsUntil(login.Expires), Interval: int64(login.Interval / time.Second),
	}
}

func (c *call) parseKey(line string) (fingerprint string, err error) {
	if fingerprint, err = c.opts.SSH.ParseKey(line); err != nil {
		return "", badRequest("could not parse ssh public key: %v", err)
	}
	return fingerprint, nil
}

// sshKeyPoll asks whether the login for a key is finished, and stores the key then.
func sshKeyPoll(c *call, req *wire.SSHKeyRequest) (*answer, error) {
	key, err := guessed(c, req.PollingCode.Reveal(), func(ctx context.Context, code mytoken.Secret) (*issuer.NewSSHKey, error) {
		return c.issuer.PollSSHKey(ctx, issuer.PollRequest{Code: code, Client: c.client})
	})
	if err != nil {
		return nil, err
	}
	return ok(wire.NewSSHKey{User: wire.Secret{Secret: key.User}, HostConfig: wire.Secret{Secret: c.hostConfig(key)}}), nil
}

// plainName is a name that cannot do harm in a configuration file (N3).
var plainName = regexp.MustCompile(`\A[A-Za-z0-9._-]{1,32}\z`)

// hostConfig returns the part for ~/.ssh/config that reaches the SSH server with a key.
func (c *call) hostConfig(key *issuer.NewSSHKey) mytoken.Secret {
	host, port := c.opts.SSH.Address()
	if host == "" {
		u, _ := url.Parse(c.base) // NewHandler has parsed it
		host = u.Hostname()
	}
	alias := "mytoken"
	if plainName.MatchString(key.Name) {
		alias += "-" + key.Name
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# Host entry for mytoken\nHost %s\n\tHostName %s\n\tPort %d\n\tUser %s\n", alias, host, port, key.User.Reveal())
	b.WriteString("\t# Only needed if the key is none of the default keys of ssh:\n\t# IdentityFile ~/.ssh/your.key\n")
	return mytoken.NewSecret(b.String())
}

func sshKeyDelete(c *call, req *wire.SSHKeyRequest) (*answer, error) {
	fingerprint := req.Fingerprint
	var err error
	switch {
	case fingerprint != "":
	case req.Key == "":
		return nil, badRequest("One of the required parameters 'ssh_key' or 'ssh_key_hash' must be given")
	default:
		if fingerprint, err = c.parseKey(req.Key); err != nil {
			return nil, err
		}
	}
	token, err := c.token(req.Mytoken)
	if err != nil {
		return nil, err
	}
	update, err := c.issuer.DeleteSSHKey(c.ctx(), issuer.SSHKeyDeletion{Token: token, Fingerprint: fingerprint, Client: c.client})
	if err != nil {
		return nil, err
	}
	return c.updated(http.StatusNoContent, update), nil
}
