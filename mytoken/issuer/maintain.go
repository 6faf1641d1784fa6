package issuer

import (
	"context"
	"errors"
	"time"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/seal"
)

// Recover commits refresh tokens that an earlier process received and could
// not commit. Call it once before serving. What cannot be committed stays in
// the spill directory and is reported. Files that a killed process has left half
// written are removed after a minute.
func (i *Issuer) Recover(ctx context.Context) error {
	salvaged := i.refresher.spill.salvage(time.Now()) // files have the machine's time
	return errors.Join(salvaged, i.refresher.replay(ctx, store.GrantID{}))
}

// Sweep deletes what is not needed any more, in batches of the given number of
// rows, until there is nothing left to do or the context ends. Run it every
// few minutes, in one process or in all; 1000 is a good number. It fails with
// *StoreError, and with *store.ArgumentError for a batch below 1. What was deleted
// before an error is counted.
func (i *Issuer) Sweep(ctx context.Context, batch int) (store.Cleaned, error) {
	var sum store.Cleaned
	for {
		got, err := i.ledger.sweep(ctx, store.Cleaning{Limit: batch, Retention: i.cfg.Retention})
		if err != nil {
			return sum, err
		}
		sum.Tickets += got.Tickets
		sum.Tokens += got.Tokens
		sum.Grants += got.Grants
		sum.Events += got.Events
		sum.Uses += got.Uses
		sum.Others += got.Others
		if !got.More {
			return sum, nil
		}
	}
}

// Rewrap brings everything sealed under the active server key, in batches of the
// given number of values, while requests run, and returns how many it changed. It
// comes after every process was started with a ring in which the new key is active
// and the old one is among the others; package seal lists the steps. When it has
// returned nil, keys that are only read can be taken out of the ring, codes that
// they protect excepted: keep a key for one lifetime of a code after it stopped
// being active. It can be stopped and repeated. Errors are those of [seal.Rewrap].
func (i *Issuer) Rewrap(ctx context.Context, batch int) (int, error) {
	return seal.Rewrap(ctx, i.cfg.Store, i.cfg.Seal, batch)
}

// Close ends the issuer: new requests for access tokens fail with ErrClosed,
// those in flight are finished. If the context ends before, refresh tokens
// that are not committed stay in the spill, and Close returns its error.
func (i *Issuer) Close(ctx context.Context) error {
	return i.refresher.close(ctx)
}
