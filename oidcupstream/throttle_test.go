package oidcupstream_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// scripted is a provider whose endpoints for calls give the answers of a test. It counts
// the requests.
type scripted struct {
	*oidcupstream.Provider
	clock  *clock
	calls  atomic.Int32
	answer func(http.ResponseWriter)
}

func newScripted(t *testing.T, answer func(http.ResponseWriter)) *scripted {
	s := &scripted{clock: newClock(), answer: answer}
	s.Provider = rawProvider(t, func(w http.ResponseWriter, _ *http.Request) {
		s.calls.Add(1)
		s.answer(w)
	}, func(c *oidcupstream.Config) { c.Clock = s.clock.Now })
	return s
}

func (s *scripted) refresh(t *testing.T) error {
	_, err := s.Refresh(t.Context(), oidcupstream.RefreshRequest{RefreshToken: "old"})
	return err
}

// respond returns an answer with pairs of header names and values.
func respond(status int, body string, header ...string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

const (
	granted   = `{"access_token":"a"}`
	oktaLimit = `{"errorCode":"E0000047","errorSummary":"API call exceeded rate limit due to too many requests.","errorCauses":[]}`
	wafPage   = "<!DOCTYPE html><html><head><title>Access denied</title></head><body>Request blocked. Reference #18.2f old-refresh-token</body></html>"
)

// Only an answer that shows that the provider did nothing gives the use back. proves P3,
// P5
func TestNotProcessedAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		answer  func(http.ResponseWriter)
		outcome oidcupstream.Outcome
		wait    time.Duration
	}{
		"429":                           {respond(429, "", "Retry-After", "30"), oidcupstream.NotProcessed, 30 * time.Second},
		"429 of Okta":                   {respond(429, oktaLimit, "X-Rate-Limit-Reset", strconv.FormatInt(newClock().Now().Unix()+40, 10)), oidcupstream.NotProcessed, 40 * time.Second},
		"429 of Auth0":                  {respond(429, `{"error":"too_many_requests"}`, "X-RateLimit-Reset", strconv.FormatInt(newClock().Now().Unix()+50, 10)), oidcupstream.NotProcessed, 50 * time.Second},
		"429 of GitLab":                 {respond(429, "Retry later\n", "RateLimit-Reset", strconv.FormatInt(newClock().Now().Unix()+60, 10)), oidcupstream.NotProcessed, time.Minute},
		"429 with seconds left":         {respond(429, "", "X-RateLimit-Reset", "70"), oidcupstream.NotProcessed, 70 * time.Second},
		"429 with a limit of ages":      {respond(429, "", "X-RateLimit-Reset", "9223372036854775807"), oidcupstream.NotProcessed, 5 * time.Minute},
		"429 with a limit that is over": {respond(429, "", "X-RateLimit-Reset", strconv.FormatInt(newClock().Now().Unix()-1, 10)), oidcupstream.NotProcessed, 2 * time.Second},
		"429 with a negative limit":     {respond(429, "", "X-RateLimit-Reset", "-9223372036854775808"), oidcupstream.NotProcessed, 2 * time.Second},
		"429 without a wait":            {respond(429, oktaLimit), oidcupstream.NotProcessed, 2 * time.Second},
		"429 with an OAuth error":       {respond(429, `{"error":"invalid_grant"}`, "Retry-After", "7"), oidcupstream.NotProcessed, 7 * time.Second},
		"429 with a page":               {respond(429, wafPage, "Content-Type", "text/html"), oidcupstream.NotProcessed, 2 * time.Second},
		"429 cut off":                   {respond(429, "{", "Content-Length", "100"), oidcupstream.NotProcessed, 2 * time.Second},
		"429 with tokens":               {respond(429, `{"access_token":"a","refresh_token":"new"}`), oidcupstream.Unknown, 2 * time.Second},
		"503 with a wait":               {respond(503, wafPage, "Retry-After", "20"), oidcupstream.NotProcessed, 20 * time.Second},
		"503 with no wait":              {respond(503, `{"error":"temporarily_unavailable"}`), oidcupstream.Unknown, 0},
		"503 with nonsense":             {respond(503, "", "Retry-After", "soon"), oidcupstream.Unknown, 0},
		"503 with a fraction":           {respond(503, "", "Retry-After", "19.25"), oidcupstream.NotProcessed, 20 * time.Second},
		"503 with no fraction":          {respond(503, "", "Retry-After", "20.0"), oidcupstream.NotProcessed, 20 * time.Second},
		"503 with less than a second":   {respond(503, "", "Retry-After", "0.065"), oidcupstream.NotProcessed, time.Second},
		"503 with two dots":             {respond(503, "", "Retry-After", "1.2.3"), oidcupstream.Unknown, 0},
		"503 with a negative wait":      {respond(503, "", "Retry-After", "-1.5"), oidcupstream.Unknown, 0},
		"503 with a wait that is over":  {respond(503, "", "Retry-After", "0"), oidcupstream.NotProcessed, time.Second},
		"503 until a time in the past":  {respond(503, "", "Retry-After", newClock().Now().Add(-time.Hour).Format(http.TimeFormat)), oidcupstream.NotProcessed, time.Second},
		"500 with a wait":               {respond(500, "", "Retry-After", "20"), oidcupstream.Unknown, 20 * time.Second},
		"401 of a gateway":              {respond(401, wafPage, "Content-Type", "text/html"), oidcupstream.NotProcessed, 0},
		"401 with nothing":              {respond(401, "", "WWW-Authenticate", `Basic realm="op"`), oidcupstream.NotProcessed, 0},
		"401 with tokens":               {respond(401, granted), oidcupstream.Unknown, 0},
		"401 cut off":                   {respond(401, `{"error":"inv`, "Content-Length", "100"), oidcupstream.Unknown, 0},
		"502":                           {respond(502, wafPage), oidcupstream.Unknown, 0},
		"504":                           {respond(504, ""), oidcupstream.Unknown, 0},
		"408":                           {respond(408, ""), oidcupstream.Unknown, 0},
		"403 of a firewall":             {respond(403, wafPage, "Content-Type", "text/html; charset=utf-8"), oidcupstream.Unknown, 0},
		"200 of a firewall":             {respond(200, wafPage, "Content-Type", "text/html; charset=utf-8"), oidcupstream.Unknown, 0},
		"400 slow_down":                 {respond(400, `{"error":"slow_down"}`), oidcupstream.NotProcessed, 0},
		"400 temporarily_unavailable":   {respond(400, `{"error":"temporarily_unavailable"}`, "Retry-After", "9"), oidcupstream.NotProcessed, 9 * time.Second},
		"300":                           {respond(300, ""), oidcupstream.NotProcessed, 0},
		"301":                           {respond(301, "", "Location", "https://elsewhere.example/login;session=1?session=1"), oidcupstream.NotProcessed, 0},
		"302 with an OAuth error":       {respond(302, `{"error":"invalid_grant"}`, "Location", "/login"), oidcupstream.NotProcessed, 0},
		"303":                           {respond(303, "", "Location", "/login"), oidcupstream.NotProcessed, 0},
		"304":                           {respond(304, ""), oidcupstream.NotProcessed, 0},
		"307":                           {respond(307, "", "Location", "http://[::bad"), oidcupstream.NotProcessed, 0},
		"308 with tokens":               {respond(308, granted), oidcupstream.Unknown, 0},
		"307 without a place":           {respond(307, ""), oidcupstream.NotProcessed, 0},
		"503, tokens and a wait":        {respond(503, `{"refresh_token":"new"}`, "Retry-After", "1"), oidcupstream.Unknown, time.Second},
		"400 with a refusal and tokens": {respond(400, `{"error":"slow_down","refresh_token":"new"}`), oidcupstream.Unknown, 0},
		"400, invalid and a token":      {respond(400, `{"error":"invalid_grant","refresh_token":"new"}`), oidcupstream.Unknown, 0},
		"429, invalid and tokens":       {respond(429, `{"error":"invalid_grant","access_token":"a","refresh_token":"new"}`), oidcupstream.Unknown, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScripted(t, test.answer)
			_, err := s.Refresh(t.Context(), oidcupstream.RefreshRequest{RefreshToken: "old-refresh-token"})
			e := upstreamError(t, err)
			require.Equal(t, test.outcome, e.Outcome, "%v", e)
			require.Equal(t, test.wait, e.RetryAfter)
			require.False(t, e.InvalidGrant())
			require.Less(t, len(e.Error()), 400)
			require.NotContains(t, e.Error(), "old-refresh-token")
			require.NotContains(t, e.Error(), "blocked", "a page is not quoted")
			require.NotContains(t, e.Error(), "session=1")
		})
	}
}

