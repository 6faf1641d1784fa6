package restriction

import (
	"fmt"
	"time"
)

// The numbers of uses that a clause allows (protocol section 2.1).
const (
	KeyUsagesAT    = "usages_AT"
	KeyUsagesOther = "usages_other"
)

var (
	keyUsagesAT = &usages{
		countKey{anyKey{KeyUsagesAT}, func(c *Clause) **int64 { return &c.UsagesAT }},
		AT, func(c *clause) *budget { return &c.at },
	}
	keyUsagesOther = &usages{
		countKey{anyKey{KeyUsagesOther}, func(c *Clause) **int64 { return &c.UsagesOther }},
		Other, func(c *clause) *budget { return &c.other },
	}
)

type usages struct {
	countKey
	kind   Kind
	budget func(*clause) *budget
}

func (k *usages) compile(c *Clause, to *clause) part {
	*k.budget(to) = budget{k.kind, **k.field(c)}
	return nil
}

func (k *usages) part(c *clause) part { return k.budget(c) }

// limitKey returns the key of the limit on uses of a kind.
func limitKey(k Kind) string {
	if k == AT {
		return KeyUsagesAT
	}
	return KeyUsagesOther
}

// budget is how many uses of a kind a clause allows.
type budget struct {
	kind  Kind  // 0 if there is no limit
	limit int64 // or noLimit
}

func (b *budget) admits(q query) bool { return b.allows(&q) }

func (b *budget) allows(q *query) bool {
	return q.Kind != b.kind || b.limit > 0 && (q.Used == nil || b.left(q))
}

// left reports whether the request says that a use is left.
func (b *budget) left(q *query) bool {
	used, known := q.used()
	return known && used < b.limit
}

// used returns how many uses were spent, if the request says so.
func (q *query) used() (used int64, known bool) {
	switch {
	case q.clause >= len(q.Used):
		return 0, false
	case q.Kind == AT:
		return q.Used[q.clause].AT, true
	}
	return q.Used[q.clause].Other, true
}

func (b *budget) object(q query) Objection {
	o := Objection{Key: limitKey(b.kind)}
	switch used, known := q.used(); {
	case b.limit <= 0:
		o.Need = "a limit above 0"
	case !known:
		o.Need = "the counter, which is not known"
	default:
		o.Need = fmt.Sprintf("a use left, %d of %d are spent", used, b.limit)
	}
	return o
}

func (b *budget) first(q query, t time.Time) Earliest { return lasting(b.allows(&q), nil, t) }

func (b *budget) within(parent part) bool { return b.limit <= parent.(*budget).limit }

// AccessTokens allows n access tokens.
func (p Phase) AccessTokens(n int64) Phase {
	p.clause.UsagesAT = Usages(n)
	return p
}

// OtherUses allows n other uses.
func (p Phase) OtherUses(n int64) Phase {
	p.clause.UsagesOther = Usages(n)
	return p
}
