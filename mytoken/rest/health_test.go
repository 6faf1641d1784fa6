package rest_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken/rest"
)

// TestHealth: the answer names the part that is down, and nothing of its error.
func TestHealth(t *testing.T) {
	var database, reachable error
	var draining bool
	h, err := rest.HealthHandler(rest.HealthOptions{
		Database:  func(context.Context) error { return database },
		Reachable: func(context.Context) error { return reachable },
		Draining:  func() bool { return draining },
		Version:   "1.2.3", Clock: func() time.Time { return time.Unix(7, 0) },
	})
	require.NoError(t, err)
	down := errors.New("password=hunter2")
	for _, c := range []struct {
		database, reachable error
		status              int
		want                string
	}{
		{nil, nil, 200, `{"healthy":true,"operational":true,"components":{"server_up":true,"server_reachable":true,"database_up":true,"cache_up":true},"version":"1.2.3","timestamp":7}`},
		{nil, down, 200, `{"healthy":false,"operational":true,"components":{"server_up":true,"server_reachable":false,"database_up":true,"cache_up":true},"version":"1.2.3","timestamp":7}`},
		{down, nil, 503, `{"healthy":false,"operational":false,"components":{"server_up":true,"server_reachable":true,"database_up":false,"cache_up":true},"version":"1.2.3","timestamp":7}`},
	} {
		database, reachable = c.database, c.reachable
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		assert.Equal(t, c.status, w.Code)
		assert.Equal(t, c.want, w.Body.String())
	}
	database, reachable, draining = nil, nil, true
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	assert.Equal(t, 503, w.Code)
	assert.Equal(t, `{"healthy":false,"operational":false,"components":{"server_up":false,"server_reachable":true,"database_up":true,"cache_up":true},"version":"1.2.3","timestamp":7}`, w.Body.String())
	_, err = rest.HealthHandler(rest.HealthOptions{})
	assert.ErrorIs(t, err, rest.ErrOptions)
}
