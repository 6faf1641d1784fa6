package jws

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/fresh/freshtest"
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
			newer, err = s.Newer(t.Context(), first)
			require.NoError(t, err)
		}
		got, err := s.Current(t.Context())
		require.NoError(t, err)
		require.NotNil(t, got)
		require.NotSame(t, first, newer)
	}
}

// strict is a network that has keys of one media type, and nothing for others.
type strict string

func (s strict) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.Contains(r.Header.Get("Accept"), string(s)) {
		return (&answers{http.StatusNotAcceptable}).RoundTrip(r)
	}
	return (&answers{http.StatusOK}).RoundTrip(r)
}

// A server may insist on the media type of RFC 7517, or on that of all JSON.
func TestSourceAccepts(t *testing.T) {
	for _, mediaType := range []strict{"application/json", "application/jwk-set+json"} {
		_, err := sourceOf(mediaType, time.Now, false).Current(t.Context())
		require.NoError(t, err, mediaType)
	}
}

// counting counts requests.
type counting struct {
	http.RoundTripper
	n int
}

func (c *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	c.n++
	return c.RoundTripper.RoundTrip(r)
}

// Keys are as old as the clock says by which more time has passed. After a clock was set
// back, their age is unknown and they are fetched again, and a pause is over.
func TestSourceClockIsSet(t *testing.T) {
	for name, c := range map[string]struct {
		happens func(*freshtest.Clock)
		fetches int
	}{
		"nothing":                        {func(*freshtest.Clock) {}, 1},
		"set back to before":             {func(c *freshtest.Clock) { c.Set(-time.Hour) }, 2},
		"set back, and they are too old": {func(c *freshtest.Clock) { c.Set(-20 * time.Second); c.Pass(50 * time.Second) }, 2},
		"asleep":                         {func(c *freshtest.Clock) { c.Suspend(2 * time.Minute) }, 2},
		"asleep for a moment":            {func(c *freshtest.Clock) { c.Suspend(time.Second) }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			network, clock := &counting{RoundTripper: &answers{http.StatusOK}}, freshtest.NewClock(time.Unix(1e9, 0))
			s := sourceOf(network, clock.Now, false)
			first, err := s.Current(t.Context())
			require.NoError(t, err)
			clock.Pass(30 * time.Second)
			c.happens(clock)
			for range 3 {
				_, err = s.Current(t.Context())
				require.NoError(t, err)
			}
			require.Equal(t, c.fetches, network.n)
			now, err := s.Current(t.Context())
			require.NoError(t, err)
			require.Equal(t, c.fetches == 1, now == first)
		})
	}

	network, clock := &counting{RoundTripper: &answers{http.StatusOK}}, freshtest.NewClock(time.Unix(1e9, 0))
	s := sourceOf(network, clock.Now, false)
	seen, err := s.Current(t.Context())
	require.NoError(t, err)
	newer, err := s.Newer(t.Context(), seen)
	require.NoError(t, err)
	require.Same(t, seen, newer, "the last fetch is too recent")
	clock.Suspend(time.Minute)
	newer, err = s.Newer(t.Context(), seen)
	require.NoError(t, err)
	require.NotSame(t, seen, newer, "the machine was asleep for a minute")
	require.Equal(t, 2, network.n)
}

// torn is a network whose connections end within an answer.
type torn struct{}

func (torn) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF)), Request: r}, nil
}

// The error says why an answer could not be read.
func TestSourceTornAnswer(t *testing.T) {
	_, err := sourceOf(torn{}, time.Now, false).Current(t.Context())
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}
