package jws

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/mytoken-go/sdk/internal/fresh"
)

// FetchPause is the shortest time between two fetches after a failure or for messages
// with unknown keys. Nobody can make this process ask for keys more often, except of an
// Eager source.
const FetchPause = 10 * time.Second

// SourceConfig says where a [Source] gets its key set, and how long it keeps it. Every
// field but Background and Eager is required.
type SourceConfig[S any] struct {
	URL string
	// Client fetches the set. The source does not follow redirects.
	Client *http.Client
	Clock  func() time.Time
	// MaxAge is how old a set may be before it is fetched again. MaxStale is how old it
	// may be while fetching a new one fails.
	MaxAge, MaxStale time.Duration
	// Timeout bounds one fetch.
	Timeout time.Duration
	// Background makes a fetch run in a goroutine of its own. Then a call returns when
	// its context ends. Otherwise the call that fetches stays until the end of the fetch.
	Background bool
	// Eager makes calls without keys fetch again at once after a failure. It is for
	// callers that are rare, so that a failure costs only those who waited for it.
	Eager bool
	// Decode decodes a set. It gets at most MaxSetBytes + 1 bytes.
	Decode func([]byte) (*S, error)
}

// Source gets a key set from a URL. A call that needs keys fetches them, and there is
// never more than one fetch at a time:
//
//   - Without keys, or with keys older than MaxStale, all calls wait for one fetch. If it
//     fails, all are refused, and so are calls within [FetchPause] after it, unless the
//     source is Eager.
//   - With keys older than MaxAge, one call fetches and the others go on with the old
//     keys. If the fetch fails, all go on with them until MaxStale.
//   - If a message's key is unknown, one call fetches and others with unknown keys wait
//     for it, unless the last fetch began less than FetchPause ago.
//
// The next fetch drops keys that are no longer published. A fetch goes on when the
// context of its caller ends, because others need the keys too.
type Source[S any] struct {
	cfg   SourceConfig[S]
	turn  chan struct{} // holds one element while somebody fetches
	state atomic.Pointer[sourceState[S]]
}

// sourceState never changes after it is published.
type sourceState[S any] struct {
	set     *S        // nil: never fetched
	fetched time.Time // when set was fetched
	tried   time.Time // when the last fetch began
	err     error     // of the last fetch
}

// NewSource returns a source and fetches nothing yet.
func NewSource[S any](cfg SourceConfig[S]) *Source[S] {
	client := *cfg.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	cfg.Client = &client
	s := &Source[S]{cfg: cfg, turn: make(chan struct{}, 1)}
	s.state.Store(&sourceState[S]{})
	return s
}

// within reports whether there are keys that are at most age old, by both clocks. If a
// clock was set back since the fetch, their age is unknown and within reports false.
func (s *sourceState[S]) within(age time.Duration, now time.Time) bool {
	passed, known := fresh.Age(s.fetched, now)
	return s.set != nil && known && passed <= age
}

// pausing reports whether the last fetch is too recent for another one.
func (s *sourceState[S]) pausing(now time.Time) bool {
	return fresh.Within(s.tried, FetchPause, now)
}

// Current returns the set that counts now. It returns the error of the last fetch, or of
// ctx if that ended first.
func (s *Source[S]) Current(ctx context.Context) (*S, error) {
	state, now := s.state.Load(), s.cfg.Clock()
	switch {
	case state.within(s.cfg.MaxAge, now):
		return state.set, nil
	case state.within(s.cfg.MaxStale, now):
		select {
		case s.turn <- struct{}{}:
			now, state = s.cfg.Clock(), s.state.Load() // another call may have fetched meanwhile
			if !state.within(s.cfg.MaxAge, now) && !state.pausing(now) {
				s.fetch(ctx, now)
			} else {
				s.release()
			}
		default:
		}
	default:
		if err := s.take(ctx); err != nil {
			return nil, err
		}
		before := state
		now, state = s.cfg.Clock(), s.state.Load() // as above
		if state.within(s.cfg.MaxStale, now) || state != before || state.pausing(now) && !s.cfg.Eager {
			s.release()
		} else if err := wait(ctx, s.fetch(ctx, now)); err != nil {
			return nil, err
		}
	}
	// The keys of a fetch that has succeeded count, even if it began after now.
	if state = s.state.Load(); state.err != nil && !state.within(s.cfg.MaxStale, now) {
		return nil, state.err
	}
	return state.set, nil
}

// Newer is called after a message whose key is not in seen. It returns a newer set if
// there may be one, and otherwise seen. It also returns the error of the last fetch, or
// of ctx if that ended first: then the key may be published although the set lacks it.
func (s *Source[S]) Newer(ctx context.Context, seen *S) (*S, error) {
	if state := s.state.Load(); state.pausing(s.cfg.Clock()) && state.set == seen {
		return seen, state.err
	}
	if err := s.take(ctx); err != nil {
		return seen, err
	}
	now := s.cfg.Clock()
	if state := s.state.Load(); state.set != seen || state.pausing(now) {
		s.release()
	} else if err := wait(ctx, s.fetch(ctx, now)); err != nil {
		return seen, err
	}
	state := s.state.Load()
	return state.set, state.err
}

// take waits for the turn to fetch.
func (s *Source[S]) take(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *Source[S]) release() { <-s.turn }

// wait waits for the end of a fetch. A fetch that has ended counts, even if ctx has too.
func wait(ctx context.Context, fetched <-chan struct{}) error {
	select {
	case <-fetched:
		return nil
	case <-ctx.Done():
	}
	select {
	case <-fetched:
		return nil
	default:
		return context.Cause(ctx)
	}
}

// fetch replaces the state. Its caller holds the turn, and fetch gives it back. It closes
// the channel at the end.
func (s *Source[S]) fetch(ctx context.Context, now time.Time) <-chan struct{} {
	done := make(chan struct{})
	work := func() {
		defer close(done)
		defer s.release()
		next := *s.state.Load()
		next.tried = now
		set, err := s.get(ctx)
		if next.err = err; err == nil {
			next.set, next.fetched = set, now
		}
		s.state.Store(&next)
	}
	if s.cfg.Background {
		go work()
	} else {
		work()
	}
	return done
}

func (s *Source[S]) get(ctx context.Context) (*S, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.cfg.URL, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json, application/jwk-set+json") // some servers know only one of them
	resp, err := s.cfg.Client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers with status %d", req.URL.Redacted(), resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxSetBytes+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read the answer: %w", err)
	}
	return s.cfg.Decode(body)
}