// A page with status 200 is no proof of a revocation.
//
// proves P6
func TestPageInsteadOfRevocation(t *testing.T) {
	s := newScripted(t, respond(200, " \n"+wafPage, "Content-Type", "text/plain"))
	err := s.Revoke(t.Context(), "old-refresh-token")
	require.ErrorIs(t, err, oidcupstream.ErrAnswer)
	require.Equal(t, oidcupstream.Unknown, upstreamError(t, err).Outcome)
	for _, body := range []string{"", "{}", "ok"} {
		s.answer = respond(200, body, "Content-Type", "text/html")
		require.NoError(t, s.Revoke(t.Context(), "r"), body)
	}
}

// While the provider wants to be left alone, no call sends a request.
func TestPause(t *testing.T) {
	s := newScripted(t, respond(429, "", "Retry-After", "60"))
	require.Equal(t, oidcupstream.NotProcessed, upstreamError(t, s.refresh(t)).Outcome)
	s.answer = respond(200, granted)
	s.clock.Advance(20 * time.Second)
	refused := func(err error) {
		t.Helper()
		e := upstreamError(t, err)
		require.Equal(t, oidcupstream.NotSent, e.Outcome)
		require.Equal(t, 40*time.Second, e.RetryAfter)
		require.ErrorIs(t, err, oidcupstream.ErrThrottled)
		require.Zero(t, e.Status)
	}
	refused(s.refresh(t))
	_, err := s.Exchange(t.Context(), oidcupstream.ExchangeRequest{Code: "c", Nonce: testNonce, Verifier: oauth2.GenerateVerifier()})
	refused(err)
	refused(s.Revoke(t.Context(), "r"))
	_, err = s.UserInfo(t.Context(), "a", "s")
	refused(err)
	require.EqualValues(t, 1, s.calls.Load())

	// Calls without a request still work.
	_, err = s.AuthorizationURL(t.Context(), authorization(oauth2.GenerateVerifier()))
	require.NoError(t, err)
	_, err = s.Discover(t.Context())
	require.NoError(t, err)

	s.clock.Advance(40 * time.Second)
	require.NoError(t, s.refresh(t))
	require.EqualValues(t, 2, s.calls.Load())
}

