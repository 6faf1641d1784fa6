package rest

import "container/list"

// recent is a map of bounded size. If it is full, it forgets the entry that was not used
// for the longest time.
type recent[K comparable, V any] struct {
	most  int
	order *list.List // of *recentEntry, the last used one first
	byKey map[K]*list.Element
}

type recentEntry[K comparable, V any] struct {
	key   K
	value V
}

func newRecent[K comparable, V any](most int) *recent[K, V] {
	return &recent[K, V]{most: most, order: list.New(), byKey: make(map[K]*list.Element)}
}

func (r *recent[K, V]) get(key K) (value V, ok bool) {
	e, ok := r.byKey[key]
	if !ok {
		return value, false
	}
	r.order.MoveToFront(e)
	return e.Value.(*recentEntry[K, V]).value, true
}

// getOr returns the value of a key, and makes it if there is none.
func (r *recent[K, V]) getOr(key K, create func() V) V {
	value, ok := r.get(key)
	if !ok {
		value = create()
		r.put(key, value)
	}
	return value
}

func (r *recent[K, V]) put(key K, value V) {
	if e, ok := r.byKey[key]; ok {
		e.Value.(*recentEntry[K, V]).value = value
		r.order.MoveToFront(e)
		return
	}
	r.byKey[key] = r.order.PushFront(&recentEntry[K, V]{key, value})
	if len(r.byKey) > r.most {
		oldest := r.order.Back()
		delete(r.byKey, r.order.Remove(oldest).(*recentEntry[K, V]).key)
	}
}

func (r *recent[K, V]) drop(key K) {
	if e, ok := r.byKey[key]; ok {
		r.order.Remove(e)
		delete(r.byKey, key)
	}
}
