package oidcupstream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/mytoken-go/sdk/internal/rescue"
)

// newTransport returns the transport that Config.HTTPClient describes.
func newTransport(timeout time.Duration) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: timeout, KeepAlive: 15 * time.Second}).DialContext,
		Protocols:              protocols,
		TLSHandshakeTimeout:    timeout,
		ResponseHeaderTimeout:  timeout,
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConns:           256,
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        30 * time.Second,
	}
}

func withoutRedirects(c *http.Client) *http.Client {
	return &http.Client{
		Transport:     &calmTransport{c.Transport},
		Timeout:       c.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// pausing returns the client for documents that a pause keeps back.
func (p *Provider) pausing(pause *pause) *http.Client {
	client := *p.meta
	client.Transport = &pausingTransport{base: client.Transport, pause: pause, clock: p.cfg.Clock}
	return &client
}

// pausingTransport keeps requests for documents of the provider back during a pause, and
// begins a pause if an answer asks for one.
type pausingTransport struct {
	base  http.RoundTripper
	pause *pause
	clock func() time.Time
}

func (t *pausingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if t.pause.left(t.clock()) > 0 {
		return nil, ErrThrottled
	}
	resp, err := t.base.RoundTrip(r)
	if err == nil {
		t.pause.observe(resp.StatusCode, resp.Header, t.clock())
	}
	return resp, err
}

// errTooLarge reports a response body above Config.MaxResponseBytes.
var errTooLarge = errors.New("the answer is larger than MaxResponseBytes")

// limitTransport bounds the bodies of all responses, for libraries that read them to the
// end.
type limitTransport struct {
	base http.RoundTripper
	max  int64
}

func (t *limitTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = &limitBody{ReadCloser: resp.Body, left: t.max}
	return resp, nil
}

// calmTransport makes an error of a panic, also while a response is read. Some requests
// run on goroutines on which nobody else would recover.
type calmTransport struct{ base http.RoundTripper }

func (t *calmTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	base := t.base
	if base == nil {
		base = http.DefaultTransport
	}
	return calm(r.Context(), func() (*http.Response, error) {
		resp, err := base.RoundTrip(r)
		if err == nil {
			resp.Body = &calmBody{resp.Body, r.Context()}
		}
		return resp, err
	})
}

// calmBody is the body of such a response.
type calmBody struct {
	io.ReadCloser
	ctx context.Context
}

func (b *calmBody) Read(buf []byte) (int, error) {
	return calm(b.ctx, func() (int, error) { return b.ReadCloser.Read(buf) })
}

func calm[T any](ctx context.Context, f func() (T, error)) (T, error) {
	v, err := rescue.Call(f)
	rescue.Log(ctx, slog.Default(), "the HTTP client of a provider", err)
	return v, err
}

// expectedBody bounds how much room readBody makes for a response before it arrives.
const expectedBody = 64 << 10

// readBody reads a response to its end, or as far as it arrives. It returns errTooLarge if
// there are more than most bytes.
func readBody(resp *http.Response, most int64) ([]byte, error) {
	var b bytes.Buffer
	if n := min(resp.ContentLength, most, expectedBody); n > 0 {
		b.Grow(int(n) + bytes.MinRead)
	}
	_, err := b.ReadFrom(&limitBody{ReadCloser: resp.Body, left: most})
	return b.Bytes(), err
}

type limitBody struct {
	io.ReadCloser
	left int64
}

func (b *limitBody) Read(buf []byte) (int, error) {
	if b.left < 0 {
		return 0, errTooLarge
	}
	if int64(len(buf)) > b.left+1 {
		buf = buf[:b.left+1]
	}
	n, err := b.ReadCloser.Read(buf)
	b.left -= int64(n)
	if b.left < 0 {
		return n, errTooLarge
	}
	return n, err
}
