package rest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// TestProviderWarnings: a log of warnings tells why a provider fails, once in a minute
// for each cause.
func TestProviderWarnings(t *testing.T) {
	dead := deadPort(t)
	s := start(t, trustsTheApp, func(o *setup) {
		o.Upstream = func(up *oidcupstream.Config) { up.Issuer = dead }
	})
	levels := func() (all []any) {
		for _, line := range s.Log.lines(t) {
			all = append(all, line["level"])
		}
		return all
	}
	for range 3 {
		s.object(s.startsLogin(), 503)
	}
	assert.Equal(t, []any{"WARN", "INFO", "INFO"}, levels())
	s.Clock.Advance(time.Minute)
	s.object(s.startsLogin(), 503)
	assert.Equal(t, []any{"WARN", "INFO", "INFO", "WARN"}, levels())

	s = start(t, func(o *setup) {
		o.Provider.Decide = func(optest.AuthorizationRequest) optest.Decision { return optest.Decision{Error: "access_denied"} }
	})
	s.tokenAs("alice", nil)
	assert.NotContains(t, levels(), "WARN", "the user declined")
}
