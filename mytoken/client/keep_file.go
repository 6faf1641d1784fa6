package client

import (
	"context"
	"fmt"
	"time"

	"github.com/mytoken-go/sdk/internal/fresh"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/client/bearer"
)

// keptFile is what a keeper knows of its file.
type keptFile struct {
	token *AccessToken // in the file; nil: none that this keeper knows
	found bool         // token was in the file before Run
	pause span         // before the next attempt to write
	fails int          // attempts to write
	err   error        // of the last attempt to write or remove
}

// find looks for a file that a killed keeper left behind. Run removes that file when its
// token expires, if the token says when. The only error is that the file holds the
// mytoken.
func (k *Keeper) find(ctx context.Context) error {
	token, err := bearer.Read(k.cfg.Path)
	if err != nil || token.IsEmpty() {
		return nil
	}
	if own, err := k.cfg.Holder.load(ctx); err == nil && own.Equal(token) {
		return fmt.Errorf("client: the file %s holds the mytoken: set KeepConfig.Path to another file for the access token", k.cfg.Path)
	}
	if expires, ok := peekExpiry(token.Reveal()); ok {
		now := k.now()
		k.file.token = &AccessToken{
			AccessToken: mytoken.AccessToken{Token: token, Expires: expires},
			life:        span{now.Add(-1), max(expires.Sub(wall(now)), 0) + 1}, // over at once if it has expired
		}
		k.file.found = true
	}
	return nil
}

// tend looks at the file. It removes an expired token, and writes a token that is not
// there.
func (k *Keeper) tend(now time.Time) {
	before := k.file
	if k.token != nil && k.token.expired(now) {
		k.token = nil
	}
	if t := k.file.token; t != nil && !k.holds(t) {
		k.file.token, k.file.found = nil, false
	}
	if t := k.file.token; t != nil && t.expired(now) && !k.hopes(t, now) {
		if err := bearer.Remove(k.cfg.Path, t.Token); err != nil {
			k.file.err = err
		} else {
			k.file.token, k.file.found = nil, false
		}
	}
	k.write(now)
	if k.file.token != before.token || k.file.fails != before.fails || (k.file.err == nil) != (before.err == nil) {
		k.change()
	}
}

// hopes reports whether a token whose age nobody knows stays in the file: until the
// request for another one, which is due at once, has failed.
func (k *Keeper) hopes(t *AccessToken, now time.Time) bool {
	_, known := fresh.Age(t.life.since, now)
	return !known && k.fails == 0
}

// holds reports whether the file holds a token, and belongs to the user alone.
func (k *Keeper) holds(t *AccessToken) bool {
	held, err := bearer.Read(k.cfg.Path)
	return err == nil && held.Equal(t.Token)
}

// write writes the last token to the file if it is not there.
func (k *Keeper) write(now time.Time) {
	f := &k.file
	if k.token == nil || f.token == k.token || !f.pause.over(now) {
		return
	}
	if f.err = bearer.Write(k.cfg.Path, k.token.Token); f.err != nil {
		f.fails++
		f.pause = span{now, backOff(f.fails, longestNap)}
		return
	}
	*f = keptFile{token: k.token}
}

// remove removes the file at the end, unless an earlier keeper wrote it.
func (k *Keeper) remove() error {
	if k.file.token == nil || k.file.found {
		return nil
	}
	return bearer.Remove(k.cfg.Path, k.file.token.Token)
}
