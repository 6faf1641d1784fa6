package storetest

import (
	"context"
	"time"

	"github.com/mytoken-go/sdk/store"
)

// CreateRoot implements [store.Store].
func (f *Faulty) CreateRoot(ctx context.Context, g store.Grant, t store.Token, c store.TicketChanges) error {
	return step0(f, "CreateRoot", func() error { return f.inner.CreateRoot(ctx, g, t, c) })
}

// CreateChild implements [store.Store].
func (f *Faulty) CreateChild(ctx context.Context, p store.Presented, u store.Use, t store.Token) (store.Spent, error) {
	return step1(f, "CreateChild", func() (store.Spent, error) { return f.inner.CreateChild(ctx, p, u, t) })
}

// Lookup implements [store.Store].
func (f *Faulty) Lookup(ctx context.Context, p store.Presented, now store.Micros) (store.State, error) {
	return step1(f, "Lookup", func() (store.State, error) { return f.inner.Lookup(ctx, p, now) })
}

// Spend implements [store.Store].
func (f *Faulty) Spend(ctx context.Context, p store.Presented, u store.Use) (store.Spent, error) {
	return step1(f, "Spend", func() (store.Spent, error) { return f.inner.Spend(ctx, p, u) })
}

// Refund implements [store.Store].
func (f *Faulty) Refund(ctx context.Context, u store.UseID, now store.Micros) error {
	return step0(f, "Refund", func() error { return f.inner.Refund(ctx, u, now) })
}

// Rotate implements [store.Store].
func (f *Faulty) Rotate(ctx context.Context, r store.Rotation) (store.Rotated, error) {
	return step1(f, "Rotate", func() (store.Rotated, error) { return f.inner.Rotate(ctx, r) })
}

// Revoke implements [store.Store].
func (f *Faulty) Revoke(ctx context.Context, r store.Revocation) (store.Revoked, error) {
	return step1(f, "Revoke", func() (store.Revoked, error) { return f.inner.Revoke(ctx, r) })
}

// BeginRefresh implements [store.Store].
func (f *Faulty) BeginRefresh(ctx context.Context, g store.GrantID, l store.LeaseID, now store.Micros, ttl time.Duration) (store.Refresh, error) {
	return step1(f, "BeginRefresh", func() (store.Refresh, error) { return f.inner.BeginRefresh(ctx, g, l, now, ttl) })
}

// CommitRefresh implements [store.Store].
func (f *Faulty) CommitRefresh(ctx context.Context, c store.Commit) error {
	return step0(f, "CommitRefresh", func() error { return f.inner.CommitRefresh(ctx, c) })
}

// EndRefresh implements [store.Store].
func (f *Faulty) EndRefresh(ctx context.Context, g store.GrantID, l store.LeaseID, generation uint64, o store.Outcome, now store.Micros) error {
	return step0(f, "EndRefresh", func() error { return f.inner.EndRefresh(ctx, g, l, generation, o, now) })
}

// Grant implements [store.Store].
func (f *Faulty) Grant(ctx context.Context, g store.GrantID) (store.RefreshState, error) {
	return step1(f, "Grant", func() (store.RefreshState, error) { return f.inner.Grant(ctx, g) })
}

// ReplaceGrant implements [store.Store].
func (f *Faulty) ReplaceGrant(ctx context.Context, r store.Replacement) error {
	return step0(f, "ReplaceGrant", func() error { return f.inner.ReplaceGrant(ctx, r) })
}

// ChangeTickets implements [store.Store].
func (f *Faulty) ChangeTickets(ctx context.Context, c store.TicketChanges, now store.Micros) error {
	return step0(f, "ChangeTickets", func() error { return f.inner.ChangeTickets(ctx, c, now) })
}

// ResolveTicket implements [store.Store].
func (f *Faulty) ResolveTicket(ctx context.Context, k store.TicketKind, ids []store.TicketID, now store.Micros) (store.Ticket, error) {
	return step1(f, "ResolveTicket", func() (store.Ticket, error) { return f.inner.ResolveTicket(ctx, k, ids, now) })
}

// TakeTicket implements [store.Store].
func (f *Faulty) TakeTicket(ctx context.Context, r store.TicketRef, taker store.UseID, e store.Event, now store.Micros) error {
	return step0(f, "TakeTicket", func() error { return f.inner.TakeTicket(ctx, r, taker, e, now) })
}

// Token implements [store.Store].
func (f *Faulty) Token(ctx context.Context, t store.TokenID) (store.TokenInfo, error) {
	return step1(f, "Token", func() (store.TokenInfo, error) { return f.inner.Token(ctx, t) })
}

// List implements [store.Store].
func (f *Faulty) List(ctx context.Context, o store.OwnerID, p store.Page) ([]store.TokenInfo, string, error) {
	return page(f, "List", func() ([]store.TokenInfo, string, error) { return f.inner.List(ctx, o, p) })
}

// Subtree implements [store.Store].
func (f *Faulty) Subtree(ctx context.Context, t store.TokenID, p store.Page) ([]store.TokenInfo, string, error) {
	return page(f, "Subtree", func() ([]store.TokenInfo, string, error) { return f.inner.Subtree(ctx, t, p) })
}

// Events implements [store.Store].
func (f *Faulty) Events(ctx context.Context, ts []store.TokenID, p store.Page) ([]store.EventRecord, string, error) {
	return page(f, "Events", func() ([]store.EventRecord, string, error) { return f.inner.Events(ctx, ts, p) })
}

// Sweep implements [store.Store].
func (f *Faulty) Sweep(ctx context.Context, c store.Cleaning) (store.Cleaned, error) {
	return step1(f, "Sweep", func() (store.Cleaned, error) { return f.inner.Sweep(ctx, c) })
}

// Sealed implements [store.Store].
func (f *Faulty) Sealed(ctx context.Context, p store.Page) ([]store.SealedItem, string, error) {
	return page(f, "Sealed", func() ([]store.SealedItem, string, error) { return f.inner.Sealed(ctx, p) })
}

// Reseal implements [store.Store].
func (f *Faulty) Reseal(ctx context.Context, items []store.Reseal) (int, error) {
	return step1(f, "Reseal", func() (int, error) { return f.inner.Reseal(ctx, items) })
}

// DeleteOwner implements [store.Store].
func (f *Faulty) DeleteOwner(ctx context.Context, o store.OwnerID) error {
	return step0(f, "DeleteOwner", func() error { return f.inner.DeleteOwner(ctx, o) })
}
