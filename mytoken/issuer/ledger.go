package issuer

import (
	"context"
	"time"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer/internal/refresh"
	"github.com/mytoken-go/sdk/store"
)

// ledger is the store as the issuer uses it. It fills in the time, repeats a step whose
// outcome is not known, and sorts errors. A definite error of the store
// ([store.IsDefinite]) stays as it is. Any other one becomes a [*StoreError].
//
// A step is tried three times at most, and no longer than its context lasts. Repeating is
// safe: the store tells by the ids that it is the same step.
type ledger struct {
	store store.Store
	clock func() time.Time
}

// storeTimeout bounds a step that must not end with its request.
const storeTimeout = 5 * time.Second

// detached returns a context for steps that must not end with their request. Values of
// the context, such as trace ids, are kept.
func detached(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
}

func (l *ledger) now() store.Micros { return store.At(l.clock()) }

// settle repeats a step until its outcome is known. If it stays unknown, the error is a
// [*StoreError].
func settle[T any](ctx context.Context, step func(context.Context) (T, error)) (T, error) {
	v, err := repeat(ctx, step)
	return v, sorted(err)
}

// sorted makes a [*StoreError] of an error that leaves the outcome unknown.
func sorted(err error) error {
	if err == nil || store.IsDefinite(err) {
		return err
	}
	return &StoreError{cause: err}
}

// repeat repeats a step until its outcome is known, three times at most. The error is the
// store's own.
func repeat[T any](ctx context.Context, step func(context.Context) (T, error)) (T, error) {
	pause := 5 * time.Millisecond
	for n := 1; ; n++ {
		v, err := step(ctx)
		if err == nil || store.IsDefinite(err) || n == 3 || ctx.Err() != nil || refresh.Sleep(ctx, pause) != nil {
			return v, err
		}
		pause *= 4
	}
}

// settled is settle for a step that returns nothing else.
func settled(ctx context.Context, step func(context.Context) error) error {
	_, err := settle(ctx, func(ctx context.Context) (struct{}, error) { return struct{}{}, step(ctx) })
	return err
}

// Tokens

func (l *ledger) createRoot(ctx context.Context, grant store.Grant, token store.Token, changes store.TicketChanges) error {
	return settled(ctx, func(ctx context.Context) error { return l.store.CreateRoot(ctx, grant, token, changes) })
}

func (l *ledger) createChild(ctx context.Context, parent store.Presented, use store.Use, child store.Token) (store.Spent, error) {
	return settle(ctx, func(ctx context.Context) (store.Spent, error) { return l.store.CreateChild(ctx, parent, use, child) })
}

func (l *ledger) lookup(ctx context.Context, token store.Presented) (store.State, error) {
	return settle(ctx, func(ctx context.Context) (store.State, error) { return l.store.Lookup(ctx, token, l.now()) })
}

func (l *ledger) spend(ctx context.Context, token store.Presented, use store.Use) (store.Spent, error) {
	return settle(ctx, func(ctx context.Context) (store.Spent, error) { return l.store.Spend(ctx, token, use) })
}

// refund gives a use back, whether or not the client still waits.
func (l *ledger) refund(ctx context.Context, id UseID) error {
	ctx, cancel := detached(ctx)
	defer cancel()
	return settled(ctx, func(ctx context.Context) error { return l.store.Refund(ctx, id, l.now()) })
}

func (l *ledger) rotate(ctx context.Context, rotation store.Rotation) (store.Rotated, error) {
	return settle(ctx, func(ctx context.Context) (store.Rotated, error) { return l.store.Rotate(ctx, rotation) })
}

func (l *ledger) revoke(ctx context.Context, revocation store.Revocation) (store.Revoked, error) {
	revocation.Now = l.now()
	return settle(ctx, func(ctx context.Context) (store.Revoked, error) { return l.store.Revoke(ctx, revocation) })
}

// Refresh tokens. The five exported methods are for the refresher, which judges the
// store's own errors.

// BeginRefresh takes or prolongs the lease on a grant.
func (l *ledger) BeginRefresh(ctx context.Context, grant GrantID, lease store.LeaseID, ttl time.Duration) (store.Refresh, error) {
	return repeat(ctx, func(ctx context.Context) (store.Refresh, error) {
		return l.store.BeginRefresh(ctx, store.Begin{Grant: grant, Lease: lease, Now: l.now(), TTL: ttl})
	})
}

// CommitRefresh stores a refresh token. It is tried once, and its error is the store's
// own: the caller tries for as long as it takes.
func (l *ledger) CommitRefresh(ctx context.Context, commit store.Commit) error {
	return l.store.CommitRefresh(ctx, commit)
}

// EndRefresh ends the lease on a grant. A refusal ends the grant at once.
func (l *ledger) EndRefresh(ctx context.Context, grant GrantID, lease store.LeaseID, generation uint64, outcome store.Outcome) error {
	end := func() error {
		_, err := repeat(ctx, func(ctx context.Context) (struct{}, error) {
			return struct{}{}, l.store.EndRefresh(ctx, store.End{Grant: grant, Lease: lease, Generation: generation, Outcome: outcome, Now: l.now()})
		})
		return err
	}
	if err := end(); err != nil || outcome != store.RefreshRefused {
		return err
	}
	// The store asks for a second refusal before it gives a grant up.
	if state, err := l.Grant(ctx, grant); err != nil || state.Suspect.Refusals == 0 {
		return err
	}
	if _, err := l.BeginRefresh(ctx, grant, lease, time.Second); err != nil {
		return nil // another process asks
	}
	return end()
}

