package killtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/store"
)

// work is an order that is being carried out. It travels in the context.
type work struct {
	order
	child       *child
	answer      atomic.Pointer[answer] // that the provider gave last, until it is kept
	leased      atomic.Int64           // when the lease was last asked for, in nanoseconds since child.began
	notRefunded atomic.Bool
}

type workKey struct{}

// workOf returns nil if the context belongs to no order.
func workOf(ctx context.Context) *work {
	w, _ := ctx.Value(workKey{}).(*work)
	return w
}

// reach blocks forever if the order is to stop here.
func (w *work) reach(p place) {
	if w != nil && w.Place == p {
		w.child.say(line{Kind: stand, Order: w.N})
		select {}
	}
}

// answer identifies a new refresh token of the provider by its user and generation. The
// provider of these tests writes it into its answers.
type answer struct {
	Subject    string `json:"test_subject"`
	Generation int    `json:"test_generation"`
}

// watchedTransport reports the provider's answers.
type watchedTransport struct {
	http.RoundTripper
	child *child
}

func (t *watchedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	w := workOf(r.Context())
	if w == nil || !strings.HasSuffix(r.URL.Path, "/token") {
		return t.RoundTripper.RoundTrip(r)
	}
	w.reach(atCall)
	w.hurry()
	asked := time.Now()
	resp, err := t.RoundTripper.RoundTrip(r)
	var body []byte
	if err == nil {
		body, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	if err != nil {
		t.child.say(line{Kind: lost, Order: w.N, Asked: asked})
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	var a answer
	if json.Unmarshal(body, &a) == nil && a.Generation > 0 {
		w.answer.Store(&a)
		t.child.say(line{Kind: got, Order: w.N, Subject: a.Subject, Generation: a.Generation, Asked: asked})
	}
	return resp, nil
}

// watchedStore reports each new refresh token before the store commits it. It stops an
// order that is to stop before a commit or a rotation.
type watchedStore struct {
	store.Store
	child *child
}

func (s *watchedStore) BeginRefresh(ctx context.Context, b store.Begin) (store.Refresh, error) {
	if w := workOf(ctx); w != nil {
		w.leased.Store(int64(time.Since(s.child.began)))
	}
	return s.Store.BeginRefresh(ctx, b)
}

// hurry reports a process that took so long after it asked for the lease that another
// process may have stopped waiting for it.
func (w *work) hurry() {
	if late := time.Since(w.child.began) - time.Duration(w.leased.Load()); w.child.patience > 0 && late > w.child.patience {
		w.child.say(line{Kind: slow, Order: w.N})
	}
}

// CommitRefresh runs after the spill is written.
func (s *watchedStore) CommitRefresh(ctx context.Context, c store.Commit) error {
	w := workOf(ctx)
	if w != nil {
		if a := w.answer.Swap(nil); a != nil {
			s.child.say(line{Kind: kept, Order: w.N, Subject: a.Subject, Generation: a.Generation})
			w.reach(atCommit)
		}
	}
	err := s.Store.CommitRefresh(ctx, c)
	if w != nil && err == nil {
		w.hurry()
	}
	return err
}

func (s *watchedStore) Rotate(ctx context.Context, r store.Rotation) (store.Rotated, error) {
	workOf(ctx).reach(atRotation)
	return s.Store.Rotate(ctx, r)
}

// notice observes the issuer.
func (c *child) notice(ctx context.Context, n issuer.Notice) {
	w := workOf(ctx)
	switch {
	case w == nil:
	case n.Kind == issuer.NoticeRefundFailed:
		w.notRefunded.Store(true)
	case n.Kind == issuer.NoticeCommitFailed:
		c.say(line{Kind: stuck, Order: w.N})
	}
}
