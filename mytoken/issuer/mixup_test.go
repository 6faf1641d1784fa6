package issuer_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// rivals is a service whose own provider is honest, and that has an evil one beside it.
// Neither knows RFC 9207.
type rivals struct {
	*mytokentest.Service
	evil    *optest.Server
	heard   *wiretap // what the evil provider was sent
	notices []issuer.NoticeKind
}

// wiretap is a network that records what is sent.
type wiretap struct {
	mu   sync.Mutex
	sent bytes.Buffer
}

func (w *wiretap) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		w.mu.Lock()
		w.sent.Write(body)
		w.mu.Unlock()
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	return http.DefaultTransport.RoundTrip(r)
}

func (w *wiretap) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sent.String()
}

// withoutIss makes a provider promise no iss.
func withoutIss(at optest.FaultPoint) optest.Fault {
	if at.Endpoint != optest.EndpointDiscovery {
		return optest.Fault{}
	}
	return optest.Fault{Edit: func(doc map[string]any) { delete(doc, "authorization_response_iss_parameter_supported") }}
}

func startRivals(t *testing.T, change func(honest, evil *oidcupstream.Config)) *rivals {
	t.Helper()
	clock := mytokentest.NewClock(time.Time{})
	evil, err := optest.Start(optest.Options{Clock: clock.Now, Faults: withoutIss})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, evil.Close()) })
	r := &rivals{evil: evil, heard: new(wiretap)}
	theirs := evil.ClientConfig(mytokentest.IssuerURL + "/redirect/evil")
	theirs.HTTPClient = &http.Client{Transport: r.heard}
	r.Service = start(t, mytokentest.Options{
		Clock: clock, Provider: optest.Options{Faults: withoutIss},
		Upstream: func(c *oidcupstream.Config) {
			c.RedirectURL = mytokentest.IssuerURL + "/redirect/honest"
			if change != nil {
				change(c, &theirs)
			}
		},
		Config: func(c *issuer.Config) {
			upstream, err := oidcupstream.New(theirs)
			require.NoError(t, err)
			c.Providers = append(c.Providers, issuer.Provider{Upstream: upstream})
			c.Observer = func(_ context.Context, n issuer.Notice) { r.notices = append(r.notices, n.Kind) }
		},
	})
	return r
}

// forwarded is how the evil provider sends the browser of its user on to the honest one:
// with the state of the user's login, and everything else from a login of the attacker.
func (r *rivals) forwarded(t *testing.T, victims *issuer.Login, subject string) (attackers *issuer.Login, back issuer.FinishRequest) {
	t.Helper()
	attackers, err := r.Issuer.StartLogin(t.Context(), issuer.LoginRequest{Provider: r.Provider.Issuer()})
	require.NoError(t, err)
	u, err := url.Parse(attackers.URL)
	require.NoError(t, err)
	query := u.Query()
	query.Set("state", victims.State.Reveal())
	u.RawQuery = query.Encode()
	back = browse(t, &issuer.Login{URL: u.String()}, subject)
	back.Query.Del("iss")
	return attackers, back
}

