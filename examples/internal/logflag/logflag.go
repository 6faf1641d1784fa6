// Package logflag has the flags of a program that choose what its log shows, and how.
package logflag

import (
	"errors"
	"flag"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
)

// Log is what the flags chose. Its zero value is their default: lines of text, from the
// level Info up.
type Log struct {
	level slog.Level
	json  bool
}

var levels = map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}

// AddTo adds the flags -log-level and -log-format. Another value than those that their
// help names is an error of the command line.
func (l *Log) AddTo(flags *flag.FlagSet) {
	flags.Func("log-level", "least `level` of the log's lines: debug (each request), info (logins, and requests that failed), warn or error (default info)", oneOf(&l.level, levels))
	flags.Func("log-format", "`format` of the log: text or json (default text)", oneOf(&l.json, map[string]bool{"text": false, "json": true}))
}

// Logger returns a logger that writes to w.
func (l *Log) Logger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: l.level}
	if l.json {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// oneOf returns the setter of a flag whose value is one of these names.
func oneOf[T any](to *T, choices map[string]T) func(string) error {
	return func(name string) error {
		chosen, known := choices[name]
		if !known {
			return errors.New("want one of " + strings.Join(slices.Sorted(maps.Keys(choices)), ", "))
		}
		*to = chosen
		return nil
	}
}
