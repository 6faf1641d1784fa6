package rest

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/mytoken-go/sdk/internal/errtext"
	"github.com/mytoken-go/sdk/internal/fresh"
	"github.com/mytoken-go/sdk/mytoken/internal/profile"
)

// templatesAge is for how long a set of a source that others may change is used.
const templatesAge = time.Second

// templates are the profiles and templates of the service. It is safe for concurrent use.
type templates struct {
	source fs.FS
	writer WritableTemplates // nil: the source never changes
	check  profile.Check
	now    func() time.Time
	logger *slog.Logger

	current atomic.Pointer[loaded]
	turn    chan struct{} // held by the only one who reads or changes the source
	failing bool          // the last reading failed; for the holder of the turn
}

// loaded is a set, and when its source was read.
type loaded struct {
	set *profile.Set
	at  time.Time
}

// load reads the templates for the first time.
func (t *templates) load() error {
	t.turn = make(chan struct{}, 1)
	t.writer, _ = t.source.(WritableTemplates)
	at := t.now()
	set, err := profile.Load(t.source, t.check)
	if err != nil {
		return fmt.Errorf("rest: Options.Templates: %w", err)
	}
	t.current.Store(&loaded{set, at})
	return nil
}

// set returns the templates. If they are too old, it reads them again, unless somebody
// else is doing that.
func (t *templates) set(ctx context.Context) *profile.Set {
	last := t.current.Load()
	if t.writer == nil || fresh.Within(last.at, templatesAge, t.now()) {
		return last.set
	}
	select {
	case t.turn <- struct{}{}:
		defer t.giveUp()
		_ = t.read(ctx) // the last good set stays, and the log tells
		return t.current.Load().set
	default:
		return last.set
	}
}

func (t *templates) giveUp() { <-t.turn }

// read reads the source again. If that fails, the last good set stays, and the log tells
// so once. The caller holds the turn.
func (t *templates) read(ctx context.Context) error {
	at := t.now()
	set, err := profile.Load(t.source, t.check)
	switch {
	case err != nil:
		set = t.current.Load().set
		if !t.failing {
			t.logger.ErrorContext(ctx, "mytoken: the templates cannot be read, and the last good ones are used", "error", errtext.ForLog(err))
		}
	case t.failing:
		t.logger.InfoContext(ctx, "mytoken: the templates can be read again")
	}
	t.failing = err != nil
	t.current.Store(&loaded{set, at})
	return err
}

// edit is a change of one file.
type edit struct {
	set  *profile.Set // after the change
	file string
	data []byte // nil: the file is removed
}

// change reads the source, and then changes a file as decide says. One change follows the
// other within this process. Of two processes that change the same file, the last one
// wins.
func (t *templates) change(ctx context.Context, decide func(*profile.Set) (edit, error)) error {
	select {
	case t.turn <- struct{}{}:
		defer t.giveUp()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := t.read(ctx); err != nil {
		return fmt.Errorf("rest: the templates cannot be read: %v", err) // the editor did not cause it
	}
	e, err := decide(t.current.Load().set)
	if err != nil {
		return err
	}
	at := t.now()
	if e.data == nil {
		err = t.writer.RemoveFile(ctx, e.file)
	} else {
		err = t.writer.WriteFile(ctx, e.file, e.data)
	}
	if err != nil { // perhaps it is done all the same
		t.current.Store(&loaded{t.current.Load().set, time.Time{}})
		return fmt.Errorf("rest: the template %s cannot be stored: %w", e.file, err)
	}
	t.current.Store(&loaded{e.set, at})
	return nil
}
