package rest

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/mytoken-go/sdk/internal/durable"
)

// WritableTemplates is a source of profiles and templates that can be changed while the
// service runs; see [Options.Templates]. Names are paths as package fs defines them. Its
// methods must be safe for concurrent use, also by other processes. A reader must see a
// file as it was before a change or after it, never a part. Changes must survive a crash.
type WritableTemplates interface {
	fs.FS
	// WriteFile replaces a file, or creates it, and the folders that it needs.
	WriteFile(ctx context.Context, name string, data []byte) error
	// RemoveFile removes a file. A missing file is no error.
	RemoveFile(ctx context.Context, name string) error
}

// TemplateDir returns the files of a directory as [WritableTemplates]. It creates the
// directory if that does not exist yet. Several processes may share it. Files that it
// writes are for the user of the process alone (mode 0600). Names never lead out of the
// directory, and neither do symbolic links.
//
// Errors are those of the file system.
func TemplateDir(path string) (WritableTemplates, error) {
	path, err := filepath.Abs(path)
	if err == nil {
		_, err = durable.OpenDir(path)
	}
	if err != nil {
		return nil, err
	}
	return templateDir(path), nil
}

// templateDir is the path of a directory. Each use opens it anew, because somebody may
// replace it as a whole.
type templateDir string

func (d templateDir) Open(name string) (fs.File, error) {
	root, err := os.OpenRoot(string(d))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return root.FS().Open(name)
}

func (d templateDir) WriteFile(ctx context.Context, name string, data []byte) error {
	err := d.within(ctx, func(root *os.Root) error { return durable.WriteBelow(root, name, data) })
	if err == nil { // files that killed writers left behind
		durable.Sweep(filepath.Join(string(d), filepath.FromSlash(name)), time.Now())
	}
	return err
}

func (d templateDir) RemoveFile(ctx context.Context, name string) error {
	return d.within(ctx, func(root *os.Root) error { return durable.RemoveBelow(root, name) })
}

func (d templateDir) within(ctx context.Context, do func(*os.Root) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	root, err := os.OpenRoot(string(d))
	if err != nil {
		return err
	}
	return errors.Join(do(root), root.Close())
}
