package issuer

import (
	"context"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"github.com/mytoken-go/sdk/internal/fresh"
	"github.com/mytoken-go/sdk/mytoken"
)

// TokenSourceOptions configures a token source. The zero value works.
type TokenSourceOptions struct {
	Scopes    []string
	Audiences []string
	Comment   string
	Client    Client
	// Early is how long before its expiry an access token is replaced, at most half of
	// its life. 0: one minute.
	Early time.Duration
	// Updated is called with the successor of a rotated mytoken, before the access token
	// is handed out. If Updated returns an error, so does the source, and it calls
	// Updated again before it hands out the next access token. Nil: only the source knows
	// the successor.
	Updated func(context.Context, *mytoken.Issued) error
}

// TokenSource returns a source of access tokens for a mytoken. It asks for a new access
// token when the last one is about to expire, and follows rotations. It also asks for a
// new one after a clock was set back, or after the machine was asleep: see Config.Clock.
// It keeps an access token without expiry for ever. It is safe for concurrent use. The context is used for
// every request of the source.
func (i *Issuer) TokenSource(ctx context.Context, token mytoken.Secret, opts TokenSourceOptions) oauth2.TokenSource {
	if opts.Early <= 0 {
		opts.Early = time.Minute
	}
	return &tokenSource{i: i, ctx: ctx, token: token, opts: opts}
}

type tokenSource struct {
	i    *Issuer
	ctx  context.Context
	opts TokenSourceOptions

	mu      sync.Mutex
	token   mytoken.Secret
	pending *mytoken.Issued // a successor that Updated has not accepted yet
	last    *oauth2.Token
	asked   time.Time     // for last
	use     time.Duration // from then until last is replaced; 0: for ever
}

// Token returns an access token. Errors are those of [Issuer.AccessToken].
func (s *tokenSource) Token() (*oauth2.Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.accept(); err != nil {
		return nil, err
	}
	now := s.i.Now()
	if s.last != nil && (s.use == 0 || fresh.Within(s.asked, s.use, now)) {
		return s.copy(), nil
	}
	at, err := s.i.AccessToken(s.ctx, AccessTokenRequest{
		Token: s.token, Scopes: s.opts.Scopes, Audiences: s.opts.Audiences, Comment: s.opts.Comment, Client: s.opts.Client,
	})
	if err != nil {
		return nil, err
	}
	s.last, s.asked, s.use = at.OAuth2(), now, 0
	if !at.Expires.IsZero() {
		life := at.Expires.Sub(now)
		s.use = max(life-min(s.opts.Early, life/2), 1)
	}
	if at.Update != nil {
		s.token, s.pending = at.Update.Token, at.Update
	}
	if err := s.accept(); err != nil {
		return nil, err
	}
	return s.copy(), nil
}

// copy returns a token that its caller may change.
func (s *tokenSource) copy() *oauth2.Token {
	t := *s.last
	return &t
}

// accept passes a successor to Updated, again if that returned an error before.
func (s *tokenSource) accept() error {
	if s.pending == nil || s.opts.Updated == nil {
		s.pending = nil
		return nil
	}
	if err := s.opts.Updated(s.ctx, s.pending); err != nil {
		return err
	}
	s.pending = nil
	return nil
}
