// Package mytokentest gives tests a mytoken issuer that is ready to use: an
// in-memory store, a clock under the test's control, and an OpenID provider in
// the process that speaks real HTTP.
//
//	service, err := mytokentest.Start(mytokentest.Options{})
//	if err != nil {
//		t.Fatal(err)
//	}
//	t.Cleanup(func() { service.Close() })
//	issued, err := service.Login(t.Context(), "alice", mytoken.Properties{Name: "laptop"})
//
// The clock stands still unless the test moves it. Tokens are signed with ES256, which
// is fast; the public clients do not recognise them as JWTs, so tests with those set
// other keys in Options.Config. Nothing is logged unless a logger is set there.
//
// A service may be used concurrently, as long as nobody changes its fields. Its methods
// fail with the errors of the issuer's methods, and of the network.
package mytokentest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"time"

	"github.com/mytoken-go/sdk/internal/redact"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/memstore"
	"github.com/mytoken-go/sdk/store/seal"
)

// IssuerURL is the issuer URL of the service if nothing else is configured.
const IssuerURL = "https://mytoken.example.org"

// hidden is embedded by types that hold secrets. They print as a placeholder.
type hidden = redact.Hidden

// Options configures a service. The zero value works.
type Options struct {
	hidden

	// Clock of the issuer and the provider; nil: a new one.
	Clock *Clock
	// Store of the issuer; nil: a new memstore.
	Store store.Store
	// Provider configures the provider; its clock is the service's.
	Provider optest.Options
	// Upstream may change how the issuer uses the provider, for example the
	// RedirectURL, which is IssuerURL + "/redirect".
	Upstream func(*oidcupstream.Config)
	// Config may change the issuer's configuration.
	Config func(*issuer.Config)
}

// Service is an issuer with all that it needs.
type Service struct {
	Issuer   *issuer.Issuer
	Provider *optest.Server
	Clock    *Clock
	Store    store.Store
	// Config is what the issuer was made with; another issuer made with it is
	// another process of the same service.
	Config issuer.Config
}

// closeTimeout is how long Close waits for requests in flight.
const closeTimeout = 5 * time.Second

// Client is a client whose address no restriction names by accterms.
var Client = issuer.Client{Address: netip.MustParseAddr("192.0.2.7"), UserAgent: "mytokentest"}

// Start starts a service. Close it.
func Start(opts Options) (*Service, error) {
	if opts.Clock == nil {
		opts.Clock = NewClock(time.Time{})
	}
	if opts.Store == nil {
		opts.Store = memstore.New()
	}
	opts.Provider.Clock = opts.Clock.Now
	op, err := optest.Start(opts.Provider)
	if err != nil {
		return nil, err
	}
	s := &Service{Provider: op, Clock: opts.Clock, Store: opts.Store}
	if err := s.configure(opts); err != nil {
		return nil, errors.Join(err, op.Close())
	}
	return s, nil
}

func (s *Service) configure(opts Options) error {
	up := s.Provider.ClientConfig(IssuerURL + "/redirect")
	up.Clock = s.Clock.Now
	if opts.Upstream != nil {
		opts.Upstream(&up)
	}
	upstream, err := oidcupstream.New(up)
	if err != nil {
		return err
	}
	key, err := mytoken.GenerateKey(mytoken.ES256)
	if err != nil {
		return err
	}
	keys, err := mytoken.NewKeys(key)
	if err != nil {
		return err
	}
	ring, err := seal.NewRing(seal.RingConfig{Active: seal.NewKey()})
	if err != nil {
		return err
	}
	s.Config = issuer.Config{
		Issuer: IssuerURL, Store: s.Store, Seal: ring, Keys: keys, Providers: []issuer.Provider{{Upstream: upstream}},
		Clock: s.Clock.Now, Logger: slog.New(slog.DiscardHandler),
	}
	if opts.Config != nil {
		opts.Config(&s.Config)
	}
	s.Issuer, err = issuer.New(s.Config)
	return err
}

// Login logs a user in at the provider, over HTTP, as [Client] does, and returns the
// token.
func (s *Service) Login(ctx context.Context, subject string, props mytoken.Properties) (*mytoken.Issued, error) {
	result, err := s.LoginWith(ctx, subject, issuer.LoginRequest{Properties: props, Client: Client})
	if err != nil {
		return nil, err
	}
	return result.Issued, nil
}

// LoginWith is Login for any request; the provider is filled in.
func (s *Service) LoginWith(ctx context.Context, subject string, req issuer.LoginRequest) (*issuer.LoginResult, error) {
	if req.Provider == "" {
		req.Provider = s.Provider.Issuer()
	}
	login, err := s.Issuer.StartLogin(ctx, req)
	if err != nil {
		return nil, err
	}
	return s.Follow(ctx, subject, login)
}

// Follow acts as the user's browser: it goes to the provider, logs in as the
// subject, and brings the answer to the issuer.
func (s *Service) Follow(ctx context.Context, subject string, login *issuer.Login) (*issuer.LoginResult, error) {
	redirect, err := optest.Login(ctx, login.URL, subject)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(redirect)
	if err != nil {
		return nil, fmt.Errorf("mytokentest: %w", err)
	}
	return s.Issuer.FinishLogin(ctx, issuer.FinishRequest{Query: u.Query(), Client: Client})
}

// Close closes the issuer and the provider.
func (s *Service) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return errors.Join(s.Issuer.Close(ctx), s.Provider.Close())
}
