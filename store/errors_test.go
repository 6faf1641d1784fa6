package store_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/mytoken-go/sdk/store"
)

func documented() []error {
	return []error{
		store.ErrNotFound, store.ErrForged, store.ErrRevoked, store.ErrRefunded, store.ErrExists, store.ErrConflict, store.ErrDead, store.ErrDepth,
		store.ErrTicketNotFound, store.ErrTicketExpired, store.ErrTicketTaken,
		&store.StaleError{Presented: 1, Current: 2}, &store.ExhaustedError{Kind: store.UseAT},
		&store.BusyError{Until: 1}, &store.SuspectError{Until: 1}, &store.ArgumentError{Reason: "no id"},
	}
}

func TestDocumentedErrorsAreDefinite(t *testing.T) {
	for _, err := range documented() {
		assert.True(t, store.IsDefinite(err), "%v", err)
		assert.True(t, store.IsDefinite(fmt.Errorf("caller: %w", err)), "%v, wrapped", err)
	}
	for _, err := range []error{nil, io.EOF, context.Canceled, context.DeadlineExceeded, errors.New(store.ErrNotFound.Error())} {
		assert.False(t, store.IsDefinite(err), "%v", err)
	}
}

func TestErrorsHaveDistinctTexts(t *testing.T) {
	seen := make(map[string]bool)
	for _, err := range documented() {
		assert.Regexp(t, "^store: ", err.Error())
		assert.NotContains(t, seen, err.Error())
		seen[err.Error()] = true
	}
	assert.EqualError(t, &store.StaleError{Presented: 1, Current: 2}, "store: generation 1 presented, current is 2")
	assert.EqualError(t, &store.ExhaustedError{Kind: store.UseOther}, "store: no use of the kind other is left on any usable clause")
	assert.EqualError(t, &store.BusyError{Until: 1_500_000}, "store: grant is being refreshed until 1970-01-01T00:00:01.5Z")
	assert.EqualError(t, &store.SuspectError{Until: 1_500_000}, "store: grant was refused by the provider and is not asked for again until 1970-01-01T00:00:01.5Z")
	assert.EqualError(t, &store.ArgumentError{Reason: "no id"}, "store: no id")
}

func TestNamesOfKinds(t *testing.T) {
	for k, want := range map[fmt.Stringer]string{
		store.UseAT: "AT", store.UseOther: "other", store.UseUncounted: "uncounted", store.Kind(0): "invalid",
		store.PlaceRefreshToken: "rt", store.PlaceTokenKey: "dek", store.PlaceSuccessor: "successor", store.PlaceAbout: "about",
		store.PlaceTicketKey: "ticket key", store.PlaceTicketPayload: "ticket payload", store.PlaceItem: "item", store.PlaceKind(0): "unknown",
	} {
		assert.Equal(t, want, k.String())
	}
}
