package refresh

import (
	"context"
	"errors"
	"fmt"

	"github.com/mytoken-go/sdk/store"
)

const (
	quarantineSuffix = ".quarantined" // replay and Recover look for spillSuffix alone
	maxQuarantined   = 64             // files
)

// quarantine keeps the refresh token of an answer that is about somebody else. It is
// neither used nor stored: the holder of this login would act as another user. It is not
// revoked either, because it may be the only one of that user. An operator decides.
func (l *lease) quarantine(ctx context.Context, sent, token string, cause error) {
	e := Event{Kind: ForeignAnswer, Err: cause, Detail: "it has no new refresh token"}
	if token != "" && token != sent {
		name, err := l.setAside(token)
		if e.Detail = "its refresh token is in the spill directory, as " + name; err != nil {
			e.Detail = "its refresh token was dropped: " + err.Error()
		}
	}
	l.notify(ctx, e)
}

func (l *lease) setAside(token string) (name string, err error) {
	sealed, err := l.r.Seal.SealWith(store.RefreshTokenPlace(l.req.Grant, l.state.Generation+1), l.req.Key, []byte(token))
	if err != nil {
		return "", err
	}
	return l.r.spill.quarantine(store.Commit{
		Grant: l.req.Grant, Lease: l.id, Generation: l.state.Generation, Token: sealed, Now: store.At(l.r.Clock()),
	})
}

// quarantine writes a file that nothing commits, and returns its name.
func (s *spill) quarantine(c store.Commit) (name string, err error) {
	if s.path == "" {
		return "", errors.New("there is no spill directory")
	}
	names, err := s.dir.Names(quarantineSuffix)
	if err != nil {
		return "", err
	}
	if len(names) >= maxQuarantined {
		return "", fmt.Errorf("the spill directory has %d files *%s: look into them and remove them", len(names), quarantineSuffix)
	}
	data, err := encode(c)
	if err != nil {
		return "", err
	}
	name = fileName(c.Lease, quarantineSuffix)
	return name, s.dir.Write(name, data)
}
