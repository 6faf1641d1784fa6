package store

import "slices"

// A store checks the arguments of a step before anything else. Request types have a Check
// method. The functions below do the same for the steps without one.

// CheckRoot checks the arguments of CreateRoot. It returns an [*ArgumentError] if one of
// them is not well formed, or if the token names another grant or owner than the grant
// has.
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

// CheckCreation checks the use of CreateChild. It returns an [*ArgumentError] if the use
// asks for what Spend alone returns: a lease, a ticket or the state.
func CheckCreation(u *Use) error {
	if u.Lease != (LeaseRequest{}) || u.Fetch != (TicketRef{}) || u.State {
		return argument("a use that creates a token takes no lease, and returns no ticket and no state")
	}
	return nil
}

// CheckRefund checks the argument of Refund. It returns an [*ArgumentError] if the id is
// zero.
func CheckRefund(id UseID) error {
	if id.IsZero() {
		return argument("Refund needs the id of the use")
	}
	return nil
}

// CheckCount checks the bound of Count. It returns an [*ArgumentError] if it is below 1.
func CheckCount(most int) error {
	if most < 1 {
		return argument("Count needs a bound of at least 1")
	}
	return nil
}

// CheckBeat checks the arguments of Beat. It returns an [*ArgumentError] if until is not
// positive, and the errors of [Process.Check].
func CheckBeat(p *Process, until Micros) error {
	if until <= 0 {
		return argument("a heartbeat needs the instant until which the process lives")
	}
	return p.Check()
}

// CheckSettle checks the arguments of Settle. It returns an [*ArgumentError] if an id is
// zero or now is not positive.
func CheckSettle(processes []ProcessID, now Micros) error {
	if now <= 0 || slices.Contains(processes, ProcessID{}) {
		return argument("Settle needs the ids of the processes and an instant")
	}
	return nil
}

// CheckDoubts checks the arguments of Doubts. It returns an [*ArgumentError] if the process
// is zero or most is below 1.
func CheckDoubts(process ProcessID, most int) error {
	if process.IsZero() || most < 1 {
		return argument("Doubts needs the id of the process and a bound of at least 1")
	}
	return nil
}

// CheckTakeTicket checks the arguments of TakeTicket. It returns an [*ArgumentError] if
// the ticket is not one-time or the taker is zero.
func CheckTakeTicket(ref TicketRef, taker UseID) error {
	switch {
	case ref.Kind.lasting():
		return argument("a short token or an SSH key cannot be taken: it is not one-time")
	case taker.IsZero():
		return argument("TakeTicket needs the id of the taker")
	}
	return nil
}

// CheckReseal checks the arguments of Reseal. It returns an [*ArgumentError] if an item
// lacks the old or the new value.
func CheckReseal(items []Reseal) error {
	for _, r := range items {
		if len(r.Old) == 0 || len(r.New) == 0 {
			return argument("Reseal needs both the old and the new value")
		}
	}
	return nil
}
