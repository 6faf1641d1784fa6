// Portal is a complete mytoken service. Users log in at an OpenID provider. The mytoken
// command line client, oidc-agent and curl get mytokens and use them.
//
//	go run ./examples/portal
//
// starts the service with a provider for tests, at which everybody can log in, and prints
// which address to open in a browser. For real use, register <url>/redirect/op.example.org at yours and run
//
//	PORTAL_CLIENT_SECRET=… portal -issuer https://op.example.org -client-id portal \
//	    -url https://mytoken.example.org -listen :443 -tls-cert cert.pem -tls-key key.pem
//
// Each flag has a variable, such as PORTAL_DSN for -dsn. The log on standard error has a
// line for each login and each request that failed; with -log-level debug, for every
// request. After SIGTERM or SIGINT the health check says 503. After -drain no more
// connections are accepted, and the service answers the requests of those that it has,
// and exits. A signal after the drain ends it at once.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	_ "time/tzdata" // for schedules, on systems without time zones

	"github.com/mytoken-go/sdk/examples/internal/abandon"
	"github.com/mytoken-go/sdk/examples/internal/serve"
	"github.com/mytoken-go/sdk/examples/internal/sshserve"
	"github.com/mytoken-go/sdk/examples/portal/demo"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/rest"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/restriction"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o, err := parseOptions()
	if err == nil {
		err = run(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "portal:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o *options) (err error) {
	slog.SetDefault(o.log.Logger(os.Stderr))
	public, err := serve.Listen(o.listen, o.cert, o.key)
	if err != nil {
		return err
	}
	defer public.Close()
	private, err := serve.Listen(o.health, "", "")
	if err != nil {
		return err
	}
	defer private.Close()
	o.url = cmp.Or(o.url, "http://"+public.Addr().String())
	provider := oidcupstream.Config{Issuer: o.issuer, ClientID: o.client, Auth: oidcupstream.ClientSecretBasic(o.secret), Scopes: strings.Fields(o.scopes), AlwaysGranted: o.always}
	if o.issuer == "" {
		test, err := demo.StartProvider(o.data)
		if err != nil {
			return err
		}
		defer test.Close()
		provider, o.data = test.Config, test.Dir
	}
	if o.reuse {
		provider.Reuse = oidcupstream.ReuseTolerates
	}
	provider.RefreshTokensNeverRotate, provider.RedirectURL = o.fixed, cmp.Or(o.redirect, o.url+"/redirect/"+oidcupstream.DefaultShortName(provider.Issuer))
	upstream, err := oidcupstream.New(provider)
	if err != nil {
		return err
	}
	db, config, err := openStorage(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	config.Restrictions.Resolver = restriction.NewResolverCache(net.DefaultResolver, restriction.CacheOptions{})
	config.Issuer, config.Providers = o.url, []issuer.Provider{{Upstream: upstream, AccessTokenCache: o.cache}}
	iss, err := issuer.New(config)
	if err != nil {
		return err
	}
	if o.abandon != "none" {
		return abandon.Node(ctx, os.Stdout, iss, o.abandon)
	}
	if err := iss.Recover(ctx); err != nil {
		slog.Error("refresh tokens of an earlier run could not be stored; they stay in the data directory and are tried again", "error", err)
	}
	go iss.Maintain(ctx, 5*time.Minute)
	door, err := sshserve.Open(iss, o.ssh, filepath.Join(o.data, "ssh-host-key"))
	if err != nil {
		return err
	}
	handler, err := rest.NewHandler(iss, rest.Options{SSH: door.Server(), TrustedProxies: o.proxies, TrustUnixPeers: o.unixProxy, Explanations: rest.ExplainClauses, Clients: o.clients})
	if err != nil {
		return err
	}
	service := serve.New(handler)
	health, err := rest.HealthHandler(rest.HealthOptions{Database: db.Store.Ping, Draining: service.Draining})
	if err != nil {
		return err
	}
	inside, failed := serve.New(health), make(chan error, 3)
	defer inside.Close()
	door.Serve(handler, failed)
	go func() { failed <- service.Serve(public) }()
	go func() { failed <- inside.Serve(private) }()

	slog.Info("listening", "address", public.Addr().String(), "health", private.Addr().String(), "redirect_uri", provider.RedirectURL)
	err = demo.NewWalk(o.url, public.Addr(), private.Addr(), provider.Issuer, o.issuer == "").Start(ctx, os.Stdout, o.check, o.walk)
	if err == nil && !o.check {
		select {
		case err = <-failed:
		case <-ctx.Done():
		}
	}
	time.AfterFunc(o.drain, func() { door.Close(); signal.Reset(os.Interrupt, syscall.SIGTERM) }) // some supervisors send the first one twice; later ones end the program at once
	return errors.Join(err, service.End(o.drain, door.Before(iss.Close)))
}