// The pauses that the package chooses itself grow up to five minutes. A success ends
// that.
func TestPauseGrows(t *testing.T) {
	s := newScripted(t, respond(429, oktaLimit))
	wait := 2 * time.Second
	for range 12 {
		require.Equal(t, wait, upstreamError(t, s.refresh(t)).RetryAfter)
		s.clock.Advance(wait)
		wait = min(2*wait, 5*time.Minute)
	}
	s.answer = respond(200, granted)
	require.NoError(t, s.refresh(t))
	s.answer = respond(429, oktaLimit)
	require.Equal(t, 2*time.Second, upstreamError(t, s.refresh(t)).RetryAfter)
}

// Requests that were under way together make one pause, not one that has grown.
func TestPauseOfConcurrentRequests(t *testing.T) {
	const n = 8
	var arrived sync.WaitGroup
	arrived.Add(n)
	s := newScripted(t, func(w http.ResponseWriter) {
		arrived.Done()
		arrived.Wait()
		w.WriteHeader(429)
	})
	_, err := s.Discover(t.Context())
	require.NoError(t, err)
	errs := make(chan error, n)
	for range n {
		go func() { errs <- s.refresh(t) }()
	}
	for range n {
		require.Equal(t, 2*time.Second, upstreamError(t, <-errs).RetryAfter)
	}
	s.clock.Advance(2 * time.Second)
	s.answer = respond(200, granted)
	require.NoError(t, s.refresh(t))
}

// A clock that is set back does not prolong a pause beyond its greatest length.
func TestPauseAndClock(t *testing.T) {
	s := newScripted(t, respond(429, "", "Retry-After", "60"))
	require.Error(t, s.refresh(t))
	s.answer = respond(200, granted)
	s.clock.Advance(-time.Hour)
	require.NoError(t, s.refresh(t))
}

