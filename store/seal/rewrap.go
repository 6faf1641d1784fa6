package seal

import (
	"context"
	"fmt"
	"slices"

	"github.com/mytoken-go/sdk/store"
)

// Resealer is the part of [store.Records] that [Rewrap] needs.
type Resealer interface {
	Sealed(ctx context.Context, page store.Page) ([]store.SealedItem, string, error)
	Reseal(ctx context.Context, items []store.Reseal) (int, error)
}

// RewrapError says that [Rewrap] could not open some values and left them as they are.
// Everything else is under the active key. Unwrap returns the error of the first of these
// values.
type RewrapError struct {
	Failed int               // how many values
	Kinds  []store.PlaceKind // kinds of their places, each once
	Err    error             // why the first one does not open
}

func (e *RewrapError) Error() string {
	return fmt.Sprintf("seal: %d values do not open and stay as they are; the first one: %v", e.Failed, e.Err)
}

// Unwrap returns Err.
func (e *RewrapError) Unwrap() error { return e.Err }

func (e *RewrapError) add(kind store.PlaceKind, err error) {
	e.Failed++
	if e.Err == nil {
		e.Err = err
	}
	if !slices.Contains(e.Kinds, kind) {
		e.Kinds = append(e.Kinds, kind)
	}
}

// maxPasses is how often Rewrap goes through a store that does not settle. Two passes are
// enough if nobody writes under an old key: one changes values and one finds nothing to
// change.
const maxPasses = 8

// Rewrap puts everything sealed in the store under the ring's active key, batch values at
// a time. It goes through the store until it finds nothing to change, at most eight
// times. It returns how many values it replaced.
//
// Rewrap can run beside requests, on a node or in a program of its own. If a request
// changes a value meanwhile, Rewrap does not overwrite it and looks at it again. You may
// stop Rewrap and call it again at any time; it skips values that are done.
//
// Rewrap stops at an error of the store or of ctx and returns it. It does not stop at a
// value that it cannot open, but returns a [*RewrapError] when everything else is done.
// It returns [ErrUnsettled] if a node still seals under another key, [ErrBatch] if batch
// is below 1, and [ErrNoKey] for a nil or zero ring.
//
// Keep the old key in the ring until all codes that were made under it have expired; see
// the package comment.
func Rewrap(ctx context.Context, records Resealer, ring *Ring, batch int) (n int, err error) {
	switch {
	case len(ring.keys()) == 0:
		return 0, ErrNoKey
	case batch < 1:
		return 0, ErrBatch
	}
	for range maxPasses {
		p := pass{records: records, ring: ring, batch: batch}
		err := p.run(ctx)
		n += p.replaced
		if err != nil {
			return n, err
		}
		if p.stale == 0 {
			return n, p.failure()
		}
	}
	return n, ErrUnsettled
}

// pass is one walk over the store.
type pass struct {
	records Resealer
	ring    *Ring
	batch   int

	stale    int // values found under another key
	replaced int
	failed   RewrapError
}

func (p *pass) run(ctx context.Context) error {
	page := store.Page{Limit: p.batch}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		items, next, err := p.records.Sealed(ctx, page)
		if err != nil {
			return fmt.Errorf("seal: walking over the store: %w", err)
		}
		if swaps := p.reseal(items); len(swaps) > 0 {
			n, err := p.records.Reseal(ctx, swaps)
			p.replaced += n
			if err != nil {
				return fmt.Errorf("seal: replacing values: %w", err)
			}
		}
		if next == "" {
			return nil
		}
		page.After = next
	}
}

func (p *pass) reseal(items []store.SealedItem) []store.Reseal {
	var swaps []store.Reseal
	for _, item := range items {
		if len(item.Sealed) == 0 {
			continue
		}
		sealed, changed, err := p.ring.Reseal(item)
		switch {
		case err != nil:
			p.failed.add(item.Place.Kind, err)
		case changed:
			swaps = append(swaps, store.Reseal{Place: item.Place, Old: item.Sealed, New: sealed})
		}
	}
	p.stale += len(swaps)
	return swaps
}

func (p *pass) failure() error {
	if p.failed.Failed == 0 {
		return nil
	}
	return &p.failed
}
