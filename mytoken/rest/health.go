package rest

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/mytoken-go/sdk/mytoken/internal/wire"
)

// HealthOptions configures a [HealthHandler].
type HealthOptions struct {
	// Database says whether the store works; required. A (*sql.DB).PingContext
	// fits.
	Database func(context.Context) error
	// Reachable says whether the service can be reached from outside; nil: it is
	// taken to be.
	Reachable func(context.Context) error
	// Version is what is said about the software; empty: as in Options.
	Version string
	// Timeout bounds all checks together; 0: 3 s.
	Timeout time.Duration
	// Clock tells the time; nil: time.Now.
	Clock func() time.Time
}

// Health is what a [HealthHandler] answers (protocol section 5.22).
type Health struct {
	// Healthy says that all components work, Operational that requests can be
	// answered.
	Healthy     bool             `json:"healthy"`
	Operational bool             `json:"operational"`
	Components  HealthComponents `json:"components"`
	Version     string           `json:"version"`
	Timestamp   int64            `json:"timestamp"` // Unix seconds
}

// HealthComponents are the parts of a service. There is no cache that could be
// down.
type HealthComponents struct {
	ServerUp        bool `json:"server_up"`
	ServerReachable bool `json:"server_reachable"`
	DatabaseUp      bool `json:"database_up"`
	CacheUp         bool `json:"cache_up"`
}

// HealthHandler answers whether a service works: 200, or 503 if it does not. It is
// meant for a port of its own, because it tells strangers more than they have to
// know and asks the database each time. Errors: ErrOptions.
func HealthHandler(opts HealthOptions) (http.Handler, error) {
	if opts.Database == nil {
		return nil, badOption("HealthOptions: Database is missing")
	}
	setDefault(&opts.Timeout, 3*time.Second)
	setDefault(&opts.Version, defaultVersion)
	if opts.Clock == nil {
		opts.Clock = time.Now
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), opts.Timeout)
		defer cancel()
		h := Health{Version: opts.Version, Timestamp: opts.Clock().Unix(), Components: HealthComponents{
			ServerUp: true, CacheUp: true, DatabaseUp: opts.Database(ctx) == nil, ServerReachable: opts.Reachable == nil || opts.Reachable(ctx) == nil,
		}}
		h.Operational = h.Components.DatabaseUp
		h.Healthy = h.Operational && h.Components.ServerReachable
		status := http.StatusOK
		if !h.Operational {
			status = http.StatusServiceUnavailable
		}
		body, err := wire.Marshal(h)
		if err != nil {
			status, body = http.StatusInternalServerError, []byte(`{}`)
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(status)
		_, _ = w.Write(body)
	}), nil
}