func TestRetryAfter(t *testing.T) {
	now := newClock().Now()
	for value, want := range map[string]time.Duration{
		"":                      2 * time.Second,
		"30":                    30 * time.Second,
		" 30":                   30 * time.Second,
		"0":                     2 * time.Second,
		"-5":                    2 * time.Second,
		"+5":                    2 * time.Second,
		"1.5":                   2 * time.Second,
		"30s":                   2 * time.Second,
		"soon":                  2 * time.Second,
		"301":                   5 * time.Minute,
		"99999999999":           5 * time.Minute,
		strings.Repeat("9", 99): 5 * time.Minute,
		now.Add(90 * time.Second).Format(http.TimeFormat): 90 * time.Second,
		now.Add(90 * time.Second).Format(time.RFC850):     90 * time.Second,
		now.Add(-time.Hour).Format(http.TimeFormat):       2 * time.Second,
		now.Add(1000 * time.Hour).Format(http.TimeFormat): 5 * time.Minute,
	} {
		s := newScripted(t, respond(429, `{"error":"slow_down"}`, "Retry-After", value))
		require.Equal(t, want, upstreamError(t, s.refresh(t)).RetryAfter, value)
	}
}

// A userinfo endpoint often counts the requests of each user. One user must not hold up
// the others.
func TestThrottledUserInfo(t *testing.T) {
	s := newScripted(t, respond(429, "", "Retry-After", "60"))
	_, err := s.UserInfo(t.Context(), "a", "s")
	require.Equal(t, oidcupstream.NotProcessed, upstreamError(t, err).Outcome)
	require.Equal(t, time.Minute, upstreamError(t, err).RetryAfter)
	require.ErrorIs(t, err, oidcupstream.ErrThrottled)
	s.answer = respond(200, granted)
	require.NoError(t, s.refresh(t))
}

// A throttled metadata endpoint is left alone too. It does not hold up calls that have
// the metadata already.
func TestThrottledMetadata(t *testing.T) {
	var fetches atomic.Int32
	throttled := new(atomic.Bool)
	throttled.Store(true)
	clock := newClock()
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		fetches.Add(1)
		if throttled.Load() {
			respond(429, wafPage, "Retry-After", "60")(w)
			return
		}
		fmt.Fprint(w, discoveryDocument(server.URL, server.URL))
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, granted) })
	p, err := oidcupstream.New(oidcupstream.Config{
		Issuer: server.URL, ClientID: "c", Auth: oidcupstream.PublicClient(), RedirectURL: redirectURL, Clock: clock.Now,
	})
	require.NoError(t, err)
	refresh := func() error {
		_, err := p.Refresh(t.Context(), oidcupstream.RefreshRequest{RefreshToken: "r"})
		return err
	}
	for range 3 {
		err := refresh()
		require.ErrorIs(t, err, oidcupstream.ErrMetadata)
		require.Equal(t, oidcupstream.NotSent, upstreamError(t, err).Outcome)
		require.Equal(t, time.Minute, upstreamError(t, err).RetryAfter)
		_, err = p.AuthorizationURL(t.Context(), authorization(oauth2.GenerateVerifier()))
		require.ErrorIs(t, err, oidcupstream.ErrMetadata)
		require.Equal(t, time.Minute, upstreamError(t, err).RetryAfter)
	}
	require.EqualValues(t, 1, fetches.Load())
	clock.Advance(time.Minute)
	throttled.Store(false)
	require.NoError(t, refresh())
	throttled.Store(true)
	clock.Advance(2 * time.Hour)
	require.NoError(t, refresh(), "the metadata is renewed in the background")
	require.Eventually(t, func() bool { return fetches.Load() == 3 }, time.Minute, time.Millisecond)
	require.NoError(t, refresh())
}

// If the provider's keys cannot be had because it throttles, the error says how long to
// wait.
func TestThrottledKeys(t *testing.T) {
	b := newBench(t, optest.Options{})
	first := true
	b.faults.set(func(at optest.FaultPoint) optest.Fault {
		if at.Endpoint == optest.EndpointKeys && first {
			first = false
			return optest.Fault{Throttle: 45 * time.Second}
		}
		return optest.Fault{}
	})
	for range 2 {
		_, err := b.exchange()
		require.ErrorIs(t, err, oidcupstream.ErrIDToken)
		require.Equal(t, 45*time.Second, upstreamError(t, err).RetryAfter)
	}
	b.clock.Advance(45 * time.Second)
	b.login()
}
