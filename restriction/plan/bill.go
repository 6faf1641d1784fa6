package plan

import (
	"slices"

	"github.com/mytoken-go/sdk/restriction"
)

// bill is a limit of a clause and the phases to which its uses can be charged:
// those that need all that the clause admits, apart from what needs no limit.
type bill struct {
	uses    int64
	payers  []bool // by phase
	charged bool   // something has to be paid
}

func (a *arena) newBill(s *source, kind restriction.Kind) bill {
	b := bill{uses: AnyNumber, payers: slices.Repeat([]bool{true}, len(a.plan.Phases))}
	if kind != restriction.Uncounted {
		b.uses = s.left(kind)
	}
	return b
}

// charge leaves the phases that can pay for one more cell.
func (b *bill) charge(phases []int) {
	b.charged = true
	for i := range b.payers {
		b.payers[i] = b.payers[i] && slices.Contains(phases, i)
	}
}

// unpaid charges the bills to the limits of the phases, moving charges where
// that helps, and returns the first clause of which something remains, or -1.
func (a *arena) unpaid(kind restriction.Kind, bills []bill) int {
	l := ledger{bills: bills}
	for i := range a.plan.Phases {
		l.funds = append(l.funds, max(a.plan.Phases[i].need(kind), 0))
	}
	for range bills {
		l.paid = append(l.paid, make([]int64, len(l.funds)))
	}
	for i := range bills {
		if !bills[i].charged {
			continue
		}
		for owed := bills[i].uses; owed > 0; {
			amount := l.pay(i, owed, make([]bool, len(l.funds)))
			if amount == 0 {
				return i
			}
			owed -= amount
		}
	}
	return -1
}

// ledger is a flow from bills to funds.
type ledger struct {
	bills []bill
	funds []int64   // left, by phase
	paid  [][]int64 // by bill and phase
}

// pay pays at most an amount of a bill, from funds that are left or that another
// bill can do without, and returns how much it was.
func (l *ledger) pay(b int, amount int64, visited []bool) int64 {
	for i := range l.funds {
		if visited[i] || !l.bills[b].payers[i] {
			continue
		}
		visited[i] = true
		if l.funds[i] > 0 {
			paid := min(amount, l.funds[i])
			l.funds[i] -= paid
			l.paid[b][i] += paid
			return paid
		}
		for other := range l.bills {
			if other == b || l.paid[other][i] == 0 {
				continue
			}
			if moved := l.pay(other, min(amount, l.paid[other][i]), visited); moved > 0 {
				l.paid[other][i] -= moved
				l.paid[b][i] += moved
				return moved
			}
		}
	}
	return 0
}
