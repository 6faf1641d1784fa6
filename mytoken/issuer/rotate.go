package issuer

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"

	"github.com/mytoken-go/sdk/internal/errtext"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer/internal/errand"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/seal"
)

// rotate does what rotateOrFail does, for operations that took effect and cannot be
// repeated. It returns nil if rotation fails: the holder got what they asked for, and
// their token stays as it is. If the store rotated and its answer was lost, the next
// request gets the stored successor while the grace lasts.
func (i *Issuer) rotate(ctx context.Context, p *presented, kind restriction.Kind, wrapped store.Sealed, client Client) *mytoken.Issued {
	update, err := i.rotateOrFail(ctx, p, kind, wrapped, client)
	if isA[*StoreError](err) {
		i.notRotated(ctx, p, err)
	}
	return update
}

// rotateOrFail replaces the presented token by its next generation, if its rotation
// demands that after a use of this kind (protocol section 4). It returns what the holder
// has to store. Everybody who presents the same generation gets the same successor, while
// the grace lasts and nobody has presented that successor. Later it returns nil: a slow
// request gets its answer without a successor.
//
// It returns a [*TokenError] if the token was revoked or deleted meanwhile: what is not
// handed out yet must be withheld. It returns a [*StoreError] if nobody knows whether the
// store rotated. The holder must not believe then that their token is the current one:
// they repeat the request while the grace lasts.
//
// The holder of a token behind an SSH key is the key: the step that rotates puts the
// successor there, and rotateOrFail returns nil (N5).
func (i *Issuer) rotateOrFail(ctx context.Context, p *presented, kind restriction.Kind, wrapped store.Sealed, client Client) (*mytoken.Issued, error) {
	r := p.token.Rotation()
	if due := r != nil && (kind == restriction.AT && r.OnAT || kind == restriction.Other && r.OnOther); !due {
		return nil, nil
	}
	update, err := errand.Call(ctx, i.errands, "rotate", storeTimeout, func(ctx context.Context) (*mytoken.Issued, error) {
		return i.tryRotate(ctx, p, wrapped, client)
	})
	err = lateError(err)
	switch {
	case err == nil:
		i.notify(ctx, Notice{Kind: NoticeRotated, Token: p.id.ID, Client: client})
		if p.key != nil { // the key holds the successor
			return nil, nil
		}
		return update, nil
	case isA[*StoreError](err) && p.key != nil: // whatever the store did, the key holds the current one
		i.notRotated(ctx, p, err)
		return nil, nil
	case isA[*StoreError](err):
		return nil, err
	case errors.Is(err, store.ErrRevoked), errors.Is(err, store.ErrNotFound):
		return nil, i.tokenError(ctx, p, err)
	case isA[*store.StaleError](err):
	default:
		i.notRotated(ctx, p, err)
	}
	return nil, nil
}

func (i *Issuer) notRotated(ctx context.Context, p *presented, err error) {
	i.cfg.Logger.Log(ctx, levelOf(slog.LevelError, err), "mytoken", "kind", "not_rotated", "mom_id", p.id.ID.String(), "error", errtext.ForLog(err))
}

func (i *Issuer) tryRotate(ctx context.Context, p *presented, wrapped store.Sealed, client Client) (*mytoken.Issued, error) {
	key, err := i.dataKey(p, wrapped)
	if err != nil {
		return nil, err
	}
	m, err := i.mint(ctx, p.token.Claims().Next(i.Now()))
	if err != nil {
		return nil, err
	}
	rotation := store.Rotation{
		From: p.id, To: store.Presented{ID: p.id.ID, Seq: p.id.Seq + 1, Sum: sha256.Sum256([]byte(m.compact))},
		Expires: store.At(m.token.ExpiresAt()), Event: i.newEvent(EventTokenRotated, "", client),
		Now: i.ledger.now(), Grace: i.cfg.RotationGrace,
	}
	if rotation.Key, err = i.wrapKey(key, rotation.To.ID, rotation.To.Seq, m.compact); err != nil {
		return nil, err
	}
	rec := issuedRecord{Compact: m.compact}
	if p.short != "" {
		rec.Short = i.newShortToken()
		t, err := i.shortTicket(rec.Short, m.compact, p.id.ID)
		if err != nil {
			return nil, err
		}
		rotation.Tickets.Put = []store.Ticket{t}
		if err := i.retireShort(p, &rotation); err != nil {
			return nil, err
		}
	}
	if p.key != nil {
		t, err := i.sshTicket(p.key, m.compact, p.id.ID)
		if err != nil {
			return nil, err
		}
		rotation.Tickets = store.TicketChanges{Drop: []store.TicketRef{t.TicketRef}, Put: []store.Ticket{t}}
	}
	place, own := store.SuccessorPlace(p.id.ID, p.id.Seq), seal.FromSecret(seal.PurposeSuccessor, p.compact)
	if rotation.Successor, err = i.sealJSON(place, own, rec); err != nil {
		return nil, err
	}
	rotated, err := i.ledger.rotate(ctx, rotation)
	if err != nil {
		return nil, err
	}
	if rotated.Fresh {
		return rec.answer(m.token), nil
	}
	return i.openRecord(ctx, place, own, rotated.Successor) // another call was faster
}

// retireShort ends the presented short token when the grace ends (D48). Until then it is
// answered like the token that it stands for.
func (i *Issuer) retireShort(p *presented, r *store.Rotation) error {
	old, err := i.shortTicket(p.short, p.compact, p.id.ID)
	if err != nil {
		return err
	}
	r.Tickets.Drop = []store.TicketRef{old.TicketRef}
	if r.Grace > 0 {
		old.Expires = r.Now.Add(r.Grace)
		r.Tickets.Put = append(r.Tickets.Put, old)
	}
	return nil
}
