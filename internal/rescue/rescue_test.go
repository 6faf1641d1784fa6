package rescue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
)

func explode() (int, error) { panic("boom") }

func TestCall(t *testing.T) {
	n, err := Call(explode)
	require.Zero(t, n)
	require.EqualError(t, err, "internal error", "a client may see the text")
	var log bytes.Buffer
	Log(t.Context(), slog.New(slog.NewTextHandler(&log, nil)), "the observer", fmt.Errorf("wrapped: %w", err))
	require.Contains(t, log.String(), `kind=panic in="the observer" error=boom`)
	require.Contains(t, log.String(), "rescue.explode", "the stack leads to the call-back")

	log.Reset()
	Log(t.Context(), slog.New(slog.NewTextHandler(&log, nil)), "x", errors.New("no panic"))
	require.Empty(t, log.String())

	n, err = Call(func() (int, error) { return 7, context.Canceled })
	require.Equal(t, 7, n)
	require.Equal(t, context.Canceled, err)
	require.NoError(t, Do(func() {}))
}

// brokenHandler is a logging library with a mistake.
type brokenHandler struct{ slog.Handler }

func (brokenHandler) Handle(context.Context, slog.Record) error { panic("boom") }

func TestLogSurvivesItsHandler(t *testing.T) {
	_, err := Call(explode)
	require.NotPanics(t, func() { Log(t.Context(), slog.New(brokenHandler{slog.DiscardHandler}), "x", err) })
}
