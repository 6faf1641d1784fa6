// Package broken builds bugs into stores, so that tests can check that the conformance
// suite finds them. It holds the bugs that look the same in every store. Bugs in how a
// store keeps its state are next to that store.
package broken

import (
	"context"
	"errors"
	"slices"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/storetest"
)

// Grants returns a store that has the bug, or nil if the bug is not one about grants that
// can be built into any store.
func Grants(s store.Store, bug storetest.Bug) store.Store {
	switch bug {
	case storetest.BugOneRefusal:
		return oneRefusal{s}
	case storetest.BugSparesGivenUp:
		return sparesGivenUp{s}
	case storetest.BugRefusalTwice:
		return refusalTwice{s}
	case storetest.BugNoPause:
		return noPause{s}
	case storetest.BugSuspicionStays:
		return suspicionStays{s}
	case storetest.BugNoProcess:
		return noProcess{s}
	case storetest.BugNoDoubt:
		return noDoubt{s}
	case storetest.BugSilenceSettles:
		return silenceSettles{s}
	case storetest.BugDoubtsHidden:
		return doubtsHidden{s}
	case storetest.BugProcessRevived:
		return processRevived{s}
	}
	return nil
}

// refuseAgain takes a lease after the pause and reports another refusal.
func refuseAgain(ctx context.Context, s store.Store, e store.End) error {
	state, err := s.Grant(ctx, e.Grant)
	if err != nil || state.Suspect.Refusals == 0 {
		return err
	}
	b := store.Begin{Grant: e.Grant, Lease: e.Lease, Now: state.Suspect.AskAfter + 1, TTL: 1000}
	if _, err := s.BeginRefresh(ctx, b); err != nil {
		return nil // somebody else has the lease
	}
	return s.EndRefresh(ctx, e)
}

// oneRefusal takes the first refusal for the last one.
type oneRefusal struct{ store.Store }

func (s oneRefusal) EndRefresh(ctx context.Context, e store.End) error {
	if err := s.Store.EndRefresh(ctx, e); err != nil || e.Outcome != store.RefreshRefused {
		return err
	}
	return refuseAgain(ctx, s.Store, e)
}

// refusalTwice counts a refusal again if it is reported again.
type refusalTwice struct{ store.Store }

func (s refusalTwice) EndRefresh(ctx context.Context, e store.End) error {
	if e.Outcome != store.RefreshRefused || e.Check() != nil {
		return s.Store.EndRefresh(ctx, e)
	}
	if err := refuseAgain(ctx, s.Store, e); err != nil {
		return err
	}
	return s.Store.EndRefresh(ctx, e)
}

// sparesGivenUp drops the spares that the provider has refused once.
type sparesGivenUp struct{ store.Store }

func (s sparesGivenUp) EndRefresh(ctx context.Context, e store.End) error {
	state, err := s.Store.Grant(ctx, e.Grant)
	if err != nil || e.Outcome != store.RefreshRefused || state.Suspect.Refusals > 0 || e.Check() != nil {
		return s.Store.EndRefresh(ctx, e)
	}
	done := store.End{Grant: e.Grant, Lease: e.Lease, Generation: e.Generation, Outcome: store.RefreshDone, Worked: state.Worked, Now: e.Now}
	if err := s.Store.EndRefresh(ctx, done); err != nil {
		return err
	}
	if _, err := s.Store.BeginRefresh(ctx, store.Begin{Grant: e.Grant, Lease: e.Lease, Now: e.Now, TTL: 1000}); err != nil {
		return nil // somebody else has the lease
	}
	return s.Store.EndRefresh(ctx, e)
}

// noPause gives out leases on a suspect grant at once.
type noPause struct{ store.Store }

func (s noPause) BeginRefresh(ctx context.Context, b store.Begin) (store.Refresh, error) {
	out, err := s.Store.BeginRefresh(ctx, b)
	if pause, suspect := errors.AsType[*store.SuspectError](err); suspect {
		b.Now = pause.Until + 1
		return s.Store.BeginRefresh(ctx, b)
	}
	return out, err
}

// suspicionStays suspects a grant that has a new refresh token.
type suspicionStays struct{ store.Store }

func (s suspicionStays) CommitRefresh(ctx context.Context, c store.Commit) error {
	before, err := s.Store.Grant(ctx, c.Grant)
	if err != nil {
		return err
	}
	if err := s.Store.CommitRefresh(ctx, c); err != nil || before.Suspect.Refusals == 0 {
		return err
	}
	after, err := s.Store.Grant(ctx, c.Grant)
	if err != nil {
		return err
	}
	later := store.Begin{Grant: c.Grant, Lease: store.LeaseID(c.Token), Now: c.Now * 2, TTL: 1000}
	if _, err := s.Store.BeginRefresh(ctx, later); err != nil {
		return err
	}
	return s.Store.EndRefresh(ctx, store.End{
		Grant: c.Grant, Lease: later.Lease, Generation: after.Generation, Outcome: store.RefreshRefused, AskAfter: before.Suspect.AskAfter, Now: c.Now,
	})
}

// noProcess does not keep which process has a lease.
type noProcess struct{ store.Store }

func (s noProcess) BeginRefresh(ctx context.Context, b store.Begin) (store.Refresh, error) {
	b.Process = store.ProcessID{}
	return s.Store.BeginRefresh(ctx, b)
}

// noDoubt takes a lease over and forgets about it.
type noDoubt struct{ store.Store }

func (s noDoubt) BeginRefresh(ctx context.Context, b store.Begin) (store.Refresh, error) {
	out, err := s.Store.BeginRefresh(ctx, b)
	for _, d := range out.Doubts {
		if d.Lapsed == b.Now {
			err = errors.Join(err, s.EndRefresh(ctx, store.End{Grant: b.Grant, Lease: d.Lease, Generation: 1, Outcome: store.RefreshNotSent, Now: b.Now}))
		}
	}
	out.Doubts = slices.DeleteFunc(out.Doubts, func(d store.Doubt) bool { return d.Lapsed == b.Now })
	return out, err
}

// silenceSettles takes a process without a heartbeat for one that is settled.
type silenceSettles struct{ store.Store }

func (s silenceSettles) BeginRefresh(ctx context.Context, b store.Begin) (store.Refresh, error) {
	out, err := s.Store.BeginRefresh(ctx, b)
	if err != nil {
		return out, err
	}
	known, _, err := s.Processes(ctx, store.Page{Limit: 1000})
	for i, d := range out.Doubts {
		for _, p := range known {
			if p.ID == d.Process && b.Now > p.Until {
				out.Doubts[i].Settled = true
			}
		}
	}
	return out, err
}

// processRevived accepts the heartbeat of a settled process.
type processRevived struct{ store.Store }

func (s processRevived) Beat(ctx context.Context, p store.Process, until store.Micros) error {
	if err := s.Store.Beat(ctx, p, until); !errors.Is(err, store.ErrConflict) {
		return err
	}
	return nil
}

// doubtsHidden takes doubts for something that is left of the dead.
type doubtsHidden struct{ store.Store }

func (s doubtsHidden) Doubts(ctx context.Context, p store.ProcessID, most int) ([]store.DoubtRef, error) {
	all, _, err := s.Processes(ctx, store.Page{Limit: 1000})
	if err != nil || slices.ContainsFunc(all, func(one store.ProcessInfo) bool { return one.ID == p && one.Settled == 0 }) {
		return nil, err
	}
	return s.Store.Doubts(ctx, p, most)
}
