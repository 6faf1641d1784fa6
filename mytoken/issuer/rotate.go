package issuer

import (
	"context"
	"crypto/sha256"
	"errors"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/seal"
)

// rotate replaces the presented token by its next generation and returns what
// its holder has to keep (protocol section 4). Whoever presents the same
// generation while the grace lasts gets the same successor.
//
// What the holder asked for has been done when this is called, so a failure is
// not his: without an update his token stays valid, or, if the store rotated
// and its answer was lost, the next request answers with the stored successor,
// if it comes before the grace ends.
func (i *Issuer) rotate(ctx context.Context, p *presented, wrapped store.Sealed, client Client) *mytoken.Issued {
	update, err := i.rotateOrFail(ctx, p, wrapped, client)
	if err != nil {
		i.notRotated(ctx, p, err)
	}
	return update
}

// rotateOrFail is rotate for operations that can be repeated: it fails if the
// store does not say whether it rotated, and only then. Its caller, who must
// not believe that his token is still the current one, repeats his request
// while the grace lasts.
func (i *Issuer) rotateOrFail(ctx context.Context, p *presented, wrapped store.Sealed, client Client) (*mytoken.Issued, error) {
	step, cancel := detached(ctx)
	defer cancel()
	update, err := i.tryRotate(step, p, wrapped, client)
	var stale *store.StaleError
	switch {
	case err == nil:
		i.notify(ctx, Notice{Kind: NoticeRotated, Token: p.id.ID, Client: client})
		return update, nil
	case isStoreFailure(err):
		return nil, err
	case errors.As(err, &stale), errors.Is(err, store.ErrRevoked):
	default:
		i.notRotated(ctx, p, err)
	}
	return nil, nil
}

func (i *Issuer) notRotated(ctx context.Context, p *presented, err error) {
	i.cfg.Logger.ErrorContext(ctx, "mytoken", "kind", "not_rotated", "mom_id", p.id.ID.String(), "error", err.Error())
}

func (i *Issuer) tryRotate(ctx context.Context, p *presented, wrapped store.Sealed, client Client) (*mytoken.Issued, error) {
	key, err := i.dataKey(p, wrapped)
	if err != nil {
		return nil, err
	}
	m, err := i.mint(ctx, p.token.Claims().Next(i.now()))
	if err != nil {
		return nil, err
	}
	rotation := store.Rotation{
		From: p.id, To: store.Presented{ID: p.id.ID, Seq: p.id.Seq + 1, Sum: sha256.Sum256([]byte(m.compact))},
		Expires: store.At(m.token.ExpiresAt()), Event: i.newEvent(mytoken.EventTokenRotated, "", client),
		Now: store.At(i.now()), Grace: i.cfg.RotationGrace,
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
	place, own := store.SuccessorPlace(p.id.ID, p.id.Seq), seal.FromSecret(seal.PurposeSuccessor, p.compact)
	if rotation.Successor, err = i.sealRecord(place, own, rec); err != nil {
		return nil, err
	}
	rotated, err := i.ledger.rotate(ctx, rotation)
	if err != nil {
		return nil, err
	}
	return i.openRecord(ctx, place, own, rotated.Successor)
}

// retireShort ends the short token that was presented together with the grace
// (D48): until then it is answered like the token that it stands for.
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
