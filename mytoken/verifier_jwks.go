package mytoken

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/mytoken-go/sdk/internal/jws"
	"github.com/mytoken-go/sdk/internal/loopback"
)

const (
	defaultKeysMaxAge   = 15 * time.Minute
	defaultKeysMaxStale = 24 * time.Hour

	// fetchTimeout bounds one fetch.
	fetchTimeout = 5 * time.Second
	// fetchPause is the shortest time between two fetches after a failure or for tokens
	// with unknown keys. Nobody can make this process ask the issuer more often.
	fetchPause = 10 * time.Second
)

// jwksSource gets the keys of an issuer from its JWKS URL. A call that needs keys fetches
// them, and there is never more than one fetch at a time:
//
//   - Without keys, or with keys older than maxStale, all calls wait for one fetch. If it
//     fails, all are refused, and so are calls within fetchPause after it.
//   - With keys older than maxAge, one call fetches and the others go on with the old
//     keys. If the fetch fails, all go on with them until maxStale.
//   - If a token's key is unknown, one call fetches and others with unknown keys wait for
//     it, unless the last fetch began less than fetchPause ago.
//
// The next fetch drops keys that the issuer no longer publishes.
type jwksSource struct {
	url              string
	client           *http.Client
	clock            func() time.Time
	maxAge, maxStale time.Duration

	turn  chan struct{} // holds one element while somebody fetches
	state atomic.Pointer[jwksState]
}

// jwksState never changes after it is published.
type jwksState struct {
	ring    *jws.Ring // nil: never fetched
	fetched time.Time // when ring was fetched
	tried   time.Time // when the last fetch began
	err     error     // of the last fetch
}

func newJWKSSource(cfg VerifierConfig) (*jwksSource, error) {
	u, err := url.Parse(cfg.JWKSURL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, fmt.Errorf("%w: JWKSURL is not an absolute https URL", ErrVerifierConfig)
	}
	if u.Scheme == "http" && !cfg.InsecureHTTP && !loopback.Is(u.Hostname()) {
		return nil, fmt.Errorf("%w: JWKSURL %s is not https; InsecureHTTP allows that", ErrVerifierConfig, u.Redacted())
	}
	s := &jwksSource{
		url: cfg.JWKSURL, clock: cfg.Clock, client: &http.Client{},
		maxAge: defaultKeysMaxAge, maxStale: defaultKeysMaxStale,
		turn: make(chan struct{}, 1),
	}
	if cfg.HTTPClient != nil {
		copied := *cfg.HTTPClient
		s.client = &copied
	}
	s.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if cfg.KeysMaxAge != 0 {
		s.maxAge = cfg.KeysMaxAge
	}
	if cfg.KeysMaxStale != 0 {
		s.maxStale = cfg.KeysMaxStale
	}
	if s.maxAge < fetchPause || s.maxStale < s.maxAge {
		return nil, fmt.Errorf("%w: need %s <= KeysMaxAge (%s) <= KeysMaxStale (%s)", ErrVerifierConfig, fetchPause, s.maxAge, s.maxStale)
	}
	s.state.Store(&jwksState{})
	return s, nil
}

// within reports whether there are keys that are at most age old. If the clock was set
// back since the fetch, their age is unknown and within reports false.
func (s *jwksState) within(age time.Duration, now time.Time) bool {
	passed := now.Sub(s.fetched)
	return s.ring != nil && passed >= 0 && passed <= age
}

// pausing reports whether the last fetch is too recent for another one.
func (s *jwksState) pausing(now time.Time) bool {
	passed := now.Sub(s.tried)
	return !s.tried.IsZero() && passed >= 0 && passed < fetchPause
}

func (s *jwksSource) current(ctx context.Context) (*jws.Ring, error) {
	state, now := s.state.Load(), s.clock()
	switch {
	case state.within(s.maxAge, now):
		return state.ring, nil
	case state.within(s.maxStale, now):
		select {
		case s.turn <- struct{}{}:
			defer s.release()
			if state := s.state.Load(); !state.within(s.maxAge, now) && !state.pausing(now) {
				s.fetch(ctx, now)
			}
		default:
		}
	default:
		if err := s.take(ctx); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrKeysUnavailable, err)
		}
		defer s.release()
		// Time has passed while another call fetched.
		now = s.clock()
		if state := s.state.Load(); !state.within(s.maxStale, now) && !state.pausing(now) {
			s.fetch(ctx, now)
		}
	}
	state = s.state.Load()
	if !state.within(s.maxStale, now) {
		return nil, fmt.Errorf("%w: %w", ErrKeysUnavailable, state.err)
	}
	return state.ring, nil
}

func (s *jwksSource) newer(ctx context.Context, seen *jws.Ring) *jws.Ring {
	if s.state.Load().pausing(s.clock()) && s.state.Load().ring == seen {
		return seen
	}
	if s.take(ctx) != nil {
		return seen
	}
	defer s.release()
	now := s.clock()
	if state := s.state.Load(); state.ring == seen && !state.pausing(now) {
		s.fetch(ctx, now)
	}
	return s.state.Load().ring
}

// take waits for the turn to fetch.
func (s *jwksSource) take(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *jwksSource) release() { <-s.turn }

// fetch replaces the state. Its caller holds the turn.
func (s *jwksSource) fetch(ctx context.Context, now time.Time) {
	next := *s.state.Load()
	next.tried = now
	ring, err := s.get(ctx)
	if next.err = err; err == nil {
		next.ring, next.fetched = ring, now
	}
	s.state.Store(&next)
}

func (s *jwksSource) get(ctx context.Context) (*jws.Ring, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers with status %d", req.URL.Redacted(), resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, jws.MaxSetBytes+1))
	if err != nil {
		return nil, errors.New("cannot read the answer")
	}
	return jws.DecodeSet(body)
}
