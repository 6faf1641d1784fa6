package logflag_test

import (
	"bytes"
	"context"
	"flag"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/examples/internal/logflag"
)

// lines returns what a program with these flags logs, or the error of its command line.
func lines(args ...string) (string, error) {
	var l logflag.Log
	flags := flag.NewFlagSet("program", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	l.AddTo(flags)
	if err := flags.Parse(args); err != nil {
		return "", err
	}
	var out bytes.Buffer
	logger := l.Logger(&out)
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		logger.Log(context.Background(), level, "said", "at", level.String())
	}
	return out.String(), nil
}

func TestLevels(t *testing.T) {
	for level, want := range map[string]int{"debug": 4, "info": 3, "warn": 2, "error": 1} {
		text, err := lines("-log-level", level)
		require.NoError(t, err)
		require.Equal(t, want, strings.Count(text, "\n"), level)
		require.Contains(t, text, "level=ERROR msg=said at=ERROR\n")
	}
	text, err := lines()
	require.NoError(t, err)
	require.Equal(t, 3, strings.Count(text, "msg=said"), "the default is info, as text")
}

func TestFormats(t *testing.T) {
	text, err := lines("-log-format", "json", "-log-level", "error")
	require.NoError(t, err)
	require.Regexp(t, `^\{"time":"[^"]+","level":"ERROR","msg":"said","at":"ERROR"\}\n$`, text)
	text, err = lines("-log-format", "text", "-log-level", "error")
	require.NoError(t, err)
	require.Regexp(t, `^time=\S+ level=ERROR msg=said at=ERROR\n$`, text)
}

// An unknown value is no other one: a program that logs less than it was told to would
// keep silent about it.
func TestUnknownValues(t *testing.T) {
	for flag, values := range map[string][]string{
		"-log-level":  {"", "INFO", "trace", "info+1", "0"},
		"-log-format": {"", "JSON", "xml"},
	} {
		for _, value := range values {
			_, err := lines(flag + "=" + value)
			require.ErrorContains(t, err, "invalid value", value)
			require.ErrorContains(t, err, map[string]string{
				"-log-level": "want one of debug, error, info, warn", "-log-format": "want one of json, text",
			}[flag])
		}
	}
}
