package issuer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer/internal/errand"
	"github.com/mytoken-go/sdk/mytoken/issuer/internal/outage"
	"github.com/mytoken-go/sdk/mytoken/issuer/internal/refresh"
	"github.com/mytoken-go/sdk/store"
)

// ledger is the store as the issuer uses it. It fills in the time, repeats a step whose
// outcome is not known, sorts errors, and tells of outages. A definite error of the store
// ([store.IsDefinite]) stays as it is. Any other one becomes a [*StoreError].
//
// A step is tried three times at most, and no longer than its context lasts. Repeating is
// safe: the store tells by the ids that it is the same step.
//
// A StoreError is repeatable if the step certainly did nothing: it only reads, or each
// try failed with [store.ErrUnavailable]. The ledger knows a step alone. A method of
// several steps corrects the error with asRepeatable.
type ledger struct {
	store  store.Store
	clock  func() time.Time
	outage *outage.Log
}

// storeTimeout is how long a request waits for a step that must not end with it, if its
// deadline is not sooner. The step may take longer; see [errand.Longest].
const storeTimeout = 5 * time.Second

// lateError returns a [*StoreError] if a step goes on without its request. Any other
// error stays as it is.
func lateError(err error) error {
	if errors.Is(err, errand.ErrLate) {
		return &StoreError{cause: err}
	}
	return err
}

func (l *ledger) now() store.Micros { return store.At(l.clock()) }

// look takes a step that only reads.
func look[T any](ctx context.Context, l *ledger, step func(context.Context) (T, error)) (T, error) {
	v, err := take(ctx, l, step, false, maxTries)
	return v, asRepeatable(err, true)
}

// settle takes a step that may change something. It repeats the step until its outcome is
// known, maxTries times at most.
func settle[T any](ctx context.Context, l *ledger, step func(context.Context) (T, error)) (T, error) {
	return take(ctx, l, step, true, maxTries)
}

const maxTries = 3

// take tries a step until its outcome is known, and tells whether the store is away.
func take[T any](ctx context.Context, l *ledger, step func(context.Context) (T, error), writes bool, tries int) (T, error) {
	untouched, pause := true, 5*time.Millisecond
	for n := 1; ; n++ {
		started := l.clock()
		v, err := step(ctx)
		untouched = untouched && errors.Is(err, store.ErrUnavailable)
		if err == nil || store.IsDefinite(err) || n == tries || ctx.Err() != nil || refresh.Sleep(ctx, pause) != nil {
			return v, l.sorted(ctx, err, untouched, writes, started)
		}
		pause *= 4
	}
}

// settled is settle for a step that returns nothing else.
func settled(ctx context.Context, l *ledger, step func(context.Context) error) error {
	_, err := settle(ctx, l, func(ctx context.Context) (struct{}, error) { return struct{}{}, step(ctx) })
	return err
}

// once is settled for a step that is not repeated.
func once(ctx context.Context, l *ledger, step func(context.Context) error) error {
	_, err := take(ctx, l, func(ctx context.Context) (struct{}, error) { return struct{}{}, step(ctx) }, true, 1)
	return err
}

// sorted makes a [*StoreError] of an error that is not definite. It also tells whether
// the store is away. A step that its caller gave up does not say so, and one that had
// hardly any time neither. A refusal takes no more than reading.
func (l *ledger) sorted(ctx context.Context, err error, untouched, writes bool, started time.Time) error {
	switch {
	case err == nil, store.IsDefinite(err):
		l.outage.Worked(ctx, writes && err == nil)
		return err
	case errors.Is(err, context.Canceled):
	case errors.Is(err, context.DeadlineExceeded) && l.clock().Sub(started) < time.Second:
	default:
		l.outage.Failed(ctx, err, writes)
	}
	return &StoreError{cause: err, repeatable: untouched}
}

// noAnswer makes one [*StoreError] of a step that failed and what that means.
func noAnswer(what string, cause error, repeatable bool) error {
	if e, ok := errors.AsType[*StoreError](cause); ok {
		cause = e.cause
	}
	if what != "" {
		cause = fmt.Errorf("%s: %w", what, cause)
	}
	return &StoreError{cause: cause, repeatable: repeatable}
}

// mayHaveEffect reports whether the request that failed with err may have changed
// something all the same.
func mayHaveEffect(err error) bool {
	e, ok := errors.AsType[*StoreError](err)
	return ok && !e.repeatable
}

