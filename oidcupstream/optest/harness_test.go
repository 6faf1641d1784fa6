package optest_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

const callback = "https://portal.example.org/redirect"

// client sends plain HTTP requests, so that a test sees the server's answers as they are.
type client struct {
	t    *testing.T
	op   *optest.Server
	mu   sync.Mutex
	now  time.Time
	auth func(*http.Request, url.Values)
}

func start(t *testing.T, options optest.Options) *client {
	t.Helper()
	c := &client{t: t, now: time.Unix(1_800_000_000, 0), auth: func(r *http.Request, _ url.Values) {
		r.SetBasicAuth(optest.DefaultClientID, optest.DefaultClientSecret)
	}}
	options.Clock = func() time.Time {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.now
	}
	op, err := optest.Start(options)
	require.NoError(t, err)
	t.Cleanup(func() { op.Close() })
	c.op = op
	return c
}

func (c *client) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

type answer struct {
	Status           int    `json:"-"`
	AccessToken      string `json:"access_token"`
	RefreshToken     string `json:"refresh_token"`
	IDToken          string `json:"id_token"`
	ExpiresIn        int64  `json:"expires_in"`
	Scope            string `json:"scope"`
	Error            string `json:"error"`
	ErrorDescription string `json:"error_description"`
}

func (c *client) post(path string, form url.Values) answer {
	c.t.Helper()
	header := http.Request{Header: http.Header{}}
	c.auth(&header, form)
	r, err := http.NewRequestWithContext(c.t.Context(), "POST", c.op.Issuer()+path, strings.NewReader(form.Encode()))
	require.NoError(c.t, err)
	r.Header = header.Header
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(r)
	require.NoError(c.t, err)
	defer resp.Body.Close()
	a := answer{Status: resp.StatusCode}
	body, err := io.ReadAll(resp.Body)
	require.NoError(c.t, err)
	if len(body) > 0 {
		require.NoError(c.t, json.Unmarshal(body, &a), "%s", body)
	}
	return a
}

const verifier = "0123456789012345678901234567890123456789012"

func authQuery(change url.Values) url.Values {
	q := url.Values{
		"response_type": {"code"}, "client_id": {optest.DefaultClientID}, "redirect_uri": {callback}, "state": {"st"},
		"nonce": {"no"}, "scope": {"openid offline_access storage.read"}, "code_challenge_method": {"S256"},
		"code_challenge": {oauth2.S256ChallengeFromVerifier(verifier)},
	}
	for name, values := range change {
		q[name] = values
	}
	return q
}

// authorize returns the query of the redirect.
func (c *client) authorize(change url.Values) url.Values {
	c.t.Helper()
	location, err := optest.Login(c.t.Context(), c.op.Issuer()+"/authorize?"+authQuery(change).Encode(), "")
	require.NoError(c.t, err)
	u, err := url.Parse(location)
	require.NoError(c.t, err)
	require.Equal(c.t, c.op.Issuer(), u.Query().Get("iss"))
	require.Equal(c.t, "st", u.Query().Get("state"))
	return u.Query()
}

func (c *client) exchange(code string) answer {
	return c.post("/token", url.Values{"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier}, "redirect_uri": {callback}})
}

func (c *client) login() answer {
	c.t.Helper()
	a := c.exchange(c.authorize(nil).Get("code"))
	require.Equal(c.t, 200, a.Status, a.Error)
	return a
}

func (c *client) refresh(token string) answer {
	return c.post("/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
}

func (c *client) userinfo(token string) int {
	r, err := http.NewRequestWithContext(c.t.Context(), "GET", c.op.Issuer()+"/userinfo", nil)
	require.NoError(c.t, err)
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(r)
	require.NoError(c.t, err)
	resp.Body.Close()
	return resp.StatusCode
}

func (c *client) last() optest.Event {
	record := c.op.Record()
	return record[len(record)-1]
}

func (c *client) authTime(a answer) int64 {
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(a.IDToken, ".")[1])
	require.NoError(c.t, err)
	var claims struct {
		AuthTime int64 `json:"auth_time"`
	}
	require.NoError(c.t, json.Unmarshal(raw, &claims))
	return claims.AuthTime
}
