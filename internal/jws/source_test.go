package jws

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// answers is a network that answers every request with a status.
type answers struct{ status int }

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: a.status, Body: io.NopCloser(strings.NewReader("")), Request: r}, nil
}

// sourceOf returns a source of empty sets.
func sourceOf(network http.RoundTripper, clock func() time.Time, background bool) *Source[Ring] {
	return NewSource(SourceConfig[Ring]{
		URL: "https://op.example.org/jwks", Client: &http.Client{Transport: network}, Clock: clock, Timeout: time.Second,
		MaxAge: time.Minute, MaxStale: time.Hour, Background: background,
		Decode: func([]byte) (*Ring, error) { return new(Ring), nil },
	})
}

// Current returns keys or an error, also if another call fetches newer keys after Current
// has looked at the clock.
func TestSourceOvertaken(t *testing.T) {
	for _, background := range []bool{false, true} {
		var s *Source[Ring]
		now := time.Unix(1e9, 0)
		overtake := func() {}
		s = sourceOf(&answers{http.StatusOK}, func() time.Time {
			looked, other := now, overtake
			overtake = func() {}
			other()
			return looked
		}, background)
		first, err := s.Current(t.Context())
		require.NoError(t, err)

		now = now.Add(2 * time.Minute)
		var newer *Ring
		overtake = func() {
			now = now.Add(time.Second)
			newer = s.Newer(t.Context(), first)
		}
		got, err := s.Current(t.Context())
		require.NoError(t, err)
		require.NotNil(t, got)
		require.NotSame(t, first, newer)
	}
}