// asRepeatable says of a [*StoreError] whether it is repeatable, for a method that knows
// more than the step that failed. It returns any other error as it is.
func asRepeatable(err error, repeatable bool) error {
	e, ok := errors.AsType[*StoreError](err)
	if !ok || e.repeatable == repeatable {
		return err
	}
	if err == error(e) {
		err = e.cause
	}
	return &StoreError{cause: err, repeatable: repeatable}
}

// Tokens

func (l *ledger) createRoot(ctx context.Context, grant store.Grant, token store.Token, changes store.TicketChanges) error {
	return settled(ctx, l, func(ctx context.Context) error { return l.store.CreateRoot(ctx, grant, token, changes) })
}

// createChild charges the parent and stores the child. unsure is as for spend.
func (l *ledger) createChild(ctx context.Context, parent store.Presented, use store.Use, child store.Token) (spent store.Spent, unsure bool, err error) {
	return charged(ctx, l, func(ctx context.Context) (store.Spent, error) { return l.store.CreateChild(ctx, parent, use, child) })
}

func (l *ledger) lookup(ctx context.Context, token store.Presented) (store.State, error) {
	return look(ctx, l, func(ctx context.Context) (store.State, error) { return l.store.Lookup(ctx, token, l.now()) })
}

// spend charges a use. unsure says of an error that a try may have charged the use all the
// same. That can be so even if the last try says what it found: the token was revoked after
// the first one, for example.
func (l *ledger) spend(ctx context.Context, token store.Presented, use store.Use) (spent store.Spent, unsure bool, err error) {
	return charged(ctx, l, func(ctx context.Context) (store.Spent, error) { return l.store.Spend(ctx, token, use) })
}

// charged is settle for a step that charges. It returns unsure as spend says.
func charged(ctx context.Context, l *ledger, step func(context.Context) (store.Spent, error)) (spent store.Spent, unsure bool, err error) {
	spent, err = settle(ctx, l, func(ctx context.Context) (store.Spent, error) {
		spent, err := step(ctx)
		unsure = unsure || err != nil && !store.IsDefinite(err) && !errors.Is(err, store.ErrUnavailable)
		return spent, err
	})
	return spent, unsure, err
}

func (l *ledger) refund(ctx context.Context, id UseID) error {
	return settled(ctx, l, func(ctx context.Context) error { return l.store.Refund(ctx, id, l.now()) })
}

func (l *ledger) rotate(ctx context.Context, rotation store.Rotation) (store.Rotated, error) {
	return settle(ctx, l, func(ctx context.Context) (store.Rotated, error) { return l.store.Rotate(ctx, rotation) })
}

func (l *ledger) revoke(ctx context.Context, revocation store.Revocation) (store.Revoked, error) {
	revocation.Now = l.now()
	return settle(ctx, l, func(ctx context.Context) (store.Revoked, error) { return l.store.Revoke(ctx, revocation) })
}

// Refresh tokens. The exported methods are for the refresher.

// BeginRefresh takes or prolongs the lease on a grant.
func (l *ledger) BeginRefresh(ctx context.Context, b store.Begin) (store.Refresh, error) {
	return settle(ctx, l, func(ctx context.Context) (store.Refresh, error) {
		b.Now = l.now()
		return l.store.BeginRefresh(ctx, b)
	})
}

// CommitRefresh stores a refresh token. It is tried once: the caller tries for as long as
// it takes.
func (l *ledger) CommitRefresh(ctx context.Context, commit store.Commit) error {
	return once(ctx, l, func(ctx context.Context) error { return l.store.CommitRefresh(ctx, commit) })
}

// EndRefresh ends the lease on a grant.
func (l *ledger) EndRefresh(ctx context.Context, e store.End) error {
	return settled(ctx, l, func(ctx context.Context) error {
		e.Now = l.now()
		return l.store.EndRefresh(ctx, e)
	})
}

// Beat, Settle and Processes are tried once: the refresher repeats them.
func (l *ledger) Beat(ctx context.Context, p store.Process, until store.Micros) error {
	return once(ctx, l, func(ctx context.Context) error { return l.store.Beat(ctx, p, until) })
}

// Settle settles processes.
func (l *ledger) Settle(ctx context.Context, ids []store.ProcessID) error {
	return once(ctx, l, func(ctx context.Context) error { return l.store.Settle(ctx, ids, l.now()) })
}