// The attack of RFC 9700 section 4.4: the user agrees to a login at the evil provider,
// which makes the honest one answer it. The code goes nowhere, so that the attacker
// cannot use it, and the login is over for everybody.
//
// proves P9
func TestMixUp(t *testing.T) {
	for name, begin := range map[string]func(*testing.T, *rivals) (*issuer.Login, mytoken.Secret){
		"login": func(t *testing.T, r *rivals) (*issuer.Login, mytoken.Secret) {
			login, err := r.Issuer.StartLogin(t.Context(), issuer.LoginRequest{Provider: r.evil.Issuer()})
			require.NoError(t, err)
			return login, mytoken.Secret{}
		},
		"native login": func(t *testing.T, r *rivals) (*issuer.Login, mytoken.Secret) {
			native, err := r.Issuer.StartNative(t.Context(), issuer.LoginRequest{Provider: r.evil.Issuer()})
			require.NoError(t, err)
			asked, err := r.Issuer.Consent(t.Context(), native.ConsentCode)
			require.NoError(t, err)
			require.Equal(t, r.evil.Issuer(), asked.Provider)
			login, err := r.Issuer.Approve(t.Context(), native.ConsentCode, mytoken.Properties{Capabilities: allCapabilities})
			require.NoError(t, err)
			return login, native.PollingCode
		},
		"reconnect": func(t *testing.T, r *rivals) (*issuer.Login, mytoken.Secret) {
			first, err := r.LoginWith(t.Context(), "victim", issuer.LoginRequest{Provider: r.evil.Issuer()})
			require.NoError(t, err)
			login, err := r.Issuer.StartReconnect(t.Context(), issuer.ReconnectRequest{Token: first.Issued.Token})
			require.NoError(t, err)
			return login, mytoken.Secret{}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := startRivals(t, nil)
			victims, polling := begin(t, r)
			attackers, back := r.forwarded(t, victims, "victim")
			_, err := r.Issuer.FinishLogin(t.Context(), back)
			code := back.Query.Get("code")
			require.NotEmpty(t, code)
			if strings.Contains(r.heard.String(), code) { // what the attacker would do
				stolen, err := r.Issuer.FinishLogin(t.Context(), issuer.FinishRequest{
					Path: back.Path, Query: url.Values{"state": {attackers.State.Reveal()}, "code": {code}},
				})
				require.NoError(t, err)
				require.Fail(t, "the code reached the evil provider", "the attacker is %s", stolen.Issued.Claims.OIDCSubject())
			}
			require.Equal(t, "server_error", errAs[*issuer.LoginError](t, err).Code)
			require.Zero(t, r.Provider.Count(optest.Exchanged))
			require.Contains(t, r.notices, issuer.NoticeMixUp)

			back.Path = "/redirect/evil" // nobody may try the state again
			_, err = r.Issuer.FinishLogin(t.Context(), back)
			require.ErrorIs(t, err, issuer.ErrState)
			require.NotContains(t, r.heard.String(), code)
			if !polling.IsEmpty() {
				_, err = r.Issuer.Poll(t.Context(), issuer.PollRequest{Code: polling})
				require.Equal(t, "server_error", requireCodeError(t, err, issuer.CodeFailed).Login.Code)
			}
		})
	}
}

// Logins at both providers work, and say at which of them they are.
func TestRivalsServeTheirUsers(t *testing.T) {
	r := startRivals(t, nil)
	for _, op := range []*optest.Server{r.Provider, r.evil} {
		login, err := r.Issuer.StartLogin(t.Context(), issuer.LoginRequest{Provider: op.Issuer()})
		require.NoError(t, err)
		pending, err := r.Issuer.PendingLogin(t.Context(), login.State)
		require.NoError(t, err)
		require.Equal(t, op.Issuer(), pending.Provider)
		result, err := r.Follow(t.Context(), "alice", login)
		require.NoError(t, err)
		require.Equal(t, op.Issuer(), result.Issued.Claims.OIDCIssuer())
	}
}

// One shared address is enough if both providers always name themselves.
//
// proves P9
func TestMixUpAtOneAddress(t *testing.T) {
	r := startRivals(t, func(honest, evil *oidcupstream.Config) {
		honest.RedirectURL, evil.RedirectURL = mytokentest.IssuerURL+"/redirect", mytokentest.IssuerURL+"/redirect"
		honest.RequireIssParameter, evil.RequireIssParameter = true, true
	})
	for _, iss := range []string{"", r.Provider.Issuer()} {
		victims, err := r.Issuer.StartLogin(t.Context(), issuer.LoginRequest{Provider: r.evil.Issuer()})
		require.NoError(t, err)
		_, back := r.forwarded(t, victims, "victim")
		if iss != "" {
			back.Query.Set("iss", iss)
		}
		_, err = r.Issuer.FinishLogin(t.Context(), back)
		require.ErrorIs(t, err, oidcupstream.ErrRedirect)
		require.NotContains(t, r.heard.String(), back.Query.Get("code"))
	}
	for _, op := range []*optest.Server{r.Provider, r.evil} {
		_, err := r.LoginWith(t.Context(), "alice", issuer.LoginRequest{Provider: op.Issuer()})
		require.NoError(t, err)
	}
}

