package store

import "time"

// These functions check the arguments of steps that take no request of their
// own, as the Check methods of the requests do. They return an *ArgumentError.

// CheckRoot checks the arguments of CreateRoot, each and together.
func CheckRoot(g *Grant, t *Token, tickets *TicketChanges) error {
	if err := g.Check(); err != nil {
		return err
	}
	if err := t.Check(0); err != nil {
		return err
	}
	if t.Grant != g.ID || t.Owner != g.Owner {
		return argument("root of another grant or owner")
	}
	return tickets.Check()
}

// CheckRefund checks the arguments of Refund.
func CheckRefund(id UseID) error {
	if id.IsZero() {
		return argument("refund of a use without id")
	}
	return nil
}

// CheckBeginRefresh checks the arguments of BeginRefresh.
func CheckBeginRefresh(l LeaseID, ttl time.Duration) error {
	if l.IsZero() || ttl <= 0 {
		return argument("lease without id or duration")
	}
	return nil
}

// CheckEndRefresh checks the arguments of EndRefresh.
func CheckEndRefresh(l LeaseID, generation uint64, outcome Outcome) error {
	if l.IsZero() || generation == 0 || outcome < RefreshDone || outcome > RefreshRefused {
		return argument("end of a refresh without lease, generation or outcome")
	}
	return nil
}

// CheckTakeTicket checks the arguments of TakeTicket.
func CheckTakeTicket(ref TicketRef, taker UseID) error {
	switch {
	case ref.Kind == TicketShort:
		return argument("a short token is not taken")
	case taker.IsZero():
		return argument("ticket taken by nobody")
	}
	return nil
}

// CheckReseal checks the arguments of Reseal.
func CheckReseal(items []Reseal) error {
	for _, r := range items {
		if len(r.Old) == 0 || len(r.New) == 0 {
			return argument("resealing nothing")
		}
	}
	return nil
}