// Doubts returns doubts that a process has left.
func (l *ledger) Doubts(ctx context.Context, process store.ProcessID, most int) ([]store.DoubtRef, error) {
	return look(ctx, l, func(ctx context.Context) ([]store.DoubtRef, error) { return l.store.Doubts(ctx, process, most) })
}

// Processes lists the processes that the store knows.
func (l *ledger) Processes(ctx context.Context, page store.Page) (list []store.ProcessInfo, cursor string, err error) {
	list, err = take(ctx, l, func(ctx context.Context) (got []store.ProcessInfo, err error) {
		got, cursor, err = l.store.Processes(ctx, page)
		return got, err
	}, false, 1)
	return list, cursor, asRepeatable(err, true)
}

// Grant returns the state of a grant, dead or not.
func (l *ledger) Grant(ctx context.Context, id GrantID) (store.RefreshState, error) {
	return look(ctx, l, func(ctx context.Context) (store.RefreshState, error) { return l.store.Grant(ctx, id) })
}

// Token returns what the store knows about a token, live or not.
func (l *ledger) Token(ctx context.Context, id mytoken.TokenID) (store.TokenInfo, error) {
	return look(ctx, l, func(ctx context.Context) (store.TokenInfo, error) { return l.store.Token(ctx, id) })
}

func (l *ledger) replaceGrant(ctx context.Context, r store.Replacement) error {
	return settled(ctx, l, func(ctx context.Context) error {
		r.Now = l.now()
		return l.store.ReplaceGrant(ctx, r)
	})
}

// Codes and short tokens

// changeTickets makes the changes, all or none.
func (l *ledger) changeTickets(ctx context.Context, changes store.TicketChanges) error {
	return settled(ctx, l, func(ctx context.Context) error { return l.store.ChangeTickets(ctx, changes, l.now()) })
}

// complete gives a ticket its final status.
func (l *ledger) complete(ctx context.Context, ref store.TicketRef, status store.TicketStatus) error {
	return l.changeTickets(ctx, store.TicketChanges{Complete: []store.Completion{{TicketRef: ref, Status: status}}})
}

func (l *ledger) resolveTicket(ctx context.Context, kind store.TicketKind, ids []store.TicketID) (store.Ticket, error) {
	return look(ctx, l, func(ctx context.Context) (store.Ticket, error) {
		return l.store.ResolveTicket(ctx, kind, ids, l.now())
	})
}

func (l *ledger) takeTicket(ctx context.Context, ref store.TicketRef, taker UseID, event store.Event) error {
	return settled(ctx, l, func(ctx context.Context) error { return l.store.TakeTicket(ctx, ref, taker, event, l.now()) })
}

// Items of users

func (l *ledger) items(ctx context.Context, owner mytoken.OwnerID) (store.Items, error) {
	return look(ctx, l, func(ctx context.Context) (store.Items, error) { return l.store.Items(ctx, owner) })
}

// changeItems makes the changes, all or none.
func (l *ledger) changeItems(ctx context.Context, changes store.ItemChanges) error {
	return settled(ctx, l, func(ctx context.Context) error {
		changes.Now = l.now()
		return l.store.ChangeItems(ctx, changes)
	})
}

func (l *ledger) links(ctx context.Context, tokens []mytoken.TokenID) ([]store.Link, error) {
	return look(ctx, l, func(ctx context.Context) ([]store.Link, error) { return l.store.Links(ctx, tokens) })
}

// Lists

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
	return look(ctx, l, func(ctx context.Context) (int, error) { return l.store.Count(ctx, owner, most) })
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
func each[T any](ctx context.Context, l *ledger, next pager[T], size int, visit func(*T) (more bool, err error)) error {
	type page struct {
		rows   []T
		cursor string
	}
	for after := ""; ; {
		got, err := look(ctx, l, func(ctx context.Context) (page, error) {
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
	return settled(ctx, l, func(ctx context.Context) error { return l.store.DeleteOwner(ctx, owner) })
}

// sweep is tried once. After an error, the next sweep deletes the rest.
func (l *ledger) sweep(ctx context.Context, cleaning store.Cleaning) (store.Cleaned, error) {
	cleaning.Now = l.now()
	return take(ctx, l, func(ctx context.Context) (store.Cleaned, error) { return l.store.Sweep(ctx, cleaning) }, true, 1)
}