// Grant returns the state of a grant, dead or not.
func (l *ledger) Grant(ctx context.Context, id GrantID) (store.RefreshState, error) {
	return repeat(ctx, func(ctx context.Context) (store.RefreshState, error) { return l.store.Grant(ctx, id) })
}

// Ancestors returns the ancestors of a token, parent first.
func (l *ledger) Ancestors(ctx context.Context, id mytoken.TokenID) ([]mytoken.TokenID, error) {
	info, err := repeat(ctx, func(ctx context.Context) (store.TokenInfo, error) { return l.store.Token(ctx, id) })
	return info.Ancestors, err
}

// grant is Grant for the issuer itself.
func (l *ledger) grant(ctx context.Context, id GrantID) (store.RefreshState, error) {
	return settle(ctx, func(ctx context.Context) (store.RefreshState, error) { return l.store.Grant(ctx, id) })
}

func (l *ledger) replaceGrant(ctx context.Context, r store.Replacement) error {
	return settled(ctx, func(ctx context.Context) error {
		r.Now = l.now()
		return l.store.ReplaceGrant(ctx, r)
	})
}

// Codes and short tokens

// changeTickets makes the changes, all or none.
func (l *ledger) changeTickets(ctx context.Context, changes store.TicketChanges) error {
	return settled(ctx, func(ctx context.Context) error { return l.store.ChangeTickets(ctx, changes, l.now()) })
}

// complete gives a ticket its final status.
func (l *ledger) complete(ctx context.Context, ref store.TicketRef, status store.TicketStatus) error {
	return l.changeTickets(ctx, store.TicketChanges{Complete: []store.Completion{{TicketRef: ref, Status: status}}})
}

func (l *ledger) resolveTicket(ctx context.Context, kind store.TicketKind, ids []store.TicketID) (store.Ticket, error) {
	return settle(ctx, func(ctx context.Context) (store.Ticket, error) {
		return l.store.ResolveTicket(ctx, kind, ids, l.now())
	})
}

func (l *ledger) takeTicket(ctx context.Context, ref store.TicketRef, taker UseID, event store.Event) error {
	return settled(ctx, func(ctx context.Context) error { return l.store.TakeTicket(ctx, ref, taker, event, l.now()) })
}

// Lists

func (l *ledger) token(ctx context.Context, id mytoken.TokenID) (store.TokenInfo, error) {
	return settle(ctx, func(ctx context.Context) (store.TokenInfo, error) { return l.store.Token(ctx, id) })
}

// tokenPage and eventPage are the numbers of rows that one step reads. The description of
// a token may have 200 KB, while the largest event has 1 KB.
const (
	tokenPage = 50
	eventPage = 500
)

// pager reads one page of rows and returns the cursor of the next one, empty at the end.
type pager[T any] func(context.Context, store.Page) ([]T, string, error)

func (l *ledger) ofOwner(owner mytoken.OwnerID) pager[store.TokenInfo] {
	return func(ctx context.Context, page store.Page) ([]store.TokenInfo, string, error) {
		return l.store.List(ctx, owner, page)
	}
}

// count returns how many tokens the owner has, at most the given number.
func (l *ledger) count(ctx context.Context, owner mytoken.OwnerID, most int) (int, error) {
	return settle(ctx, func(ctx context.Context) (int, error) { return l.store.Count(ctx, owner, most) })
}

// subtree reads parents before their children.
func (l *ledger) subtree(root mytoken.TokenID) pager[store.TokenInfo] {
	return func(ctx context.Context, page store.Page) ([]store.TokenInfo, string, error) {
		return l.store.Subtree(ctx, root, page)
	}
}

// events reads the newest event first.
func (l *ledger) events(ids []mytoken.TokenID) pager[store.EventRecord] {
	return func(ctx context.Context, page store.Page) ([]store.EventRecord, string, error) {
		return l.store.Events(ctx, ids, page)
	}
}

// each reads pages of the given size and calls visit with each row, until visit returns
// false or an error.
func each[T any](ctx context.Context, next pager[T], size int, visit func(*T) (more bool, err error)) error {
	type page struct {
		rows   []T
		cursor string
	}
	for after := ""; ; {
		got, err := settle(ctx, func(ctx context.Context) (page, error) {
			rows, cursor, err := next(ctx, store.Page{After: after, Limit: size})
			return page{rows, cursor}, err
		})
		if err != nil {
			return err
		}
		for n := range got.rows {
			if more, err := visit(&got.rows[n]); err != nil || !more {
				return err
			}
		}
		if got.cursor == "" {
			return nil
		}
		after = got.cursor
	}
}

func (l *ledger) deleteOwner(ctx context.Context, owner mytoken.OwnerID) error {
	return settled(ctx, func(ctx context.Context) error { return l.store.DeleteOwner(ctx, owner) })
}

// sweep is tried once. After an error, the next sweep deletes the rest.
func (l *ledger) sweep(ctx context.Context, cleaning store.Cleaning) (store.Cleaned, error) {
	cleaning.Now = l.now()
	cleaned, err := l.store.Sweep(ctx, cleaning)
	return cleaned, sorted(err)
}
