package storetest

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/mytoken-go/sdk/store"
)

// roundRobin sends each call to the next node.
type roundRobin struct {
	nodes []store.Store
	calls atomic.Uint64
}

var _ store.Store = (*roundRobin)(nil)

func (rr *roundRobin) next() store.Store {
	return rr.nodes[rr.calls.Add(1)%uint64(len(rr.nodes))]
}

func (rr *roundRobin) CreateRoot(ctx context.Context, g store.Grant, t store.Token, c store.TicketChanges) error {
	return rr.next().CreateRoot(ctx, g, t, c)
}

func (rr *roundRobin) CreateChild(ctx context.Context, p store.Presented, u store.Use, t store.Token) (store.Spent, error) {
	return rr.next().CreateChild(ctx, p, u, t)
}

func (rr *roundRobin) Lookup(ctx context.Context, p store.Presented, now store.Micros) (store.State, error) {
	return rr.next().Lookup(ctx, p, now)
}

func (rr *roundRobin) Spend(ctx context.Context, p store.Presented, u store.Use) (store.Spent, error) {
	return rr.next().Spend(ctx, p, u)
}

func (rr *roundRobin) Refund(ctx context.Context, u store.UseID, now store.Micros) error {
	return rr.next().Refund(ctx, u, now)
}

func (rr *roundRobin) Rotate(ctx context.Context, r store.Rotation) (store.Rotated, error) {
	return rr.next().Rotate(ctx, r)
}

func (rr *roundRobin) Revoke(ctx context.Context, r store.Revocation) (store.Revoked, error) {
	return rr.next().Revoke(ctx, r)
}

func (rr *roundRobin) BeginRefresh(ctx context.Context, g store.GrantID, l store.LeaseID, now store.Micros, ttl time.Duration) (store.Refresh, error) {
	return rr.next().BeginRefresh(ctx, g, l, now, ttl)
}

func (rr *roundRobin) CommitRefresh(ctx context.Context, c store.Commit) error {
	return rr.next().CommitRefresh(ctx, c)
}

func (rr *roundRobin) EndRefresh(ctx context.Context, g store.GrantID, l store.LeaseID, generation uint64, o store.Outcome, now store.Micros) error {
	return rr.next().EndRefresh(ctx, g, l, generation, o, now)
}

func (rr *roundRobin) Grant(ctx context.Context, g store.GrantID) (store.RefreshState, error) {
	return rr.next().Grant(ctx, g)
}

func (rr *roundRobin) ReplaceGrant(ctx context.Context, r store.Replacement) error {
	return rr.next().ReplaceGrant(ctx, r)
}

func (rr *roundRobin) ChangeTickets(ctx context.Context, c store.TicketChanges, now store.Micros) error {
	return rr.next().ChangeTickets(ctx, c, now)
}

func (rr *roundRobin) ResolveTicket(ctx context.Context, k store.TicketKind, ids []store.TicketID, now store.Micros) (store.Ticket, error) {
	return rr.next().ResolveTicket(ctx, k, ids, now)
}

func (rr *roundRobin) TakeTicket(ctx context.Context, r store.TicketRef, taker store.UseID, e store.Event, now store.Micros) error {
	return rr.next().TakeTicket(ctx, r, taker, e, now)
}

func (rr *roundRobin) Token(ctx context.Context, t store.TokenID) (store.TokenInfo, error) {
	return rr.next().Token(ctx, t)
}

func (rr *roundRobin) List(ctx context.Context, o store.OwnerID, p store.Page) ([]store.TokenInfo, string, error) {
	return rr.next().List(ctx, o, p)
}

func (rr *roundRobin) Subtree(ctx context.Context, t store.TokenID, p store.Page) ([]store.TokenInfo, string, error) {
	return rr.next().Subtree(ctx, t, p)
}

func (rr *roundRobin) Events(ctx context.Context, ts []store.TokenID, p store.Page) ([]store.EventRecord, string, error) {
	return rr.next().Events(ctx, ts, p)
}

func (rr *roundRobin) Sweep(ctx context.Context, c store.Cleaning) (store.Cleaned, error) {
	return rr.next().Sweep(ctx, c)
}

func (rr *roundRobin) Sealed(ctx context.Context, p store.Page) ([]store.SealedItem, string, error) {
	return rr.next().Sealed(ctx, p)
}

func (rr *roundRobin) Reseal(ctx context.Context, items []store.Reseal) (int, error) {
	return rr.next().Reseal(ctx, items)
}

func (rr *roundRobin) DeleteOwner(ctx context.Context, o store.OwnerID) error {
	return rr.next().DeleteOwner(ctx, o)
}
