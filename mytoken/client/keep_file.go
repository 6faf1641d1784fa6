package client

import (
	"errors"
	"time"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/client/bearer"
)

// find looks for what a keeper that was killed left in the file: it goes when its token
// ends, if that says when.
func (k *Keeper) find() {
	token, err := bearer.Read(k.cfg.Path)
	if err != nil || token.IsEmpty() {
		return
	}
	if expires, ok := peekExpiry(token.Reveal()); ok {
		k.token, k.turn, k.found = &AccessToken{AccessToken: mytoken.AccessToken{Token: token, Expires: expires}}, k.now(), true
	}
}

// expire removes a file whose token has ended.
func (k *Keeper) expire(now time.Time) {
	if k.token == nil || k.token.Expires.IsZero() || now.Before(k.token.Expires) {
		return
	}
	err := bearer.Remove(k.cfg.Path, k.token.Token)
	if err == nil {
		k.token = nil
	}
	k.change(errors.Join(k.err, err))
}

// remove removes the file at the end, unless it was there before this keeper.
func (k *Keeper) remove() error {
	if k.token == nil || k.found {
		return nil
	}
	return bearer.Remove(k.cfg.Path, k.token.Token)
}
