package restriction

import (
	"fmt"
	"math"
	"time"
)

// The keys that limit the number of uses (protocol section 2.1).
const (
	// KeyUsagesAT limits how many access tokens the holder may obtain.
	KeyUsagesAT = "usages_AT"
	// KeyUsagesOther limits how many other uses the holder may make.
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

// limitKey returns the key that limits uses of a kind.
func limitKey(k Kind) string {
	if k == AT {
		return KeyUsagesAT
	}
	return KeyUsagesOther
}

// budget is the part for a limit on uses: how many uses of a kind a clause allows.
type budget struct {
	kind  Kind  // 0 if there is no limit
	limit int64 // or noLimit
}

func (b *budget) admits(q query) bool { return b.allows(&q) }

func (b *budget) allows(q *query) bool {
	return q.Kind != b.kind || b.limit > 0 && (q.Used == nil || b.left(q))
}

// left reports whether [Request.Used] leaves a use.
func (b *budget) left(q *query) bool {
	used, known := q.used()
	return known && used < b.limit
}

// used returns how many uses of the clause were spent, and whether the request says so.
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

// narrow knows the limit, but not the counters of a request.
func (b *budget) narrow(_ *Policy, g *gate) asks {
	switch {
	case b.kind == 0:
		return askNever
	case b.limit <= 0:
		g.kinds &^= kindSet(b.kind)
		return askNever
	}
	return askCounted
}

func (b *budget) within(parent part) bool { return b.limit <= parent.(*budget).limit }

func (b *budget) excess(parent part) string {
	return fmt.Sprintf("the parent allows %d, not %d", parent.(*budget).limit, b.limit)
}

// usagesKeys are the keys of this file.
var usagesKeys = []*usages{keyUsagesAT, keyUsagesOther}

// limits returns the numbers of uses that w asks for. A limit that w leaves open is within
// every limit, even a negative one.
func (w *fitting) limits() limits {
	l := w.clause.limits()
	if w.leavesOut(keyUsagesAT) {
		l.at = math.MinInt64
	}
	if w.leavesOut(keyUsagesOther) {
		l.other = math.MinInt64
	}
	return l
}

// limited returns the key of a limit above 0, if w states one.
func (w *fitting) limited() (key string, limited bool) {
	for _, k := range usagesKeys {
		if n := *k.field(w.source); n != nil && *n > 0 {
			return k.wire, true
		}
	}
	return "", false
}

// capUsages lowers the limits of c to what is left. If nothing is left for one of them,
// it returns the key.
func (c *Clause) capUsages(left limits) (key string, none bool) {
	for i, most := range []int64{left.at, left.other} {
		limit := usagesKeys[i].field(c)
		switch {
		case *limit == nil || **limit <= most:
		case most <= 0:
			return usagesKeys[i].wire, true
		default:
			*limit = Usages(most)
		}
	}
	return "", false
}

// isUsages reports whether a key limits uses.
func isUsages(name string) bool { return name == KeyUsagesAT || name == KeyUsagesOther }

// AccessTokens allows at most n access tokens. 0 allows none.
func (p Phase) AccessTokens(n int64) Phase {
	p.clause.UsagesAT = Usages(n)
	return p
}

// OtherUses allows at most n uses other than access tokens. 0 allows none.
func (p Phase) OtherUses(n int64) Phase {
	p.clause.UsagesOther = Usages(n)
	return p
}
