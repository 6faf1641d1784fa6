package rest

import (
	"cmp"
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/mytoken-go/sdk/mytoken/internal/wire"
)

// HealthOptions configures [HealthHandler].
type HealthOptions struct {
	// Database returns an error if the store cannot write. It is required. Use the method
	// Ping of a sqlstore.Store: a database that is read-only or full still answers the
	// method PingContext of a *sql.DB.
	Database func(context.Context) error
	// Reachable returns an error if the service cannot be reached from outside. Nil means
	// that it can.
	Reachable func(context.Context) error
	// Draining reports whether the service is about to end and still answers. The status
	// is then 503, so that load balancers choose another server before it is gone. Nil
	// means that it is not.
	Draining func() bool
	// Version is the version of the software. Empty means as for [Options.Version].
	Version string
	// Timeout bounds all checks together. 0 means 3 s.
	Timeout time.Duration
	// Clock tells the time. Nil means time.Now.
	Clock func() time.Time
}

// health is the document of protocol section 5.22.
type health struct {
	// Healthy says that all components work, Operational that requests can be answered.
	Healthy     bool       `json:"healthy"`
	Operational bool       `json:"operational"`
	Components  components `json:"components"`
	Version     string     `json:"version"`
	Timestamp   int64      `json:"timestamp"` // Unix seconds
}

// components are the parts of a service. It has no cache that could be down.
type components struct {
	ServerUp        bool `json:"server_up"`
	ServerReachable bool `json:"server_reachable"`
	DatabaseUp      bool `json:"database_up"`
	CacheUp         bool `json:"cache_up"`
}

// HealthHandler returns a handler that reports as JSON whether a service works (protocol
// section 5.22). Its status is 503 if the database does not work or if the service is
// about to end, else 200. Serve it on a separate port for operators: it calls Database
// for each request. HealthHandler returns [ErrOptions] if Database is nil.
func HealthHandler(opts HealthOptions) (http.Handler, error) {
	if opts.Database == nil {
		return nil, badOption("HealthOptions.Database is missing")
	}
	opts.Timeout = cmp.Or(opts.Timeout, 3*time.Second)
	opts.Version = cmp.Or(opts.Version, defaultVersion)
	if opts.Clock == nil {
		opts.Clock = time.Now
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), opts.Timeout)
		defer cancel()
		h := health{Version: opts.Version, Timestamp: opts.Clock().Unix(), Components: components{
			ServerUp: opts.Draining == nil || !opts.Draining(), CacheUp: true, DatabaseUp: opts.Database(ctx) == nil, ServerReachable: opts.Reachable == nil || opts.Reachable(ctx) == nil,
		}}
		h.Operational = h.Components.DatabaseUp && h.Components.ServerUp
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
