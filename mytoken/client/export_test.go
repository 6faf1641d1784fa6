package client

import (
	"net/http"

	"github.com/mytoken-go/sdk/internal/livehttp"
)

// UseTransport makes a client use the settings of base as its own, and change what comes
// of them.
func (c *Client) UseTransport(base *http.Transport, change func(livehttp.Transport)) {
	c.useTransport(base)
	for _, rt := range []http.RoundTripper{c.http.Transport, c.alone.Transport} {
		change(rt.(livehttp.Transport))
	}
}
