package rest

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/mytoken-go/sdk/internal/errtext"
	"github.com/mytoken-go/sdk/internal/rescue"
	"github.com/mytoken-go/sdk/mytoken/internal/requestid"
	"github.com/mytoken-go/sdk/mytoken/issuer"
)

// log writes one line about the request. It shows the pattern of the route, because the
// path may hold a code, and no query.
func (c *call) log(status int, err error, took time.Duration) {
	level := c.level(status, err)
	if !c.opts.Logger.Enabled(c.ctx(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.String(requestid.Attr, c.id), slog.String("method", c.r.Method), slog.String("route", c.route.path),
		slog.Int("status", status), slog.Duration("took", took), slog.String("address", c.client.Address.String()),
	}
	if err != nil {
		attrs = append(attrs, issuer.LogAttrs(err)...)
		attrs = append(attrs, slog.String("error", errtext.ForLog(err)))
	}
	if p, ok := errors.AsType[*rescue.Panic](err); ok {
		attrs = append(attrs, slog.String("panic", fmt.Sprint(p.Value)), slog.String("stack", string(p.Stack)))
	}
	c.opts.Logger.LogAttrs(c.ctx(), level, "mytoken request", attrs...)
}

// level returns the level of the line about the request. Requests that worked are of the
// level Debug; of those to a raw handler, only the status tells. So are those whose error
// was told before: the issuer tells once that the store is away, and the line of the
// request that ends a login tells how it ended.
func (c *call) level(status int, err error) slog.Level {
	_, away := errors.AsType[*issuer.StoreError](err)
	switch {
	case err == nil && c.route.raw != nil && status >= http.StatusInternalServerError:
		return slog.LevelError
	case err == nil && c.route.raw != nil && status >= http.StatusBadRequest:
		return slog.LevelInfo
	case err == nil, away && status == http.StatusServiceUnavailable, isToldBefore(err):
		return slog.LevelDebug
	case status == http.StatusInternalServerError:
		return slog.LevelError
	}
	return c.warnings.level(err, c.issuer.Now())
}

// isToldBefore reports whether the error is the end of a login that another request has
// told, or that has not come yet.
func isToldBefore(err error) bool {
	if f, ok := errors.AsType[*loginFailure](err); ok && f.before {
		return true
	}
	code, ok := errors.AsType[*issuer.CodeError](err)
	return ok && (code.Reason == issuer.CodePending || code.Reason == issuer.CodeDeclined || code.Reason == issuer.CodeFailed)
}

// logRaw writes the line about each request that next answers. If next panics, the line
// says so, and the server breaks the connection off.
func (h *Handler) logRaw(rt *route, next http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c := &call{Handler: h, r: r, id: newRequestID(), route: rt, client: issuer.Client{Address: h.addressOf(r)}}
		seen, started := &statusWriter{ResponseWriter: w}, h.issuer.Now()
		w.Header().Set("X-Request-Id", c.id)
		err := rescue.Do(func() { next.ServeHTTP(seen, r) })
		p, panicked := errors.AsType[*rescue.Panic](err)
		if panicked && p.Value == http.ErrAbortHandler {
			panic(p.Value)
		}
		status := cmp.Or(seen.status, http.StatusOK)
		if panicked {
			status = http.StatusInternalServerError
		}
		c.log(status, err, h.issuer.Now().Sub(started))
		if panicked {
			panic(http.ErrAbortHandler)
		}
	}
}

// statusWriter remembers the status of a response. It is 0 until the header is sent.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if status >= http.StatusOK && w.status == 0 { // not an informational response
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap is for [http.ResponseController].
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
