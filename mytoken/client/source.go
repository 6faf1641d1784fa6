package client

import (
	"context"
	"sync"
	"time"

	"golang.org/x/oauth2"
)

// SourceOptions configures a [TokenSource].
type SourceOptions struct {
	AccessTokenRequest
	// Early is how long before its expiry the source replaces an access token; 0: one
	// minute. The source uses each token for at least half of its lifetime.
	Early time.Duration
	// Context bounds the requests of Token, which takes no context; nil:
	// context.Background().
	Context context.Context
}

const defaultEarly = time.Minute

// TokenSource is an [oauth2.TokenSource] of access tokens for the mytoken of a [Holder].
// It asks for a new access token before the last one expires. It makes one request at a
// time: other callers get the last token while it is valid, and wait otherwise.
//
// If an early request fails, the source returns the last token while that is valid, and
// asks again a little later. It keeps a token forever if the provider states no expiry. A
// TokenSource is safe for concurrent use.
type TokenSource struct {
	h    *Holder
	opts SourceOptions

	turn chan struct{} // full while a caller makes a request

	mu       sync.Mutex
	last     *AccessToken
	renew    time.Time // when to replace last
	failures int
}

// TokenSource returns a source. It sends nothing yet.
func (h *Holder) TokenSource(opts SourceOptions) *TokenSource {
	if opts.Early <= 0 {
		opts.Early = defaultEarly
	}
	if opts.Context == nil {
		opts.Context = context.Background()
	}
	return &TokenSource{h: h, opts: opts, turn: make(chan struct{}, 1)}
}

var _ oauth2.TokenSource = (*TokenSource)(nil)

// Token returns an access token. Errors are those of [Holder.AccessToken].
func (s *TokenSource) Token() (*oauth2.Token, error) {
	t, err := s.AccessToken(s.opts.Context)
	if err != nil {
		return nil, err
	}
	return t.OAuth2(), nil
}

// AccessToken is Token with a context of its own. It returns all that is known of the
// token. Do not change the result.
func (s *TokenSource) AccessToken(ctx context.Context) (*AccessToken, error) {
	last, fresh := s.kept()
	if fresh {
		return last, nil
	}
	select {
	case s.turn <- struct{}{}:
	default:
		if last != nil { // another caller makes an early request
			return last, nil
		}
		select {
		case s.turn <- struct{}{}:
		case <-ctx.Done():
			return nil, &NetworkError{Operation: opAccessToken, Err: ctx.Err()}
		}
	}
	defer func() { <-s.turn }()
	last, fresh = s.kept()
	if fresh { // another caller has made the request
		return last, nil
	}
	asked := s.now()
	t, err := s.h.AccessToken(ctx, s.opts.AccessTokenRequest)
	switch {
	case err == nil:
		s.keep(t, renewal(t, asked, s.opts.Early))
		return t, nil
	case s.postpone():
		return last, nil
	}
	return nil, err
}

func (s *TokenSource) now() time.Time { return wall(s.h.c.now()) }

// kept returns the last token while it is valid, and whether it is fresh.
func (s *TokenSource) kept() (t *AccessToken, fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if s.last == nil || !s.last.Expires.IsZero() && !now.Before(s.last.Expires) {
		return nil, false
	}
	return s.last, s.renew.IsZero() || now.Before(s.renew)
}

func (s *TokenSource) keep(t *AccessToken, renew time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last, s.renew, s.failures = t, renew, 0
}

// postpone puts the next request off after a failed one. It reports whether the last
// token is still valid: the failed request may have taken long.
func (s *TokenSource) postpone() bool {
	if last, _ := s.kept(); last == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures++
	s.renew = s.now().Add(backOff(s.failures, mostWait))
	return true
}

// renewal returns when to replace a token: early before it expires, but not before half
// of its lifetime. It returns the zero time for a token that never expires.
func renewal(t *AccessToken, asked time.Time, early time.Duration) time.Time {
	if t.Expires.IsZero() {
		return time.Time{}
	}
	return t.Expires.Add(-min(early, t.Expires.Sub(wall(asked))/2))
}
