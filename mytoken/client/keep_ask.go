package client

import (
	"context"
	"time"
)

// answer is the outcome of a request.
type answer struct {
	token *AccessToken
	asked time.Time
	err   error
}

// due is when the token of an answer is replaced.
func (a *answer) due(early time.Duration) time.Time {
	if turn := renewal(a.token, a.asked, early); !turn.IsZero() {
		return turn
	}
	return a.asked.Add(unknownLife)
}

// start gets an answer: the one whose token could not be written, as long as that is not
// due, or else another, which is a use of the mytoken.
func (k *Keeper) start(ctx context.Context, answers chan<- answer) {
	if k.spare != nil && k.now().Before(k.spare.due(k.cfg.Early)) {
		answers <- *k.spare
		return
	}
	go func() { answers <- k.ask(ctx) }()
}

func (k *Keeper) ask(ctx context.Context) answer {
	asked := k.now()
	token, err := k.cfg.Holder.AccessToken(ctx, k.cfg.AccessTokenRequest)
	return answer{token, asked, err}
}
