package store_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/mytoken-go/sdk/store"
)

func documented() []error {
	return []error{
		store.ErrNotFound, store.ErrForged, store.ErrRevoked, store.ErrRefunded, store.ErrExists, store.ErrConflict, store.ErrDead, store.ErrDepth,
		store.ErrTicketNotFound, store.ErrTicketExpired, store.ErrTicketTaken,
		&store.StaleError{Presented: 1, Current: 2}, &store.ExhaustedError{Kind: store.UseAT},
		&store.BusyError{Until: 1}, &store.ArgumentError{Reason: "no id"},
	}
}

func TestDocumentedErrorsAreDefinite(t *testing.T) {
	for _, err := range documented() {
		if !store.IsDefinite(err) || !store.IsDefinite(fmt.Errorf("caller: %w", err)) {
			t.Errorf("%v is not definite", err)
		}
	}
	for _, err := range []error{nil, io.EOF, context.Canceled, context.DeadlineExceeded, errors.New(store.ErrNotFound.Error())} {
		if store.IsDefinite(err) {
			t.Errorf("%v is definite", err)
		}
	}
}

func TestErrorsHaveDistinctTexts(t *testing.T) {
	seen := make(map[string]bool)
	for _, err := range documented() {
		text := err.Error()
		if !strings.HasPrefix(text, "store: ") || seen[text] {
			t.Errorf("%q", text)
		}
		seen[text] = true
	}
	for _, x := range []struct {
		err  error
		want string
	}{
		{&store.StaleError{Presented: 1, Current: 2}, "store: generation 1 presented, current is 2"},
		{&store.ExhaustedError{Kind: store.UseOther}, "store: no use of the kind other is left on any usable clause"},
		{&store.BusyError{Until: 1_500_000}, "store: grant is being refreshed until 1970-01-01T00:00:01.5Z"},
		{&store.ArgumentError{Reason: "no id"}, "store: no id"},
	} {
		if got := x.err.Error(); got != x.want {
			t.Errorf("got %q, want %q", got, x.want)
		}
	}
}

func TestNamesOfKinds(t *testing.T) {
	for k, want := range map[fmt.Stringer]string{
		store.UseAT: "AT", store.UseOther: "other", store.UseUncounted: "uncounted", store.Kind(0): "invalid",
		store.PlaceRefreshToken: "rt", store.PlaceTokenKey: "dek", store.PlaceSuccessor: "successor", store.PlaceAbout: "about",
		store.PlaceTicketKey: "ticket key", store.PlaceTicketPayload: "ticket payload", store.PlaceKind(0): "unknown",
	} {
		if got := k.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
