package errand

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/rescue"
)

func newErrands() (*Errands, *bytes.Buffer) {
	log := new(bytes.Buffer)
	return New(slog.New(slog.NewTextHandler(log, nil)), func(error) slog.Level { return slog.LevelWarn }), log
}

// A request waits for work that ends in time, whether or not its client still does.
func TestRequestWaits(t *testing.T) {
	for name, cancelled := range map[string]bool{"waits": false, "left": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, log := newErrands()
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				if cancelled {
					cancel()
				}
				broken := errors.New("broken")
				n, err := Call(ctx, e, "work", time.Minute, func(ctx context.Context) (int, error) {
					time.Sleep(9 * time.Second)
					return 7, errors.Join(broken, ctx.Err())
				})
				require.Equal(t, 7, n)
				require.ErrorIs(t, err, broken)
				require.NotErrorIs(t, err, context.Canceled)
				require.Empty(t, log.String())
				require.NoError(t, e.Close(t.Context()))
			})
		})
	}
}

// Work does not delay the answer beyond the deadline of its request. It goes on, Close
// waits for it, and the log says how it ended.
func TestWorkOutlivesItsRequest(t *testing.T) {
	for name, patience := range map[string]time.Duration{"deadline": time.Minute, "patience": 2 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, log := newErrands()
				ctx, cancel := context.WithTimeout(t.Context(), max(2*time.Second, 4*time.Second-patience))
				defer cancel()
				began, ended := time.Now(), false
				err := e.Do(ctx, "the work", patience, func(ctx context.Context) {
					time.Sleep(30 * time.Second)
					ended = ctx.Err() == nil
				})
				require.ErrorIs(t, err, ErrLate)
				require.Equal(t, 2*time.Second, time.Since(began))
				require.NoError(t, e.Close(t.Context()))
				synctest.Wait()
				require.True(t, ended)
				require.Contains(t, log.String(), `kind=finished_late step="the work" late=28s`)
			})
		})
	}
}

// Work has a minute. When Close gives up, it ends.
func TestWorkIsBounded(t *testing.T) {
	for name, give := range map[string]time.Duration{"longest": time.Hour, "close": 5 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, _ := newErrands()
				began := time.Now()
				require.ErrorIs(t, e.Do(t.Context(), "work", 0, func(ctx context.Context) { <-ctx.Done() }), ErrLate)
				ctx, cancel := context.WithTimeout(t.Context(), give)
				defer cancel()
				err := e.Close(ctx)
				synctest.Wait()
				require.Equal(t, min(give, Longest), time.Since(began))
				require.Equal(t, give > Longest, err == nil)
				require.NoError(t, e.Close(t.Context()))
			})
		})
	}
}

// Not every request can leave its work behind: the number of those that do is bounded.
func TestLateWorkIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _ := newErrands()
		for range mostLate {
			require.ErrorIs(t, e.Do(t.Context(), "work", 0, func(context.Context) { time.Sleep(time.Second) }), ErrLate)
		}
		began := time.Now()
		require.NoError(t, e.Do(t.Context(), "work", 0, func(context.Context) { time.Sleep(500 * time.Millisecond) }))
		require.Equal(t, 500*time.Millisecond, time.Since(began))
		require.NoError(t, e.Close(t.Context()))
	})
}

// A panic reaches the caller as an error, and the log in any case.
func TestPanic(t *testing.T) {
	for _, late := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			e, log := newErrands()
			patience := time.Minute
			if late {
				patience = 0
			}
			err := e.Do(t.Context(), "the work", patience, func(context.Context) {
				time.Sleep(time.Second)
				panic("it is broken")
			})
			if late {
				require.ErrorIs(t, err, ErrLate)
			} else {
				require.ErrorAs(t, err, new(*rescue.Panic))
			}
			require.NoError(t, e.Close(t.Context()))
			synctest.Wait()
			require.Contains(t, log.String(), `kind=panic in="the work" error="it is broken"`)
		})
	}
}

// The store hangs, and every request leaves an errand behind. The log does not get a line
// for each, none for what is told elsewhere, and no secret of a cause.
func TestLateErrandsDoNotFloodTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away, log := errors.New("the store is away"), new(bytes.Buffer)
		e := New(slog.New(slog.NewTextHandler(log, nil)), func(err error) slog.Level {
			if errors.Is(err, away) {
				return slog.LevelDebug
			}
			return slog.LevelWarn
		})
		late := func(n int, err error) {
			for range n {
				_, got := Call(t.Context(), e, "work", time.Second, func(context.Context) (int, error) {
					time.Sleep(2 * time.Second)
					return 0, err
				})
				require.ErrorIs(t, got, ErrLate)
			}
			time.Sleep(2 * time.Second)
			synctest.Wait()
		}
		late(20, away)
		require.Empty(t, log.String())
		late(30, errors.New("POST https://op.example.org/?refresh_token=s3cret "+strings.Repeat("x", 1<<20)))
		require.Equal(t, linesPerMinute, strings.Count(log.String(), "finished_late"))
		require.NotContains(t, log.String(), "s3cret")
		require.Less(t, log.Len(), 100<<10)
		time.Sleep(time.Minute)
		log.Reset()
		late(1, nil)
		require.Equal(t, 1, strings.Count(log.String(), "finished_late"), "another minute")
	})
}

// Begin returns at once. Only Close waits for the work, which goes on without its request.
// If too much of it is under way, more is left undone. A panic of the work goes to the log.
func TestBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, log := newErrands()
		began := time.Now()
		var done atomic.Int64
		begin := func(n int) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			for range n {
				e.Begin(ctx, "work", func(ctx context.Context) {
					time.Sleep(time.Second)
					if ctx.Err() == nil {
						done.Add(1)
					}
				})
			}
		}
		begin(mostLate + 10)
		require.Zero(t, time.Since(began))
		require.NoError(t, e.Close(t.Context()))
		require.Equal(t, time.Second, time.Since(began))
		require.EqualValues(t, mostLate, done.Load())
		begin(1)
		require.NoError(t, e.Close(t.Context()))
		require.EqualValues(t, mostLate+1, done.Load())

		e.Begin(t.Context(), "work", func(context.Context) { panic("broken") })
		require.NoError(t, e.Close(t.Context()))
		require.Contains(t, log.String(), "broken")

		// Close stops waiting, and the work ends with its context.
		e.Begin(t.Context(), "work", func(ctx context.Context) { <-ctx.Done() })
		impatient, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, e.Close(impatient), context.Canceled)
	})
}
