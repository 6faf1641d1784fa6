package restriction

import "errors"

// This file says what a program that merely holds a token can tell by itself. Each key
// answers for itself; see remote and passes of [key].

// HolderView returns copies of the clauses as the holder of a token can judge them. They
// lack the keys that only the issuer can judge: those about the address of the request,
// and those that this package does not define. If the other keys refuse, so does the
// issuer. If they admit, the issuer may still refuse.
//
// A clause that states nothing else has an nbf in 1970, because a clause must state
// something.
func (l List) HolderView() List {
	view := make(List, len(l))
	for i := range l {
		for _, k := range keys {
			if k.states(&l[i]) && !k.remote(&l[i]) {
				k.take(&view[i], &l[i])
				k.clone(&view[i])
			}
		}
		if view[i].IsEmpty() {
			view[i].NotBefore = 1
		}
	}
	return view
}

// IsFinal reports whether waiting alone never ends the objection to the same request from
// the same address. It returns false for a key that this package does not define, because
// nobody knows here. It also returns false if Err wraps [ErrUndetermined]: a look-up that
// failed may succeed later. An explanation from the wire has no Err.
func (o *Objection) IsFinal() bool {
	i, known := keyNames[o.Key]
	return known && !keys[i].passes() && !errors.Is(o.Err, ErrUndetermined)
}
