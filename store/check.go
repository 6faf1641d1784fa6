package store

import "time"

// These functions check the arguments of steps that take no request type. They do what
// the Check methods of the request types do, and return an [*ArgumentError].

// CheckRoot checks the arguments of CreateRoot, each alone and all together.
func CheckRoot(g *Grant, t *Token, tickets *TicketChanges) error {
	if err := g.Check(); err != nil {
		return err
	}
	if err := t.Check(0); err != nil {
		return err
	}
	if t.Grant != g.ID || t.Owner != g.Owner {
		return argument("the root token names another grant or owner than the grant has")
	}
	return tickets.Check()
}

// CheckRefund checks the arguments of Refund.
func CheckRefund(id UseID) error {
	if id.IsZero() {
		return argument("Refund needs the id of the use")
	}
	return nil
}

// CheckBeginRefresh checks the arguments of BeginRefresh.
func CheckBeginRefresh(l LeaseID, ttl time.Duration) error {
	if l.IsZero() || ttl <= 0 {
		return argument("BeginRefresh needs the id of the lease and a positive duration")
	}
	return nil
}

// CheckEndRefresh checks the arguments of EndRefresh.
func CheckEndRefresh(l LeaseID, generation uint64, outcome Outcome) error {
	if l.IsZero() || generation == 0 || outcome < RefreshDone || outcome > RefreshRefused {
		return argument("EndRefresh needs a lease, a generation and a known outcome")
	}
	return nil
}

// CheckTakeTicket checks the arguments of TakeTicket.
func CheckTakeTicket(ref TicketRef, taker UseID) error {
	switch {
	case ref.Kind == TicketShort:
		return argument("a short token cannot be taken: it is not one-time")
	case taker.IsZero():
		return argument("TakeTicket needs the id of the taker")
	}
	return nil
}

// CheckReseal checks the arguments of Reseal.
func CheckReseal(items []Reseal) error {
	for _, r := range items {
		if len(r.Old) == 0 || len(r.New) == 0 {
			return argument("Reseal needs both the old and the new value")
		}
	}
	return nil
}
