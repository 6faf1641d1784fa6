package restriction

import (
	"hash/maphash"
	"slices"
	"strconv"
)

// This file has the shapes of values: times, counts and lists. A shape implements the
// methods of key that depend on nothing else.

// anyKey is the base of all shapes.
type anyKey struct{ wire string }

func (k *anyKey) name() string                  { return k.wire }
func (k *anyKey) alias() string                 { return "" }
func (k *anyKey) part(*clause) part             { return nil }
func (k *anyKey) supported(*Options) bool       { return true }
func (k *anyKey) remote(*Clause) bool           { return false }
func (k *anyKey) passes() bool                  { return false }
func (k *anyKey) check(*Clause, *Options) error { return nil }
func (k *anyKey) term(*Clause) Term             { return Term{Key: k.wire} }

// timeKey is the shape of a time in whole seconds. 0 means absent.
type timeKey struct {
	anyKey
	field func(*Clause) *int64
}

func (k *timeKey) states(c *Clause) bool       { return *k.field(c) != 0 }
func (k *timeKey) clone(*Clause)               {}
func (k *timeKey) equal(a, b *Clause) bool     { return *k.field(a) == *k.field(b) }
func (k *timeKey) write(e *encoder, c *Clause) { e.integer(k.wire, *k.field(c)) }
func (k *timeKey) take(c, from *Clause)        { *k.field(c) = *k.field(from) }
func (k *timeKey) show(c *Clause) string       { return instant(*k.field(c)) }

func (k *timeKey) hash(h *maphash.Hash, c *Clause) { maphash.WriteComparable(h, *k.field(c)) }

func (k *timeKey) read(d *decoder, c *Clause) (err error) {
	*k.field(c), err = d.time()
	return err
}

// lastInstant is the last second that RFC 3339 can write, in Unix seconds.
const lastInstant = 253402300799

func (k *timeKey) validate(c *Clause) error {
	switch seconds := *k.field(c); {
	case seconds < 0:
		return badValue(ErrInvalid, "%d is negative; times are seconds since 1970", seconds)
	case seconds > lastInstant:
		return badValue(ErrInvalid, "%d lies beyond the year 9999", seconds)
	}
	return nil
}

// countKey is the shape of a limit on the number of uses. nil means absent.
type countKey struct {
	anyKey
	field func(*Clause) **int64
}

func (k *countKey) states(c *Clause) bool       { return *k.field(c) != nil }
func (k *countKey) write(e *encoder, c *Clause) { e.integer(k.wire, **k.field(c)) }
func (k *countKey) take(c, from *Clause)        { *k.field(c) = *k.field(from) }
func (k *countKey) show(c *Clause) string       { return strconv.FormatInt(**k.field(c), 10) }

func (k *countKey) clone(c *Clause) {
	if n := *k.field(c); n != nil {
		*k.field(c) = Usages(*n)
	}
}

func (k *countKey) equal(a, b *Clause) bool {
	x, y := *k.field(a), *k.field(b)
	return x == y || x != nil && y != nil && *x == *y
}

func (k *countKey) hash(h *maphash.Hash, c *Clause) {
	n := *k.field(c)
	maphash.WriteComparable(h, n != nil)
	if n != nil {
		maphash.WriteComparable(h, *n)
	}
}

func (k *countKey) read(d *decoder, c *Clause) (err error) {
	*k.field(c), err = d.count()
	return err
}

func (k *countKey) validate(c *Clause) error {
	if n := **k.field(c); n < 0 {
		return badValue(ErrInvalid, "%d is negative; 0 allows no use", n)
	}
	return nil
}

// listKey is the shape of a list of strings. nil means absent.
type listKey struct {
	anyKey
	field      func(*Clause) *[]string
	checkEntry func(entry string) error
	what       string // for Term
}

func (k *listKey) states(c *Clause) bool       { return *k.field(c) != nil }
func (k *listKey) clone(c *Clause)             { *k.field(c) = slices.Clone(*k.field(c)) }
func (k *listKey) write(e *encoder, c *Clause) { e.strings(k.wire, *k.field(c)) }
func (k *listKey) take(c, from *Clause)        { *k.field(c) = *k.field(from) }
func (k *listKey) show(c *Clause) string       { return listed(*k.field(c)) }
func (k *listKey) list(c *Clause) *[]string    { return k.field(c) }

// equal distinguishes a nil list from an empty one.
func (k *listKey) equal(a, b *Clause) bool {
	x, y := *k.field(a), *k.field(b)
	return (x == nil) == (y == nil) && slices.Equal(x, y)
}

func (k *listKey) hash(h *maphash.Hash, c *Clause) {
	entries := *k.field(c)
	maphash.WriteComparable(h, len(entries))
	for _, entry := range entries {
		maphash.WriteComparable(h, entry)
	}
}

func (k *listKey) read(d *decoder, c *Clause) (err error) {
	*k.field(c), err = d.strings()
	return err
}

func (k *listKey) term(c *Clause) Term {
	return Term{k.wire, k.what, append([]string{}, *k.field(c)...)}
}

// withEntry appends an entry that the list does not have.
func withEntry(list []string, entry string) []string {
	if slices.Contains(list, entry) {
		return list
	}
	return append(list, entry)
}

func (k *listKey) validate(c *Clause) error {
	entries := *k.field(c)
	if len(entries) == 0 {
		return badValue(ErrInvalid, "the list has no entries; leave the key out for no restriction")
	}
	if len(entries) > MaxEntries {
		return &LimitError{"entries in a list", MaxEntries}
	}
	for _, entry := range entries {
		if err := k.checkEntry(entry); err != nil {
			return err
		}
	}
	return nil
}
