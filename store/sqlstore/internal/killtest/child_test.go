package killtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/seal"
	"github.com/mytoken-go/sdk/store/sqlstore"
)

// child is a process that serves mytokens until it is killed.
type child struct {
	issuer   *issuer.Issuer
	began    time.Time
	patience time.Duration // how long other processes wait for this one, if more than 0

	mu  sync.Mutex
	out *json.Encoder
}

// childMain carries out the orders that it reads, all at the same time, and ends when
// there are no more.
func childMain(in io.Reader, out io.Writer) int {
	c := &child{began: time.Now(), out: json.NewEncoder(out)}
	orders := json.NewDecoder(in)
	if err := c.serve(orders); err != nil {
		c.say(line{Kind: fatal, Text: err.Error()})
		return 1
	}
	return 0
}

func (c *child) serve(orders *json.Decoder) error {
	ctx := context.Background()
	var s setup
	if err := orders.Decode(&s); err != nil {
		return err
	}
	c.patience = s.Timing.InDoubtWait
	db, err := s.Site.connect()
	if err != nil {
		return err
	}
	defer db.Close()
	st, err := sqlstore.New(ctx, db, s.Site.Dialect, s.Site.options())
	if err != nil {
		return err
	}
	if c.issuer, err = s.issuer(&watchedStore{st, c}, &watchedTransport{new(http.Transport), c}, c.notice, time.Now); err != nil {
		return err
	}
	if err := c.issuer.Recover(ctx); err != nil {
		return err
	}
	c.say(line{Kind: ready})
	var running sync.WaitGroup
	for {
		var o order
		switch err := orders.Decode(&o); {
		case errors.Is(err, io.EOF):
			running.Wait()
			return c.issuer.Close(ctx)
		case err != nil:
			return err
		}
		running.Go(func() { c.carryOut(ctx, o) })
	}
}

// issuer returns an issuer with the setup's settings.
func (s *setup) issuer(st store.Store, transport http.RoundTripper, observe func(context.Context, issuer.Notice), clock func() time.Time) (*issuer.Issuer, error) {
	upstream, err := oidcupstream.New(oidcupstream.Config{
		Issuer: s.Provider, ClientID: optest.DefaultClientID, Auth: oidcupstream.ClientSecretBasic(optest.DefaultClientSecret),
		RedirectURL: mytokentest.IssuerURL + "/redirect", Scopes: scopes, Timeout: s.Timing.Timeout, Clock: clock,
		HTTPClient: &http.Client{Transport: transport},
	})
	if err != nil {
		return nil, err
	}
	key, err := mytoken.ParseKeyPEM([]byte(s.Key), mytoken.ES256)
	if err != nil {
		return nil, err
	}
	keys, err := mytoken.NewKeys(key)
	if err != nil {
		return nil, err
	}
	sealing, err := seal.ParseKey(s.Seal)
	if err != nil {
		return nil, err
	}
	ring, err := seal.NewRing(seal.RingConfig{Active: sealing})
	if err != nil {
		return nil, err
	}
	return issuer.New(issuer.Config{
		Issuer: mytokentest.IssuerURL, Store: st, Seal: ring, Keys: keys, Providers: []issuer.Provider{{Upstream: upstream}},
		SpillDir: s.Spill, Lease: s.Timing.Lease, MaxClockSkew: s.Timing.Skew, WaitLimit: s.Timing.WaitLimit, InDoubtWait: s.Timing.InDoubtWait,
		Clock: clock, Logger: slog.New(slog.DiscardHandler), Observer: observe,
	})
}

// say writes a line in one piece.
func (c *child) say(l line) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.out.Encode(l) // nobody listens: the process is about to end
}

func (c *child) carryOut(ctx context.Context, o order) {
	w := &work{order: o, child: c}
	ctx = context.WithValue(ctx, workKey{}, w)
	if o.Revoke {
		_, err := c.issuer.Revoke(ctx, issuer.RevokeRequest{Token: mytoken.NewSecret(o.Token), Recursive: true, Client: mytokentest.Client})
		l := w.result(err)
		if err == nil {
			l.Outcome = revoked
		}
		c.say(l)
		return
	}
	at, err := c.issuer.AccessToken(ctx, o.request())
	l := w.result(err)
	if err == nil && at.Update != nil {
		l.Update = at.Update.Token.Reveal()
	}
	c.say(l)
}

func (o *order) request() issuer.AccessTokenRequest {
	return issuer.AccessTokenRequest{
		Token: mytoken.NewSecret(o.Token), ID: o.ID, Scopes: []string{o.Scope}, Comment: strconv.Itoa(o.N), Client: mytokentest.Client,
	}
}

// result returns the line with which the process reports the outcome of an order.
func (w *work) result(err error) line {
	l := line{Kind: done, Order: w.N, Outcome: outcomeOf(err)}
	if l.Outcome != delivered && w.notRefunded.Load() {
		l.Outcome = doubtful
	}
	if err != nil {
		l.Text = fmt.Sprintf("%T: %v", err, err)
	}
	return l
}

func outcomeOf(err error) outcome {
	if err == nil {
		return delivered
	}
	if token, ok := errors.AsType[*issuer.TokenError](err); ok {
		switch token.Reason {
		case issuer.TokenRevoked:
			return dead
		case issuer.TokenOutdated, issuer.TokenReused:
			return outdated
		}
		return untyped
	}
	if upstream, ok := errors.AsType[*issuer.UpstreamError](err); ok {
		if upstream.Charged {
			return charged
		}
		return refused
	}
	if _, ok := errors.AsType[*issuer.StoreError](err); ok {
		return doubtful
	}
	if _, ok := errors.AsType[*issuer.RefusedError](err); ok {
		return exhausted
	}
	if _, ok := errors.AsType[*issuer.ReconnectError](err); ok {
		return ended
	}
	if _, ok := errors.AsType[*issuer.BusyError](err); ok {
		return busy
	}
	return untyped
}
