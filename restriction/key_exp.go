package restriction

import "time"

// KeyExpires is the key with the last second in which a clause admits (protocol section
// 2.1).
const KeyExpires = "exp"

var keyEXP = &expires{timeKey{
	anyKey{KeyExpires},
	func(c *Clause) *int64 { return &c.Expires },
}}

type expires struct{ timeKey }

func (k *expires) validate(c *Clause) error {
	if c.Expires < c.NotBefore && c.Expires >= 0 {
		return badValue(ErrInvalid, "%s is before nbf, %s", instant(c.Expires), instant(c.NotBefore))
	}
	return k.timeKey.validate(c)
}

// expired returns an [ErrPast] if c expired before now.
func (c *Clause) expired(now time.Time) error {
	if c.Expires == 0 || c.Expires >= now.Unix() {
		return nil
	}
	return &ClauseError{Key: KeyExpires, Err: badValue(ErrPast, "%s is in the past; choose a later time", instant(c.Expires))}
}

func (k *expires) compile(c *Clause, to *clause) part {
	to.until = end(c.Expires)
	return nil
}

func (k *expires) part(c *clause) part { return &c.until }

func (k *expires) index(parents []part) keyIndex {
	return newOrderedIndex(parents, func(p part) int64 { return ^int64(*p.(*end)) }) // a later end ranks lower
}

// end is the part for exp: the last second, in Unix time.
type end int64

func (e *end) admits(q query) bool { return q.now <= int64(*e) }

func (e *end) object(query) Objection {
	return Objection{Key: KeyExpires, Need: "a time until " + instant(int64(*e))}
}

func (e *end) first(_ query, t time.Time) Earliest {
	if t.Unix() > int64(*e) {
		return Never()
	}
	return At(t)
}

func (e *end) narrow(_ *Policy, g *gate) asks {
	g.until = min(g.until, int64(*e))
	return askNever
}

func (e *end) within(parent part) bool { return *e <= *parent.(*end) }

func (e *end) excess(parent part) string {
	return "the parent allows a time until " + instant(int64(*parent.(*end))) + ", not until " + instant(int64(*e))
}

// endsFirst reports whether c expires before it begins.
func (c *Clause) endsFirst() bool { return c.Expires != 0 && c.Expires < c.NotBefore }
