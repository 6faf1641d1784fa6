package storetest

import (
	"context"
	"sync/atomic"

	"github.com/mytoken-go/sdk/store"
)

// roundRobin returns a store that sends each call to the next node.
func roundRobin(nodes []store.Store) store.Store {
	var calls atomic.Uint64
	return forwarder{func(_ string, do func(store.Store) error) error {
		return do(nodes[calls.Add(1)%uint64(len(nodes))])
	}}
}

// forwarder is a store that passes each call to around. around chooses a store, makes the
// call with do, and returns the error for the caller.
type forwarder struct {
	around func(method string, do func(store.Store) error) error
}

var _ store.Store = forwarder{}

// forward makes one call with a result. If the call returns an error, forward returns no
// result.
func forward[T any](f forwarder, method string, do func(store.Store) (T, error)) (T, error) {
	var out, none T
	err := f.around(method, func(s store.Store) (err error) {
		out, err = do(s)
		return err
	})
	if err != nil {
		return none, err
	}
	return out, nil
}

// forwardPage makes one call that returns a page.
func forwardPage[T any](f forwarder, method string, do func(store.Store) ([]T, string, error)) (entries []T, next string, err error) {
	entries, err = forward(f, method, func(s store.Store) (part []T, err error) {
		part, next, err = do(s)
		return part, err
	})
	if err != nil {
		next = ""
	}
	return entries, next, err
}

func (f forwarder) CreateRoot(ctx context.Context, g store.Grant, t store.Token, c store.TicketChanges) error {
	return f.around("CreateRoot", func(s store.Store) error { return s.CreateRoot(ctx, g, t, c) })
}

func (f forwarder) CreateChild(ctx context.Context, p store.Presented, u store.Use, t store.Token) (store.Spent, error) {
	return forward(f, "CreateChild", func(s store.Store) (store.Spent, error) { return s.CreateChild(ctx, p, u, t) })
}

func (f forwarder) Lookup(ctx context.Context, p store.Presented, now store.Micros) (store.State, error) {
	return forward(f, "Lookup", func(s store.Store) (store.State, error) { return s.Lookup(ctx, p, now) })
}

func (f forwarder) Spend(ctx context.Context, p store.Presented, u store.Use) (store.Spent, error) {
	return forward(f, "Spend", func(s store.Store) (store.Spent, error) { return s.Spend(ctx, p, u) })
}

func (f forwarder) Refund(ctx context.Context, u store.UseID, now store.Micros) error {
	return f.around("Refund", func(s store.Store) error { return s.Refund(ctx, u, now) })
}

func (f forwarder) Rotate(ctx context.Context, r store.Rotation) (store.Rotated, error) {
	return forward(f, "Rotate", func(s store.Store) (store.Rotated, error) { return s.Rotate(ctx, r) })
}

func (f forwarder) Revoke(ctx context.Context, r store.Revocation) (store.Revoked, error) {
	return forward(f, "Revoke", func(s store.Store) (store.Revoked, error) { return s.Revoke(ctx, r) })
}

func (f forwarder) BeginRefresh(ctx context.Context, b store.Begin) (store.Refresh, error) {
	return forward(f, "BeginRefresh", func(s store.Store) (store.Refresh, error) { return s.BeginRefresh(ctx, b) })
}

func (f forwarder) CommitRefresh(ctx context.Context, c store.Commit) error {
	return f.around("CommitRefresh", func(s store.Store) error { return s.CommitRefresh(ctx, c) })
}

func (f forwarder) EndRefresh(ctx context.Context, e store.End) error {
	return f.around("EndRefresh", func(s store.Store) error { return s.EndRefresh(ctx, e) })
}

func (f forwarder) Grant(ctx context.Context, g store.GrantID) (store.RefreshState, error) {
	return forward(f, "Grant", func(s store.Store) (store.RefreshState, error) { return s.Grant(ctx, g) })
}

func (f forwarder) ReplaceGrant(ctx context.Context, r store.Replacement) error {
	return f.around("ReplaceGrant", func(s store.Store) error { return s.ReplaceGrant(ctx, r) })
}

func (f forwarder) Beat(ctx context.Context, p store.Process, until store.Micros) error {
	return f.around("Beat", func(s store.Store) error { return s.Beat(ctx, p, until) })
}