// A response counts at the address of its provider alone, spelled as registered.
func TestArrivalElsewhere(t *testing.T) {
	s := start(t, mytokentest.Options{})
	begin := func() issuer.FinishRequest {
		login, err := s.Issuer.StartLogin(t.Context(), issuer.LoginRequest{Provider: s.Provider.Issuer()})
		require.NoError(t, err)
		return browse(t, login, "alice")
	}
	for _, path := range []string{"/", "/redirect/", "/Redirect", "/redirect/x", "redirect", "//redirect", mytokentest.IssuerURL + "/redirect"} {
		back := begin()
		back.Path = path
		_, err := s.Issuer.FinishLogin(t.Context(), back)
		require.Equal(t, "server_error", errAs[*issuer.LoginError](t, err).Code, path)
		back.Path = "/redirect"
		_, err = s.Issuer.FinishLogin(t.Context(), back)
		require.ErrorIs(t, err, issuer.ErrState, path)
	}
	require.Zero(t, s.Provider.Count(optest.Exchanged))

	// A program that does not say where the browser arrived has a mistake, and the user
	// loses nothing.
	back := begin()
	back.Path = ""
	_, err := s.Issuer.FinishLogin(t.Context(), back)
	requireRequestError(t, err, "path")
	back.Path = "/redirect"
	_, err = s.Issuer.FinishLogin(t.Context(), back)
	require.NoError(t, err)
}

// New refuses providers whose responses it could not tell apart.
func TestSharedRedirectURLs(t *testing.T) {
	s := start(t, mytokentest.Options{})
	provider := func(iss, redirectURL string, promised bool) issuer.Provider {
		up, err := oidcupstream.New(oidcupstream.Config{
			Issuer: iss, ClientID: "c", Auth: oidcupstream.PublicClient(), RedirectURL: redirectURL, RequireIssParameter: promised,
		})
		require.NoError(t, err)
		return issuer.Provider{Upstream: up}
	}
	const a, b, c = "https://a.example.org", "https://b.example.org", "https://c.example.org"
	shared := map[string][]issuer.Provider{
		"the same":          {provider(a, b+"/redirect", false), provider(b, b+"/redirect", false)},
		"another host":      {provider(a, b+"/redirect", false), provider(b, c+"/redirect", false)},
		"a slash":           {provider(a, b+"/redirect", false), provider(b, b+"/redirect/", false)},
		"case":              {provider(a, b+"/redirect/x", false), provider(b, b+"/redirect/X", false)},
		"escapes":           {provider(a, b+"/redirect", false), provider(b, b+"/r%65direct", false)},
		"an escaped slash":  {provider(a, b+"/redirect/x", false), provider(b, b+"/redirect%2Fx", false)},
		"slashes":           {provider(a, b+"/redirect/x", false), provider(b, b+"/redirect//x", false)},
		"dots":              {provider(a, b+"/redirect", false), provider(b, b+"/x/../redirect", false)},
		"a query":           {provider(a, b+"/redirect?op=a", false), provider(b, b+"/redirect?op=b", false)},
		"no path":           {provider(a, b, false), provider(b, b+"/", false)},
		"one promises":      {provider(a, b+"/redirect", true), provider(b, b+"/redirect", false)},
		"other promises":    {provider(a, b+"/redirect", false), provider(b, b+"/redirect", true)},
		"two of three":      {provider(a, b+"/redirect", true), provider(c, b+"/redirect", true), provider(b, b+"/redirect", false)},
		"after another one": {provider(a, b+"/redirect", false), provider(c, b+"/elsewhere", false), provider(b, b+"/redirect", false)},
	}
	for name, providers := range shared {
		config := s.Config
		config.Providers = providers
		_, err := issuer.New(config)
		require.ErrorContains(t, err, a, name)
		require.ErrorContains(t, err, b, name)
		require.ErrorContains(t, err, "/redirect/b.example.org", name)
		require.ErrorContains(t, err, "RequireIssParameter", name)
	}

	// Default names may be the same. Then the error names another path.
	config := s.Config
	config.Providers = []issuer.Provider{provider(a+"/realms/X", b+"/redirect/a.example.org-realms-x", false), provider(a+"/realms/x", b+"/redirect/a.example.org-realms-x", false)}
	_, err := issuer.New(config)
	require.ErrorContains(t, err, "such as one that ends in /redirect/a.example.org-realms-x-2,")

	for name, providers := range map[string][]issuer.Provider{
		"alone":          {provider(a, b+"/anything", false)},
		"different":      {provider(a, b+"/redirect/a", false), provider(b, b+"/redirect/b", false), provider(c, b+"/redirect", false)},
		"both promise":   {provider(a, b+"/redirect", true), provider(b, b+"/redirect", true)},
		"without logins": {provider(a, "", false), provider(b, "", false), provider(c, b+"/redirect", false)},
	} {
		config := s.Config
		config.Providers = providers
		_, err := issuer.New(config)
		require.NoError(t, err, name)
	}
}
