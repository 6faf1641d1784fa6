package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/netip"
	"time"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store/memstore"
	"github.com/mytoken-go/sdk/store/seal"
)

// The addresses from which tokens are used.
const (
	portalAddress   = "192.0.2.1"
	jobAddress      = "198.51.100.23"
	strangerAddress = "203.0.113.99"
)

// startProvider starts an OpenID provider. It replaces the refresh token at each use, and
// ends the login if an old one comes back.
func startProvider(clock *mytokentest.Clock) (*optest.Server, error) {
	return optest.Start(optest.Options{
		Clock: clock.Now, Rotation: optest.RotateStrict, Subject: "alice",
		Scopes: []string{"openid", "offline_access", "compute.submit", "storage"},
	})
}

// portal is a web service with users. It issues mytokens in its own process.
type portal struct {
	issuer   *issuer.Issuer
	provider string
	server   *http.Server
	url      string
	wanted   mytoken.Properties   // of the token that the next login asks for
	issued   chan *mytoken.Issued // the tokens of finished logins
}

// startPortal makes an issuer and serves the two pages of a login.
func startPortal(provider *optest.Server, clock *mytokentest.Clock) (*portal, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &portal{url: "http://" + listener.Addr().String(), provider: provider.Issuer(), issued: make(chan *mytoken.Issued, 1)}

	cfg := provider.ClientConfig(p.url + "/redirect/" + oidcupstream.DefaultShortName(p.provider))
	cfg.Clock = clock.Now
	upstream, err := oidcupstream.New(cfg)
	if err != nil {
		return nil, err
	}
	key, err := mytoken.GenerateKey(mytoken.ES384)
	if err != nil {
		return nil, err
	}
	keys, err := mytoken.NewKeys(key)
	if err != nil {
		return nil, err
	}
	ring, err := seal.NewRing(seal.RingConfig{Active: seal.NewKey()})
	if err != nil {
		return nil, err
	}
	p.issuer, err = issuer.New(issuer.Config{
		Issuer: p.url, Store: memstore.New(), Seal: ring, Keys: keys,
		Providers: []issuer.Provider{{Upstream: upstream}}, Clock: clock.Now,
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", p.startLogin)
	mux.HandleFunc("GET "+upstream.RedirectPath(), p.finishLogin)
	p.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go p.server.Serve(listener) // until Close
	return p, nil
}

const loginCookie = "login"

// startLogin sends the browser to the provider.
func (p *portal) startLogin(w http.ResponseWriter, r *http.Request) {
	login, err := p.issuer.StartLogin(r.Context(), issuer.LoginRequest{Provider: p.provider, Properties: p.wanted})
	if err != nil {
		failed(w, err, http.StatusBadGateway)
		return
	}
	// Remember in which browser this login began.
	http.SetCookie(w, &http.Cookie{Name: loginCookie, Value: p.issuer.BrowserProof(login.State).Reveal(), Path: "/redirect", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	http.Redirect(w, r, login.URL, http.StatusFound)
}

// failed tells the user that the login failed, and the operator why. Texts of errors are
// for operators.
func failed(w http.ResponseWriter, err error, status int) {
	slog.Error("login", "error", err)
	http.Error(w, "the login did not work, please try again later", status)
}

// finishLogin takes what the browser brings back from the provider, and makes a token.
func (p *portal) finishLogin(w http.ResponseWriter, r *http.Request) {
	cookie, err := r.Cookie(loginCookie)
	if err != nil || !p.issuer.IsBrowserProof(mytoken.NewSecret(r.URL.Query().Get("state")), mytoken.NewSecret(cookie.Value)) {
		http.Error(w, "this browser did not start the login", http.StatusForbidden)
		return
	}
	result, err := p.issuer.FinishLogin(r.Context(), issuer.FinishRequest{Path: r.URL.Path, Query: r.URL.Query(), Client: client(portalAddress)})
	if err != nil {
		failed(w, err, http.StatusForbidden)
		return
	}
	p.issued <- result.Issued
	fmt.Fprintln(w, "You are logged in.")
}

// Login plays a user with a browser. They open the portal, log in at the provider, and
// come back.
func (p *portal) Login(ctx context.Context, wanted mytoken.Properties) (*mytoken.Issued, error) {
	p.wanted = wanted
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/login", nil)
	if err != nil {
		return nil, err
	}
	resp, err := (&http.Client{Jar: jar}).Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		return nil, fmt.Errorf("login: %s: %s", resp.Status, text)
	}
	select {
	case issued := <-p.issued:
		return issued, nil
	default:
		return nil, errors.New("login: no token was issued")
	}
}

// Derive makes a token for a job. It is narrower than the user's.
func (p *portal) Derive(ctx context.Context, token mytoken.Secret, name string, clause restriction.Clause) (*mytoken.Issued, error) {
	return p.issuer.Derive(ctx, issuer.DeriveRequest{
		Token: token, Client: client(portalAddress),
		Properties: mytoken.Properties{Name: name, Restrictions: restriction.List{clause}},
	})
}

// Revoke revokes a token and everything that was derived from it.
func (p *portal) Revoke(ctx context.Context, token mytoken.Secret) error {
	_, err := p.issuer.Revoke(ctx, issuer.RevokeRequest{Token: token, Recursive: true, Client: client(portalAddress)})
	return err
}

// Close waits for the requests in flight.
func (p *portal) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return errors.Join(p.server.Shutdown(ctx), p.issuer.Close(ctx))
}

// client describes who makes a request.
func client(address string) issuer.Client {
	return issuer.Client{Address: netip.MustParseAddr(address), UserAgent: "quickstart"}
}
