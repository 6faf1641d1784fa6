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
	// Early is how long before its end an access token is replaced; 0: one
	// minute. It is at most half of the token's life.
	Early time.Duration
	// Context bounds the requests of Token, which has no context of its own;
	// nil: context.Background().
	Context context.Context
}

const defaultEarly = time.Minute

// TokenSource is an [oauth2.TokenSource] of access tokens for the mytoken of a
// [Holder]. It asks for a new one early, and makes one request at a time. Callers that
// come meanwhile get the last token as long as it is valid, and then wait. As long as
// it is, a failed early request is no error: the last token is returned, and the next
// request is made a little later. A token for which the provider states no end is kept for
// ever. It is safe for concurrent use.
type TokenSource struct {
	h    *Holder
	opts SourceOptions

	turn chan struct{} // held by who may ask

	mu       sync.Mutex
	last     *AccessToken
	renew    time.Time // of last
	failures int
}

// TokenSource returns a source. It asks for nothing yet.
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

// AccessToken is Token with a context of its own, and with all that is known of the
// token. Do not change what is returned.
func (s *TokenSource) AccessToken(ctx context.Context) (*AccessToken, error) {
	last, fresh := s.kept()
	if fresh {
		return last, nil
	}
	select {
	case s.turn <- struct{}{}:
	default:
		if last != nil { // somebody asks early, and it is good enough meanwhile
			return last, nil
		}
		select {
		case s.turn <- struct{}{}:
		case <-ctx.Done():
			return nil, &NetworkError{Operation: "access token", Err: ctx.Err()}
		}
	}
	defer func() { <-s.turn }()
	last, fresh = s.kept()
	if fresh { // somebody else has asked
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

// kept returns the last token as long as it is valid, and whether it is fresh.
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

// postpone leaves the server alone for a while, if the last token is still valid: the
// request that failed may have taken long.
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

// renewal is when a token is replaced; the zero time if it never ends. Of a life
// shorter than twice the margin, half is used.
func renewal(t *AccessToken, asked time.Time, early time.Duration) time.Time {
	if t.Expires.IsZero() {
		return time.Time{}
	}
	return t.Expires.Add(-min(early, t.Expires.Sub(wall(asked))/2))
}
