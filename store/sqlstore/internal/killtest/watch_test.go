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

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/store"
)

// work is an order that is being carried out. It travels in the context.
type work struct {
	order
	child       *child
	answer      atomic.Pointer[answer] // that the provider gave last, until it is kept
	notRefunded atomic.Bool
}

type workKey struct{}

// workOf returns nil if the context belongs to no order.
func workOf(ctx context.Context) *work {
	w, _ := ctx.Value(workKey{}).(*work)
	return w
}

// reach stops for good if this is where the order stops.
func (w *work) reach(p place) {
	if w != nil && w.Place == p {
		w.child.say(line{Kind: stand, Order: w.N})
		select {}
	}
}

// answer says whose a new refresh token is. The provider of these tests puts it
// into what it answers.
type answer struct {
	Subject    string `json:"test_subject"`
	Generation int    `json:"test_generation"`
}

// watchedTransport tells of the provider's answers.
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
	asked := time.Now()
	resp, err := t.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
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

// watchedStore tells what is about to be stored.
type watchedStore struct {
	store.Store
	child *child
}

// CommitRefresh comes after the spill is written.
func (s *watchedStore) CommitRefresh(ctx context.Context, c store.Commit) error {
	w := workOf(ctx)
	if w != nil {
		if a := w.answer.Swap(nil); a != nil {
			s.child.say(line{Kind: kept, Order: w.N, Subject: a.Subject, Generation: a.Generation})
			w.reach(atCommit)
		}
	}
	return s.Store.CommitRefresh(ctx, c)
}

func (s *watchedStore) Rotate(ctx context.Context, r store.Rotation) (store.Rotated, error) {
	workOf(ctx).reach(atRotation)
	return s.Store.Rotate(ctx, r)
}

// notice observes the issuer.
func (c *child) notice(ctx context.Context, n mytoken.Notice) {
	w := workOf(ctx)
	switch {
	case w == nil:
	case n.Kind == mytoken.NoticeRefundFailed:
		w.notRefunded.Store(true)
	case n.Kind == mytoken.NoticeCommitFailed:
		c.say(line{Kind: stuck, Order: w.N})
	}
}
