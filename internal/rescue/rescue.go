// Package rescue turns panics of call-backs into errors. Embedding programs and libraries
// supply call-backs, and some run on goroutines of this module, where nobody else would
// recover.
package rescue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
)

// Panic says that a call-back panicked. Its text tells nothing, so that a client may see
// it. [Log] writes down the rest.
type Panic struct {
	Value any
	Stack []byte
}

func (p *Panic) Error() string { return "internal error" }

// Call calls f. If f panics, the error is a [*Panic].
func Call[T any](f func() (T, error)) (v T, err error) {
	defer func() {
		if value := recover(); value != nil {
			err = &Panic{value, debug.Stack()}
		}
	}()
	return f()
}

// Do calls f. If f panics, the error is a [*Panic]; else it is nil.
func Do(f func()) error {
	_, err := Call(func() (struct{}, error) {
		f()
		return struct{}{}, nil
	})
	return err
}

// Log writes down the panic in the chain of err, if there is one. It survives a handler
// that panics too.
func Log(ctx context.Context, logger *slog.Logger, where string, err error) {
	p, ok := errors.AsType[*Panic](err)
	if !ok {
		return
	}
	_ = Do(func() {
		logger.ErrorContext(ctx, "mytoken", "kind", "panic", "in", where, "error", fmt.Sprint(p.Value), "stack", string(p.Stack))
	})
}
