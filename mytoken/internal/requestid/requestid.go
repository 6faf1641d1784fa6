// Package requestid carries the id of a request from an edge to the log lines that are
// written on behalf of the request.
package requestid

import (
	"context"
	"log/slog"
)

// Attr is the key of the id in a line of the log.
const Attr = "request"

type key struct{}

// With returns a context that carries the id.
func With(ctx context.Context, id string) context.Context { return context.WithValue(ctx, key{}, id) }

// Of returns the id of the request that the context belongs to. Outside of a request it
// returns the empty string.
func Of(ctx context.Context) string {
	id, _ := ctx.Value(key{}).(string)
	return id
}

// Logger returns a logger that adds the id of the context to each line.
func Logger(logger *slog.Logger) *slog.Logger { return slog.New(handler{logger.Handler()}) }

type handler struct{ slog.Handler }

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	if id := Of(ctx); id != "" {
		r = r.Clone()
		r.AddAttrs(slog.String(Attr, id))
	}
	return h.Handler.Handle(ctx, r)
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(attrs)}
}

func (h handler) WithGroup(name string) slog.Handler { return handler{h.Handler.WithGroup(name)} }
