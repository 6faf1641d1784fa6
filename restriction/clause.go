package restriction

import (
	"bytes"
	"slices"
	"time"
)

// Clause is one alternative in a list of restrictions. It admits a use if the use
// satisfies every key that the clause states.
//
// A nil list means that the clause does not state the key. No use satisfies a list that
// is empty but not nil, such as the result of an intersection. A clause with such a list
// admits nothing, does not pass [List.Validate], and cannot be encoded.
//
// The zero Clause states nothing and would admit everything. So [Parse], [List.Validate],
// [Compile] and [List.AppendJSON] return [ErrEmptyClause] for it.
type Clause struct {
	NotBefore int64 // first second of validity, Unix time in seconds; 0 = no lower bound
	Expires   int64 // last second of validity, Unix time in seconds; 0 = no upper bound

	Scopes    []string // each requested scope must be one of these
	Audiences []string // each requested audience must be one of these

	// Hosts are addresses, CIDR blocks, host names, or patterns that begin with "*.". At
	// least one of them must match the address of the request.
	Hosts []string

	// GeoIPAllow and GeoIPDisallow are ISO 3166-1 alpha-2 codes in upper or lower case.
	// The country of the address must be known. It must be one of GeoIPAllow, and none of
	// GeoIPDisallow.
	GeoIPAllow    []string
	GeoIPDisallow []string

	UsagesAT    *int64 // how many access tokens the holder may obtain; nil = no limit, 0 = none
	UsagesOther *int64 // how many other uses are allowed; nil = no limit, 0 = none

	Schedule *Schedule // when uses are admitted, again and again; nil = at all times

	// Extra are the keys that this package does not define, in the order in which they
	// were read. Such a clause admits nothing, unless the program has a condition for
	// each of these keys; see [Options.Conditions].
	Extra []Extra
}

// Extra is a key that this package does not define, with its value as it was read.
type Extra struct {
	Key   string
	Value []byte // JSON text; decoding and encoding keep its bytes
}

// List is the restrictions of a token. It admits a use if at least one clause does. An
// empty list restricts nothing.
type List []Clause

// Usages returns a pointer to n, for [Clause.UsagesAT] and [Clause.UsagesOther].
func Usages(n int64) *int64 { return &n }

// IsEmpty reports whether c states no key.
func (c *Clause) IsEmpty() bool {
	for _, k := range keys {
		if k.states(c) {
			return false
		}
	}
	return len(c.Extra) == 0
}

// Keys returns the wire names of the keys that c states, in the order in which they are
// written.
func (c *Clause) Keys() []string {
	var names []string
	for _, k := range keys {
		if k.states(c) {
			names = append(names, k.name())
		}
	}
	for i := range c.Extra {
		names = append(names, c.Extra[i].Key)
	}
	return names
}

// Clone returns a copy that shares no memory with c.
func (c *Clause) Clone() Clause {
	d := *c
	for _, k := range keys {
		k.clone(&d)
	}
	d.Extra = slices.Clone(c.Extra)
	for i := range d.Extra {
		d.Extra[i].Value = bytes.Clone(d.Extra[i].Value)
	}
	return d
}

// Equal reports whether c and other state the same keys with the same values. The order
// within a list matters; the order of extra keys does not. Equal compares the values of
// extra keys byte by byte.
func (c *Clause) Equal(other *Clause) bool {
	for _, k := range keys {
		if !k.equal(c, other) {
			return false
		}
	}
	return equalExtra(c.Extra, other.Extra)
}

// extra returns the value of an extra key.
func (c *Clause) extra(key string) (value []byte, ok bool) {
	for i := range c.Extra {
		if c.Extra[i].Key == key {
			return c.Extra[i].Value, true
		}
	}
	return nil, false
}

// Clone returns a copy that shares no memory with l. The copy of nil is nil.
func (l List) Clone() List {
	if l == nil {
		return nil
	}
	copied := make(List, len(l))
	for i := range l {
		copied[i] = l[i].Clone()
	}
	return copied
}

// Normalize returns a copy of l with each value in its normal form, which admits the same.
// Only [Clause.Schedule] has one (protocol section 2.12).
//
// A schedule may count days from the creation of the token. Normalize fixes that day:
// created is the time at which the token was asked for. If it is zero, the day stays open.
// An issuer calls Normalize before it compares the restrictions of a child with those of
// its parent.
func (l List) Normalize(created time.Time) List {
	n := l.Clone()
	for i := range n {
		for _, k := range keys {
			if k, ok := k.(normalKeyed); ok && k.states(&n[i]) {
				k.normalize(&n[i], created)
			}
		}
	}
	return n
}

// Equal reports whether l and other have equal clauses in the same order.
func (l List) Equal(other List) bool {
	return slices.EqualFunc(l, other, func(a, b Clause) bool { return a.Equal(&b) })
}

func equalExtra(a, b []Extra) bool {
	if len(a) != len(b) {
		return false
	}
	if len(a) == 0 {
		return true
	}
	other := Clause{Extra: b}
	for i := range a {
		value, ok := other.extra(a[i].Key)
		if !ok || !bytes.Equal(a[i].Value, value) {
			return false
		}
	}
	return true
}
