// Package livehttp makes HTTP transports for clients whose paths to a server can die
// without a word: another network, a NAT that forgets, a laptop that was asleep. The
// system goes on trusting such a connection for up to 15 minutes.
package livehttp

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"time"
)

const (
	// Idle is how long a connection may be idle and still get another request. The limit
	// holds by the wall clock, so it also ends connections from before a suspension.
	Idle = 5 * time.Second
	// SendPing is how long an HTTP/2 connection may be silent before it gets a ping, also
	// while it carries requests. AwaitPing is how long the answer may take. The
	// connection is closed otherwise, and all its requests fail.
	SendPing  = 5 * time.Second
	AwaitPing = 5 * time.Second
)

// Transport is a transport that notices when the path has died. A request that fails
// closes all idle connections, because they probably used the same path. A request that
// its caller canceled says nothing about the path.
type Transport struct{ *http.Transport }

// RoundTrip implements [http.RoundTripper].
func (t Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.Transport.RoundTrip(r)
	if err != nil && !errors.Is(err, context.Canceled) {
		t.CloseIdleConnections()
	}
	return resp, err
}

// New returns a transport with the settings of base, and with the limits of this package.
// It reuses connections that were in use a moment ago. So a request can still meet a dead
// path, and fails after SendPing + AwaitPing with HTTP/2. Use it for requests that may be
// repeated.
func New(base *http.Transport) Transport {
	t := base.Clone()
	t.IdleConnTimeout = Idle
	if t.HTTP2 == nil {
		t.HTTP2 = new(http.HTTP2Config)
	}
	t.HTTP2.SendPingTimeout, t.HTTP2.PingTimeout, t.HTTP2.WriteByteTimeout = SendPing, AwaitPing, SendPing+AwaitPing
	return Transport{t}
}

// Alone returns a transport that opens a connection for each request and closes it
// afterwards. The handshake proves that the path works, and if it fails, the request was
// certainly not sent. Later connections to a server resume its TLS session. Use the
// transport for requests that are rare, or must not be repeated.
func Alone(base *http.Transport) Transport {
	t := New(base)
	t.DisableKeepAlives = true
	if t.TLSClientConfig == nil {
		t.TLSClientConfig = new(tls.Config)
	}
	if t.TLSClientConfig.ClientSessionCache == nil {
		t.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	}
	return t
}

// Client returns a client with the transport of [Alone], and with the settings of
// [Default].
func Client() *http.Client {
	base := Default()
	if base == nil {
		return new(http.Client)
	}
	return &http.Client{Transport: Alone(base)}
}

// Default returns the default transport of net/http, which a program may have changed. It
// is nil if the program has put something else in its place.
func Default() *http.Transport {
	t, _ := http.DefaultTransport.(*http.Transport)
	return t
}