func (f forwarder) Settle(ctx context.Context, processes []store.ProcessID, now store.Micros) error {
	return f.around("Settle", func(s store.Store) error { return s.Settle(ctx, processes, now) })
}

func (f forwarder) Doubts(ctx context.Context, p store.ProcessID, most int) ([]store.DoubtRef, error) {
	return forward(f, "Doubts", func(s store.Store) ([]store.DoubtRef, error) { return s.Doubts(ctx, p, most) })
}

func (f forwarder) Processes(ctx context.Context, p store.Page) ([]store.ProcessInfo, string, error) {
	return forwardPage(f, "Processes", func(s store.Store) ([]store.ProcessInfo, string, error) { return s.Processes(ctx, p) })
}

func (f forwarder) ChangeTickets(ctx context.Context, c store.TicketChanges, now store.Micros) error {
	return f.around("ChangeTickets", func(s store.Store) error { return s.ChangeTickets(ctx, c, now) })
}

func (f forwarder) ResolveTicket(ctx context.Context, k store.TicketKind, ids []store.TicketID, now store.Micros) (store.Ticket, error) {
	return forward(f, "ResolveTicket", func(s store.Store) (store.Ticket, error) { return s.ResolveTicket(ctx, k, ids, now) })
}

func (f forwarder) TakeTicket(ctx context.Context, r store.TicketRef, taker store.UseID, ev store.Event, now store.Micros) error {
	return f.around("TakeTicket", func(s store.Store) error { return s.TakeTicket(ctx, r, taker, ev, now) })
}

func (f forwarder) Items(ctx context.Context, o store.OwnerID) (store.Items, error) {
	return forward(f, "Items", func(s store.Store) (store.Items, error) { return s.Items(ctx, o) })
}

func (f forwarder) ChangeItems(ctx context.Context, c store.ItemChanges) error {
	return f.around("ChangeItems", func(s store.Store) error { return s.ChangeItems(ctx, c) })
}

func (f forwarder) Links(ctx context.Context, ts []store.TokenID) ([]store.Link, error) {
	return forward(f, "Links", func(s store.Store) ([]store.Link, error) { return s.Links(ctx, ts) })
}

func (f forwarder) Token(ctx context.Context, t store.TokenID) (store.TokenInfo, error) {
	return forward(f, "Token", func(s store.Store) (store.TokenInfo, error) { return s.Token(ctx, t) })
}

func (f forwarder) List(ctx context.Context, o store.OwnerID, p store.Page) ([]store.TokenInfo, string, error) {
	return forwardPage(f, "List", func(s store.Store) ([]store.TokenInfo, string, error) { return s.List(ctx, o, p) })
}

func (f forwarder) Count(ctx context.Context, o store.OwnerID, most int) (int, error) {
	return forward(f, "Count", func(s store.Store) (int, error) { return s.Count(ctx, o, most) })
}

func (f forwarder) Subtree(ctx context.Context, t store.TokenID, p store.Page) ([]store.TokenInfo, string, error) {
	return forwardPage(f, "Subtree", func(s store.Store) ([]store.TokenInfo, string, error) { return s.Subtree(ctx, t, p) })
}

func (f forwarder) Events(ctx context.Context, ts []store.TokenID, p store.Page) ([]store.EventRecord, string, error) {
	return forwardPage(f, "Events", func(s store.Store) ([]store.EventRecord, string, error) { return s.Events(ctx, ts, p) })
}

func (f forwarder) Sweep(ctx context.Context, c store.Cleaning) (store.Cleaned, error) {
	return forward(f, "Sweep", func(s store.Store) (store.Cleaned, error) { return s.Sweep(ctx, c) })
}

func (f forwarder) Sealed(ctx context.Context, p store.Page) ([]store.SealedItem, string, error) {
	return forwardPage(f, "Sealed", func(s store.Store) ([]store.SealedItem, string, error) { return s.Sealed(ctx, p) })
}

func (f forwarder) Reseal(ctx context.Context, items []store.Reseal) (int, error) {
	return forward(f, "Reseal", func(s store.Store) (int, error) { return s.Reseal(ctx, items) })
}

func (f forwarder) DeleteOwner(ctx context.Context, o store.OwnerID) error {
	return f.around("DeleteOwner", func(s store.Store) error { return s.DeleteOwner(ctx, o) })
}
