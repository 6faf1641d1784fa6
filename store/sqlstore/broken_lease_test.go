package sqlstore

import (
	"context"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/storetest"
)

// brokenLease returns a store that has a bug about leases of uses, or nil.
func brokenLease(s *Store, bug storetest.Bug) store.Store {
	switch bug {
	case storetest.BugLeaseWithoutCharge:
		return leaseBeforeCharge{s}
	case storetest.BugChargeWithoutLease:
		return leaseUnchecked{s}
	case storetest.BugEndsOthersLease:
		return endByGrant{s}
	}
	return nil
}

// takeIfFree takes the lease with a statement of its own.
func (s *Store) takeIfFree(ctx context.Context, t *token, u *store.Use) error {
	return s.step(ctx, "take a lease", func() error {
		return s.writeOne(ctx, func(on *single) error {
			_, err := s.exec(ctx, on, `
				UPDATE {grants} SET version = version + 1, lease_id = ?, lease_until = CASE WHEN lease_until > ? THEN lease_until ELSE ? END
				WHERE grant_id = ? AND (lease_id IS NULL OR lease_id = ?) AND dead = 0 AND doubts = 0 AND spares = 0 AND refusals = 0`,
				u.Lease.ID[:], int64(u.Now.Add(u.Lease.TTL)), int64(u.Now.Add(u.Lease.TTL)), t.Grant[:], u.Lease.ID[:])
			return err
		})
	})
}

// leaseBeforeCharge takes the lease in one step and charges in the next.
type leaseBeforeCharge struct{ *Store }

func (s leaseBeforeCharge) Spend(ctx context.Context, p store.Presented, u store.Use) (store.Spent, error) {
	t, err := s.readAlone(ctx, p.ID)
	if err == nil && t != nil && u.Lease.TTL > 0 && u.Fetch == (store.TicketRef{}) {
		err = s.takeIfFree(ctx, t, &u)
	}
	if err != nil {
		return store.Spent{}, err
	}
	return s.Store.Spend(ctx, p, u)
}

// leaseUnchecked does not check whether its statement has taken the lease.
type leaseUnchecked struct{ *Store }

func (s leaseUnchecked) Spend(ctx context.Context, p store.Presented, u store.Use) (store.Spent, error) {
	l := u.Lease
	if l.ID.IsZero() || l.TTL <= 0 {
		return s.Store.Spend(ctx, p, u)
	}
	without := u
	without.Lease = store.LeaseRequest{}
	spent, err := s.Store.Spend(ctx, p, without)
	if err != nil || spent.Ticket != nil {
		return spent, err
	}
	t, err := s.readAlone(ctx, p.ID)
	if err != nil || t == nil {
		return spent, err
	}
	if err := s.takeIfFree(ctx, t, &u); err != nil {
		return spent, err
	}
	g, err := s.readGrant(ctx, s.db, t.Grant, noCaller)
	if err == nil {
		spent.Refresh = &store.Refresh{RefreshState: g.State(), Until: g.Lease.Until}
	}
	return spent, err
}

// endByGrant ends a lease without comparing its id.
type endByGrant struct{ *Store }

func (s endByGrant) EndRefresh(ctx context.Context, e store.End) error {
	if err := s.Store.EndRefresh(ctx, e); err != nil {
		return err
	}
	return s.step(ctx, endStep, func() error {
		return s.writeOne(ctx, func(on *single) error {
			_, err := s.exec(ctx, on, `UPDATE {grants} SET version = version + 1, `+leaseEnded+` WHERE grant_id = ? AND doubts = 0`, e.Grant[:])
			return err
		})
	})
}
