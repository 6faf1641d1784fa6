package rest

import (
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/mytoken-go/sdk/internal/errtext"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/mytoken/issuer"
)

// warnings choose the level of log lines about failures of a provider: Warn for a new
// cause, and Info for one that was told in the last minute. So a provider that is away
// does not flood a log of warnings. It is safe for concurrent use.
type warnings struct {
	mu   sync.Mutex
	told map[string]time.Time // when a cause was told
}

// mostCauses is how many causes are remembered.
const mostCauses = 256

// level returns the level for an error.
func (w *warnings) level(err error, now time.Time) slog.Level {
	if !blamesProvider(err) {
		return slog.LevelInfo
	}
	cause := strings.Map(func(r rune) rune { // ports and times make no other cause
		if '0' <= r && r <= '9' {
			return -1
		}
		return r
	}, errtext.ForLog(err))
	w.mu.Lock()
	defer w.mu.Unlock()
	if at, known := w.told[cause]; known {
		if age := now.Sub(at); age >= 0 && age < time.Minute {
			return slog.LevelInfo
		}
	}
	if w.told == nil || len(w.told) >= mostCauses {
		w.told = make(map[string]time.Time)
	}
	w.told[cause] = now
	return slog.LevelWarn
}

// blamesProvider reports whether an operator should look at the provider: it did not do
// its part, and neither the user nor the client can help it.
func blamesProvider(err error) bool {
	if upstream, ok := errors.AsType[*issuer.UpstreamError](err); ok {
		return upstream.Status >= 500
	}
	login, ok := errors.AsType[*issuer.LoginError](err)
	return ok && login.Code != wire.ErrorAccessDenied
}
