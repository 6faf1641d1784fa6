package mytokentest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/mytoken-go/sdk/internal/redact"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/memstore"
	"github.com/mytoken-go/sdk/store/seal"
)

// IssuerURL is the issuer URL of a service, unless Options.URL is another one.
const IssuerURL = "https://mytoken.example.org"

// hidden makes a type that holds secrets print as a placeholder.
type hidden = redact.Hidden

// Options changes a service before it starts. The zero value works.
type Options struct {
	hidden

	// URL is the issuer URL. Users come back from the provider at URL + "/redirect". Empty:
	// [IssuerURL]. Set it to the address of the test's server if programs talk to the
	// issuer over HTTP.
	URL string
	// Clock of the issuer and the provider; nil: NewClock(time.Time{}).
	Clock *Clock
	// Store of the issuer; nil: a new memstore.
	Store store.Store
	// Provider configures the provider. Start sets its clock.
	Provider optest.Options
	// Upstream, if set, may change how the issuer uses the provider.
	Upstream func(*oidcupstream.Config)
	// Config, if set, may change the issuer's configuration.
	Config func(*issuer.Config)
}

// Service is an issuer with everything that it needs.
type Service struct {
	Issuer   *issuer.Issuer
	Provider *optest.Server
	Clock    *Clock
	Store    store.Store
	// Config is what the issuer was made with. A second issuer made with it acts as
	// another process of the same service.
	Config issuer.Config
}

// closeTimeout bounds how long Close waits for running requests.
const closeTimeout = 5 * time.Second

// Client is the client on whose behalf [Service.Login] and [Service.Follow] act. Its
// address is reserved for documentation (RFC 5737).
var Client = issuer.Client{Address: netip.MustParseAddr("192.0.2.7"), UserAgent: "mytokentest"}

// Start starts a service. Call Close when the test is over.
func Start(opts Options) (*Service, error) {
	if opts.URL == "" {
		opts.URL = IssuerURL
	}
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
	up := s.Provider.ClientConfig(strings.TrimSuffix(opts.URL, "/") + "/redirect")
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
		Issuer: opts.URL, Store: s.Store, Seal: ring, Keys: keys, Providers: []issuer.Provider{{Upstream: upstream}},
		Clock: s.Clock.Now, Logger: slog.New(slog.DiscardHandler),
	}
	if opts.Config != nil {
		opts.Config(&s.Config)
	}
	s.Issuer, err = issuer.New(s.Config)
	return err
}

// Login logs a user in at the provider and returns the new token. It acts for [Client].
func (s *Service) Login(ctx context.Context, subject string, props mytoken.Properties) (*mytoken.Issued, error) {
	result, err := s.LoginWith(ctx, subject, issuer.LoginRequest{Properties: props, Client: Client})
	if err != nil {
		return nil, err
	}
	return result.Issued, nil
}

// LoginWith logs a user in with any request. It fills in the provider if req has none.
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

// Follow finishes a started login as the user's browser does. It goes to the provider,
// logs in as subject, and brings the answer back to the issuer.
func (s *Service) Follow(ctx context.Context, subject string, login *issuer.Login) (*issuer.LoginResult, error) {
	back, err := s.browse(ctx, login.URL, subject)
	if err != nil {
		return nil, err
	}
	return s.Issuer.FinishLogin(ctx, issuer.FinishRequest{Path: back.Path, Query: back.Query(), Client: Client})
}

// RefreshToken logs a user in without the issuer, and returns the refresh token. Pass it
// to [issuer.Issuer.Adopt], as a service does that kept refresh tokens before it had an
// issuer. Audiences are those that the login asks for (RFC 8707).
func (s *Service) RefreshToken(ctx context.Context, subject string, audiences ...string) (mytoken.Secret, error) {
	upstream, verifier := s.Config.Providers[0].Upstream, oauth2.GenerateVerifier()
	address, err := upstream.AuthorizationURL(ctx, oidcupstream.AuthorizationRequest{
		State: "state", Nonce: "nonce", Verifier: verifier, Audiences: audiences,
	})
	if err != nil {
		return mytoken.Secret{}, err
	}
	back, err := s.browse(ctx, address, subject)
	if err != nil {
		return mytoken.Secret{}, err
	}
	tokens, err := upstream.Exchange(ctx, oidcupstream.ExchangeRequest{Code: back.Query().Get("code"), Verifier: verifier, Nonce: "nonce"})
	if err != nil {
		return mytoken.Secret{}, err
	}
	return mytoken.NewSecret(tokens.RefreshToken), nil
}

// browse logs a user in at the provider and returns the address to which the browser
// comes back.
func (s *Service) browse(ctx context.Context, address, subject string) (*url.URL, error) {
	redirect, err := optest.Login(ctx, address, subject)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(redirect)
	if err != nil {
		return nil, fmt.Errorf("mytokentest: the provider's redirect: %w", err)
	}
	return u, nil
}

// Close closes the issuer and the provider. It waits for running requests, for five
// seconds at most.
func (s *Service) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return errors.Join(s.Issuer.Close(ctx), s.Provider.Close())
}
