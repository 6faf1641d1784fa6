package oidcupstream

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mytoken-go/sdk/internal/clip"
	"github.com/mytoken-go/sdk/internal/fresh"
)

const (
	// maxPause bounds every pause, whatever the provider asks for.
	maxPause = 5 * time.Minute
	// firstPause is the first pause after a 429 that names none. Each further one is
	// twice as long.
	firstPause = 2 * time.Second
	// leastPause is the pause after a 5xx whose Retry-After is over already. Without one,
	// nobody would learn that the request may come again.
	leastPause = time.Second
)

// pause keeps requests back while a provider wants to be left alone. It is safe for
// concurrent use. The zero value is no pause.
type pause struct {
	mu     sync.Mutex
	from   time.Time
	length time.Duration
	grown  time.Duration // the last pause whose length the provider left open
}

// left returns how long the pause still lasts, or 0. A clock that was set back ends it.
func (p *pause) left(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.remaining(now)
}

func (p *pause) remaining(now time.Time) time.Duration {
	passed, known := fresh.Age(p.from, now)
	if !known {
		return 0
	}
	return max(p.length-passed, 0)
}

// observe begins or prolongs a pause if an answer asks for one: with 429, or with 5xx and
// Retry-After. It returns how long to wait, which is 0 if the answer does not say. Any
// other answer ends the growth of pauses.
func (p *pause) observe(status int, h http.Header, now time.Time) time.Duration {
	asked, stated := retryAfter(h, now)
	p.mu.Lock()
	defer p.mu.Unlock()
	left := p.remaining(now)
	switch {
	case status == http.StatusTooManyRequests:
		if asked == 0 {
			asked = rateLimitReset(h, now)
		}
		if asked == 0 && left > 0 { // answers to requests that were sent before the pause began
			asked = left
		} else if asked == 0 {
			p.grown = min(max(2*p.grown, firstPause), maxPause)
			asked = p.grown
		}
	case status < 500:
		if left == 0 {
			p.grown = 0
		}
		return asked
	case !stated:
		return 0
	default:
		asked = max(asked, leastPause)
	}
	if left == 0 || asked > left {
		p.from, p.length = now, asked
	}
	return p.remaining(now)
}

// pausedError is the error of a call that sends nothing during a pause.
func pausedError(op string, left time.Duration) *Error {
	e := notSent(op, ErrThrottled)
	e.RetryAfter = left
	return e
}

// notProcessed returns the reason if an answer shows that nobody processed the request,
// and otherwise nil: 429, 503 with Retry-After, and redirects, because the package does
// not follow them.
func notProcessed(resp *http.Response, now time.Time, secrets []string) error {
	switch _, stated := retryAfter(resp.Header, now); {
	case resp.StatusCode == http.StatusTooManyRequests, resp.StatusCode == http.StatusServiceUnavailable && stated:
		return ErrThrottled
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		host := "no host" // of its address; the rest may hold a session
		if place, err := url.Parse(resp.Header.Get("Location")); err == nil && place.Host != "" {
			host = printable(place.Host, maxCode, secrets)
		}
		return fmt.Errorf("%w: a redirect to %s, which is not followed", ErrAnswer, host)
	}
	return nil
}

// retryAfter reads the header Retry-After: seconds or a date (RFC 9110 section 10.2.3).
// Some servers write a fraction of seconds, which it rounds up. The result is at most
// maxPause, and 0 for a time that has passed. stated is false if the header is missing or
// has no such value.
func retryAfter(h http.Header, now time.Time) (d time.Duration, stated bool) {
	value := strings.TrimSpace(h.Get("Retry-After"))
	whole, fraction, _ := strings.Cut(value, ".")
	if seconds, ok := digits(whole); ok && strings.Trim(fraction, "0123456789") == "" {
		if strings.Trim(fraction, "0") != "" {
			seconds++
		}
		return min(time.Duration(seconds)*time.Second, maxPause), true
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(at.Sub(now), 0), maxPause), true
	}
	return 0, false
}

// resetHeaders are those in which Okta, Auth0 and GitLab say when a limit ends.
var resetHeaders = []string{"X-Rate-Limit-Reset", "X-RateLimit-Reset", "RateLimit-Reset"}

// leastInstant is the least number in such a header that is an instant, in Unix seconds. A
// smaller one is how many seconds are left.
const leastInstant = 1_000_000_000

// rateLimitReset returns how long a limit lasts, or 0 if the headers do not say.
func rateLimitReset(h http.Header, now time.Time) time.Duration {
	for _, name := range resetHeaders {
		seconds, err := strconv.ParseInt(strings.TrimSpace(h.Get(name)), 10, 64)
		if err == nil && seconds >= leastInstant {
			seconds -= now.Unix()
		}
		if err == nil && seconds > 0 {
			return time.Duration(min(seconds, int64(maxPause/time.Second))) * time.Second
		}
	}
	return 0
}

// digits reads a number without sign. It cuts what exceeds the seconds of maxPause.
func digits(text string) (n int64, ok bool) {
	if text == "" || strings.ContainsFunc(text, func(r rune) bool { return r < '0' || r > '9' }) {
		return 0, false
	}
	const most = int64(maxPause / time.Second)
	n, err := strconv.ParseInt(clip.Bytes(strings.TrimLeft(text, "0"), 18), 10, 64)
	if err != nil { // only zeros
		return 0, true
	}
	return min(n, most), true
}
