package client

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/mytoken-go/sdk/internal/rescue"
)

// KeepPhase says what readers of the file can expect.
type KeepPhase string

// The phases of a keeper.
const (
	KeepStarting KeepPhase = "starting" // no token yet
	KeepFresh    KeepPhase = "fresh"    // the token lives for at least another Early
	KeepAging    KeepPhase = "aging"    // the token is valid, but replacing it has failed
	KeepDown     KeepPhase = "down"     // no token in a file: the last has expired, was never there, or cannot be written
	KeepEnded    KeepPhase = "ended"    // no file or an empty one; the keeper has stopped
)

// KeepState is the state of a keeper.
type KeepState struct {
	Phase KeepPhase
	Path  string
	// Expires is when the token in the file expires. It is zero if there is no file, or
	// if the provider did not say.
	Expires time.Time
	// Next is when the keeper asks for the next token, or tries again to write the file.
	// If the server has refused for good, it is when the keeper ends.
	Next time.Time
	// Failures counts the failed requests since the last successful one, and the failed
	// attempts to write the file likewise. Err has the last errors.
	Failures int
	Err      error
}

// change computes the state and reports it.
func (k *Keeper) change() {
	s := KeepState{Phase: KeepDown, Path: k.cfg.Path, Next: k.next(), Failures: k.fails + k.file.fails, Err: k.err}
	if k.file.err != nil {
		s.Err = k.file.err
		if k.err != nil {
			s.Err = errors.Join(k.err, k.file.err)
		}
	}
	if t := k.file.token; t != nil {
		s.Phase, s.Expires = KeepFresh, t.Expires
		if t != k.token || k.fails > 0 {
			s.Phase = KeepAging
		}
	}
	k.set(s)
}

func (k *Keeper) set(s KeepState) {
	k.mu.Lock()
	k.state = s
	k.mu.Unlock()
	if k.cfg.Changed != nil {
		err := rescue.Do(func() { k.cfg.Changed(s) })
		rescue.Log(context.Background(), slog.Default(), "KeepConfig.Changed", err)
	}
}
