package broken

import (
	"context"
	"sync"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/storetest"
)

// Leased returns a store that has the bug, or nil if the bug is not one about leases of
// uses that can be built into any store.
func Leased(s store.Store, bug storetest.Bug) store.Store {
	switch bug {
	case storetest.BugLeaseWithoutCharge:
		return leaseWithoutCharge{s}
	case storetest.BugChargeWithoutLease:
		return chargeWithoutLease{s}
	case storetest.BugLeaseInDoubt:
		return leaseInDoubt{s}
	case storetest.BugEndsOthersLease:
		return &endsOthersLease{Store: s, holders: make(map[store.GrantID]store.LeaseID)}
	case storetest.BugRelaxedEndLost:
		return relaxedEndLost{s}
	case storetest.BugCommitDoesNotEnd:
		return commitDoesNotEnd{s}
	case storetest.BugFetchStale:
		return fetchStale{s}
	case storetest.BugStateBefore:
		return stateBefore{s}
	case storetest.BugCommentBefore:
		return commentBefore{s}
	case storetest.BugAccessOutlivesLogin:
		return &accessOutlivesLogin{Store: s, kept: make(map[store.TicketRef]store.Ticket)}
	}
	return nil
}

// leaseWithoutCharge takes the lease before it knows whether the use can be charged.
type leaseWithoutCharge struct{ store.Store }

func (s leaseWithoutCharge) Spend(ctx context.Context, p store.Presented, u store.Use) (store.Spent, error) {
	spent, err := s.Store.Spend(ctx, p, u)
	if err != nil && u.Lease.TTL > 0 {
		if info, ierr := s.Token(ctx, p.ID); ierr == nil {
			_, _ = s.BeginRefresh(ctx, u.Lease.Begin(info.Grant, u.Now))
		}
	}
	return spent, err
}

// chargeWithoutLease takes a lease that it has not read as taken for its own.
type chargeWithoutLease struct{ store.Store }

func (s chargeWithoutLease) Spend(ctx context.Context, p store.Presented, u store.Use) (store.Spent, error) {
	l := u.Lease
	if l.ID.IsZero() || l.TTL <= 0 {
		return s.Store.Spend(ctx, p, u)
	}
	u.Lease = store.LeaseRequest{}
	spent, err := s.Store.Spend(ctx, p, u)
	if err != nil || spent.Ticket != nil {
		return spent, err
	}
	state, err := s.Grant(ctx, spent.Grant)
	spent.Refresh = &store.Refresh{RefreshState: state, Until: u.Now.Add(l.TTL)}
	return spent, err
}

// leaseInDoubt takes a lapsed lease over and does not tell the use of the doubt.
type leaseInDoubt struct{ store.Store }

func (s leaseInDoubt) Spend(ctx context.Context, p store.Presented, u store.Use) (store.Spent, error) {
	spent, err := s.Store.Spend(ctx, p, u)
	if err != nil || u.Lease.ID.IsZero() || spent.Refresh != nil || spent.Ticket != nil {
		return spent, err
	}
	if r, err := s.BeginRefresh(ctx, u.Lease.Begin(spent.Grant, u.Now)); err == nil {
		r.Doubts = nil
		spent.Refresh = &r
	}
	return spent, nil
}

// endsOthersLease ends whatever lease the grant has.
type endsOthersLease struct {
	store.Store
	mu      sync.Mutex
	holders map[store.GrantID]store.LeaseID
}

func (s *endsOthersLease) note(g store.GrantID, l store.LeaseID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holders[g] = l
}

func (s *endsOthersLease) BeginRefresh(ctx context.Context, b store.Begin) (store.Refresh, error) {
	r, err := s.Store.BeginRefresh(ctx, b)
	if err == nil {
		s.note(b.Grant, b.Lease)
	}
	return r, err
}

func (s *endsOthersLease) Spend(ctx context.Context, p store.Presented, u store.Use) (store.Spent, error) {
	spent, err := s.Store.Spend(ctx, p, u)
	if spent.Refresh != nil {
		s.note(spent.Grant, u.Lease.ID)
	}
	return spent, err
}

func (s *endsOthersLease) EndRefresh(ctx context.Context, e store.End) error {
	if err := s.Store.EndRefresh(ctx, e); err != nil {
		return err
	}
	s.mu.Lock()
	holder := s.holders[e.Grant]
	s.mu.Unlock()
	if holder == e.Lease || holder.IsZero() {
		return nil
	}
	e.Lease, e.Outcome, e.Worked, e.AskAfter = holder, store.RefreshNotSent, "", 0
	return s.Store.EndRefresh(ctx, e)
}

// relaxedEndLost leaves relaxed ends for later, and later never comes.
type relaxedEndLost struct{ store.Store }

func (s relaxedEndLost) EndRefresh(ctx context.Context, e store.End) error {
	if e.Relaxed {
		return nil
	}
	return s.Store.EndRefresh(ctx, e)
}

// commitDoesNotEnd leaves the end of the lease to EndRefresh.
type commitDoesNotEnd struct{ store.Store }

func (s commitDoesNotEnd) CommitRefresh(ctx context.Context, c store.Commit) error {
	c.Ends, c.Worked = false, ""
	return s.Store.CommitRefresh(ctx, c)
}

// stateBefore looks up the state, and then makes the use.
type stateBefore struct{ store.Store }

func (s stateBefore) Spend(ctx context.Context, p store.Presented, u store.Use) (store.Spent, error) {
	state, err := s.Lookup(ctx, p, u.Now)
	wanted := u.State && err == nil
	u.State = false
	spent, err := s.Store.Spend(ctx, p, u)
	if err == nil && wanted {
		spent.State = &state
	}
	return spent, err
}

// fetchStale looks for the ticket before the use, and whatever the time.
type fetchStale struct{ store.Store }

func (s fetchStale) Spend(ctx context.Context, p store.Presented, u store.Use) (store.Spent, error) {
	t, err := s.ResolveTicket(ctx, u.Fetch.Kind, []store.TicketID{u.Fetch.ID}, 1)
	found := err == nil
	spent, err := s.Store.Spend(ctx, p, u)
	if err == nil && found && spent.Ticket == nil {
		spent.Ticket = &t
	}
	return spent, err
}
