package client

import (
	"context"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"github.com/mytoken-go/sdk/mytoken"
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
// asks again a little later. A request fails if another process keeps the lock of the
// mytoken for two minutes.
//
// The source keeps a token forever if the provider states no expiry. A token is valid
// only if the wall clock and the monotonic clock agree that it is. So the source asks for
// a new one after a clock was set back, or after the machine was asleep.
//
// If the server refuses for good, or says when to come back, the source does not ask
// again for a while: for at most a minute, or as long as the server says, up to an hour.
// Meanwhile it returns the last token while that is valid, and otherwise the same error.
// Without a valid token, it asks at once if the [TokenStore] has another mytoken.
//
// All requests until an answer arrives count as one use for a day, if the server counts a
// repeated request once; see [Metadata]. At other servers, the source saves the uses of a
// limited mytoken like a [Keeper]: it loses at most half of those that are left, and does
// not ask again for an hour.
//
// A TokenSource is safe for concurrent use.
type TokenSource struct {
	h    *Holder
	opts SourceOptions

	turn chan struct{} // full while a caller makes a request
	uses thrift        // for the caller that makes a request

	mu       sync.Mutex
	last     *AccessToken
	pause    span // after a failed early request: last serves meanwhile
	failures int
	refusal  *refusal
}

// refusal is an answer that the source repeats for a while instead of asking again.
type refusal struct {
	token mytoken.Secret // that the server refused
	err   error
	pause span
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
	if err := s.refused(ctx); err != nil {
		return nil, err
	}
	t, wait, err := s.uses.ask(context.WithValue(ctx, impatient{}, true), s.h, s.opts.AccessTokenRequest)
	if err == nil {
		s.keep(t)
		return t, nil
	}
	if last := s.failed(ctx, err, wait); last != nil {
		return last, nil
	}
	return nil, err
}

// kept returns the last token while it is valid, and whether it is fresh.
func (s *TokenSource) kept() (t *AccessToken, fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.h.c.now()
	if s.last == nil || s.last.expired(now) {
		return nil, false
	}
	due, expires := s.last.due(s.opts.Early)
	return s.last, !expires || !due.over(now) || !s.pause.over(now)
}

func (s *TokenSource) keep(t *AccessToken) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last, s.pause, s.failures, s.refusal = t, span{}, 0, nil
}

// failed puts the next request off after a failed one, by wait at least. It returns the
// last token while that is valid: the failed request may have taken long.
func (s *TokenSource) failed(ctx context.Context, err error, wait time.Duration) *AccessToken {
	last, _ := s.kept()
	obey := refusedForGood(err) || asksForPause(err) || wait > 0
	var refused *refusal
	if obey {
		if token, err := s.h.load(ctx); err == nil {
			refused = &refusal{token: token}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures++
	s.pause = span{s.h.c.now(), backOff(s.failures, mostWait)}
	if obey {
		s.pause.d = max(pause(s.failures, err), wait)
	}
	if s.refusal = refused; refused != nil {
		refused.err, refused.pause = err, s.pause
	}
	return last
}

// refused returns the last refusal, unless its pause is over or there is another mytoken.
func (s *TokenSource) refused(ctx context.Context) error {
	s.mu.Lock()
	r := s.refusal
	s.mu.Unlock()
	if r == nil || r.pause.over(s.h.c.now()) {
		return nil
	}
	if token, err := s.h.load(ctx); err != nil || !token.Equal(r.token) {
		return nil
	}
	return r.err
}
