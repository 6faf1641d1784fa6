package client

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/mytoken-go/sdk/restriction"
)

// thrift makes the requests for access tokens of a program that asks again and again, and
// keeps it from spending a limited mytoken during an outage. Each request has the key of
// the last one that was not answered, so a server that knows keys counts them all once.
// Any other server may count each. There thrift lets at most half of what is left get
// lost, and then has the program wait for longestRetry.
//
// Only one goroutine may use it at a time.
type thrift struct {
	key  *useKey // of the request that is not answered yet; nil: none
	lost int64   // uses that may have been counted since the last long pause
	most int64   // how many of them may get lost before the next one
	left int64   // after the last of them
	gone int64   // uses that may have been counted since the last answer
}

// ask makes a request. After a failure, wait is how long to wait at least before the next
// one; 0 if the uses that are left are no reason to wait.
func (s *thrift) ask(ctx context.Context, h *Holder, req AccessTokenRequest) (token *AccessToken, wait time.Duration, err error) {
	if s.key == nil {
		s.key = newUseKey()
	}
	s.key.begin()
	token, err = h.AccessToken(withUse(ctx, s.key), req)
	if err == nil {
		*s = thrift{}
		return token, 0, nil
	}
	if sent, keyed := s.key.state(); !sent || keyed || !answerLost(err) || ctx.Err() != nil {
		return nil, h.untilValid(ctx, err), err
	}
	s.gone++
	if left, limited := h.usesLeft(ctx, req, s.gone); limited {
		wait = s.lose(left)
	}
	return nil, wait, err
}

// untilValid returns how long to wait, at most longestRetry, if the error says that the
// mytoken is not valid yet, and the mytoken says from when it is.
func (h *Holder) untilValid(ctx context.Context, err error) time.Duration {
	if refused, ok := errors.AsType[*Error](err); !ok || !notYetValid(refused) {
		return 0
	}
	token, err := h.load(ctx)
	if err != nil {
		return 0
	}
	begins, _ := peekBeginning(token.Reveal())
	return min(max(begins.Sub(wall(h.c.now())), 0), longestRetry)
}

// lose counts a use that may be lost, and returns how long to wait. left is what is left
// after it. Half of what was left before is kept, rounded up.
func (s *thrift) lose(left int64) time.Duration {
	count := int64(1)
	if s.lost == 0 {
		s.most = (left + 1) / 2
	} else {
		count = max(count, s.left-left) // the holder may repeat a use of a rotating token
	}
	s.left = left
	if s.lost += count; s.lost < s.most {
		return 0
	}
	s.lost = 0
	return longestRetry
}

// usesLeft returns how many access tokens the mytoken in the store can still get with
// such a request. limited is false if there is no limit, or if nobody knows. If the server
// does not say what is left, usesLeft takes the limits in the token, less the uses that
// the caller has lost.
func (h *Holder) usesLeft(ctx context.Context, req AccessTokenRequest, lost int64) (left int64, limited bool) {
	token, err := h.load(ctx)
	if err != nil {
		return 0, false
	}
	own, _ := h.readClauses(ctx, token, limitsAT)
	if own == nil || !slices.ContainsFunc(own.list, limitsAT) {
		return 0, false
	}
	if own.counted {
		lost = 0
	}
	explanation, ok := explainLocally(own.list, &restriction.Request{
		Now: h.c.now(), Kind: restriction.AT, Scopes: req.Scopes, Audiences: req.Audiences,
	})
	if !ok || !explanation.Admitted {
		return 0, false
	}
	for n, c := range explanation.Clauses {
		switch limit := own.list[n].UsagesAT; {
		case len(c.Objections) > 0:
		case limit == nil:
			return 0, false
		case n < len(own.used):
			left += max(*limit-own.used[n].AT, 0)
		default:
			left += *limit
		}
	}
	return max(left-lost, 0), true
}

func limitsAT(c restriction.Clause) bool { return c.UsagesAT != nil }
