package restriction

import "time"

// KeyNotBefore is the key with the first second in which a clause admits (protocol
// section 2.1).
const KeyNotBefore = "nbf"

var keyNBF = &notBefore{timeKey{
	anyKey{KeyNotBefore},
	func(c *Clause) *int64 { return &c.NotBefore },
}}

type notBefore struct{ timeKey }

func (k *notBefore) passes() bool { return true }

func (k *notBefore) compile(c *Clause, to *clause) part {
	to.from = start(c.NotBefore)
	return nil
}

func (k *notBefore) part(c *clause) part { return &c.from }

func (k *notBefore) index(parents []part) keyIndex {
	return newOrderedIndex(parents, func(p part) int64 { return int64(*p.(*start)) })
}

// start is the part for nbf: the first second, in Unix time.
type start int64

func (s *start) admits(q query) bool { return q.now >= int64(*s) }

func (s *start) object(query) Objection {
	return Objection{Key: KeyNotBefore, Need: "a time from " + instant(int64(*s))}
}

func (s *start) first(_ query, t time.Time) Earliest {
	if t.Unix() < int64(*s) {
		t = time.Unix(int64(*s), 0)
	}
	return At(t)
}

func (s *start) narrow(_ *Policy, g *gate) asks {
	g.from = max(g.from, int64(*s))
	return askNever
}

func (s *start) within(parent part) bool { return *s >= *parent.(*start) }

func (s *start) excess(parent part) string {
	return "the parent allows a time from " + instant(int64(*parent.(*start))) + ", not from " + instant(int64(*s))
}
