package restriction

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Window returns a condition that admits requests from one instant to another, both
// included. It compares whole seconds, as the keys nbf and exp do. A zero time is no
// bound. Without any bound it admits nothing.
func Window(from, until time.Time) Forecaster {
	w := window{from: noStart, until: noEnd}
	if !from.IsZero() {
		w.from = from.Unix()
	}
	if !until.IsZero() {
		w.until = until.Unix()
	}
	return w
}

type window struct{ from, until int64 }

func (w window) unbounded() bool { return w.from == noStart && w.until == noEnd }

func (w window) Check(r *Request) error {
	now := r.Now.Unix()
	switch {
	case w.unbounded():
		return errNoCondition
	case r.Now.IsZero():
		return badValue(ErrUndetermined, "the request has no time")
	case now < w.from:
		return fmt.Errorf("a time from %s", instant(w.from))
	case now > w.until:
		return fmt.Errorf("a time until %s", instant(w.until))
	}
	return nil
}

func (w window) Within(parent Condition) bool {
	p, ok := parent.(window)
	return ok && !p.unbounded() && !w.unbounded() && w.from >= p.from && w.until <= p.until
}

func (w window) Next(r *Request) (time.Time, bool) {
	switch now := r.Now.Unix(); {
	case w.unbounded() || r.Now.IsZero():
	case now < w.from:
		return time.Unix(w.from, 0), true
	case now <= w.until && w.until != noEnd:
		return time.Unix(w.until+1, 0), true
	}
	return time.Time{}, false
}

// Network returns a condition that admits requests from addresses within one of the
// blocks. It treats an IPv4-mapped IPv6 address as the IPv4 address. It ignores the host
// bits of a block, and invalid blocks. Without a valid block it admits nothing.
func Network(blocks ...netip.Prefix) Forecaster {
	var n network
	for _, prefix := range blocks {
		if prefix.IsValid() {
			n.blocks = append(n.blocks, newBlock(normalBlock(prefix)))
		}
	}
	return n
}

type network struct{ blocks []block }

func (n network) Check(r *Request) error {
	from := newPoint(r.Address)
	switch {
	case len(n.blocks) == 0:
		return errNoCondition
	case from == (point{}):
		return badValue(ErrUndetermined, "the address is unknown")
	case !slices.ContainsFunc(n.blocks, func(b block) bool { return b.contains(from) }):
		return fmt.Errorf("an address among %s", listed(blockTexts(n.blocks)))
	}
	return nil
}

func (n network) Within(parent Condition) bool {
	p, ok := parent.(network)
	if !ok || len(n.blocks) == 0 {
		return false
	}
	for i := range n.blocks {
		if !n.blocks[i].withinAny(p.blocks) {
			return false
		}
	}
	return true
}

// Next returns false: the same request always comes from the same address.
func (n network) Next(*Request) (time.Time, bool) { return time.Time{}, false }
