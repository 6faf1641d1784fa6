package budget

import "container/list"

// Recent is a map of bounded size. If it is full, it forgets the entry that was not used
// for the longest time. It is not safe for concurrent use.
type Recent[K comparable, V any] struct {
	most  int
	order *list.List // of *entry, the last used one first
	byKey map[K]*list.Element
}

type entry[K comparable, V any] struct {
	key   K
	value V
}

// NewRecent returns a map of at most so many entries.
func NewRecent[K comparable, V any](most int) *Recent[K, V] {
	return &Recent[K, V]{most: most, order: list.New(), byKey: make(map[K]*list.Element)}
}

// Get returns the value of a key.
func (r *Recent[K, V]) Get(key K) (value V, ok bool) {
	e, ok := r.byKey[key]
	if !ok {
		return value, false
	}
	r.order.MoveToFront(e)
	return e.Value.(*entry[K, V]).value, true
}

// GetOr returns the value of a key, and makes it if there is none.
func (r *Recent[K, V]) GetOr(key K, create func() V) V {
	value, ok := r.Get(key)
	if !ok {
		value = create()
		r.Put(key, value)
	}
	return value
}

// Put sets the value of a key.
func (r *Recent[K, V]) Put(key K, value V) {
	if e, ok := r.byKey[key]; ok {
		e.Value.(*entry[K, V]).value = value
		r.order.MoveToFront(e)
		return
	}
	r.byKey[key] = r.order.PushFront(&entry[K, V]{key, value})
	if len(r.byKey) > r.most {
		oldest := r.order.Back()
		delete(r.byKey, r.order.Remove(oldest).(*entry[K, V]).key)
	}
}

// Drop removes a key.
func (r *Recent[K, V]) Drop(key K) {
	if e, ok := r.byKey[key]; ok {
		r.order.Remove(e)
		delete(r.byKey, key)
	}
}

// Len returns the number of entries.
func (r *Recent[K, V]) Len() int { return len(r.byKey) }
