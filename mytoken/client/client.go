package client

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/internal/livehttp"
	"github.com/mytoken-go/sdk/internal/loopback"
	"github.com/mytoken-go/sdk/internal/weburl"
)

// Config says which server a [Client] talks to, and how.
type Config struct {
	// Issuer is the URL of the mytoken server. Required.
	Issuer string
	// HTTPClient sends the requests. The client uses its transport as it is, ignores its
	// cookie jar and never follows redirects. A transport that keeps connections should
	// send pings (http.HTTP2Config.SendPingTimeout): otherwise requests can fail for 15
	// minutes after the network has changed.
	//
	// nil: one of the client's own, with the settings of http.DefaultTransport. It
	// notices dead connections within 10 s. Requests that must not be repeated get a
	// connection of their own. So does each attempt after the first.
	HTTPClient *http.Client
	// Clock tells the time and waits; nil: the system's clock.
	Clock Clock
	// Timeout bounds each request, including reading the answer; 0: 20 s.
	Timeout time.Duration
	// Attempts is how many times the client sends a request in all, where repeating it is
	// safe; 0: 4.
	Attempts int
	// MetadataLife is how long the client keeps the discovery document; 0: one hour.
	MetadataLife time.Duration
	// MaxAnswer bounds the body of an answer, in bytes; 0: 4 MiB.
	MaxAnswer int64
	// UserAgent appears in the history of a token; empty: "mytoken-go".
	UserAgent string
	// InsecurePlainHTTP allows plain HTTP to any host. Everybody on the way can read the
	// tokens then. Without it, plain HTTP goes to loopback addresses only, and only if
	// Issuer has one. The name localhost is none.
	InsecurePlainHTTP bool
}

const (
	defaultTimeout      = 20 * time.Second
	defaultAttempts     = 4
	defaultMetadataLife = time.Hour
	defaultMaxAnswer    = 4 << 20
	defaultUserAgent    = "mytoken-go"
)

// Client talks to one mytoken server. It keeps the discovery document, and no tokens.
// Each method takes the token that it uses, and returns the token's successor if the
// server rotated it. A [Holder] keeps track of successors. A Client is safe for
// concurrent use and needs no closing.
type Client struct {
	cfg  Config
	http http.Client
	// alone sends each request on a connection of its own; nil: Config.HTTPClient sends
	// all requests.
	alone    *http.Client
	metadata *metadataCache
	local    bool // the server has a loopback address
	// finish says that a sent request goes on after its context has ended.
	finish bool
}

// New returns a client. It sends nothing. An error says what is wrong with the
// configuration.
func New(cfg Config) (*Client, error) {
	cfg.Issuer = strings.TrimRight(cfg.Issuer, "/")
	if cfg.Issuer == "" {
		return nil, errors.New("client: Config.Issuer is empty: set it to the URL of the mytoken server")
	}
	if cfg.Timeout < 0 || cfg.Attempts < 0 || cfg.MetadataLife < 0 || cfg.MaxAnswer < 0 {
		return nil, errors.New("client: a limit in Config is negative: use 0 for the default")
	}
	cfg.Timeout = cmp.Or(cfg.Timeout, defaultTimeout)
	cfg.Attempts = cmp.Or(cfg.Attempts, defaultAttempts)
	cfg.MetadataLife = cmp.Or(cfg.MetadataLife, defaultMetadataLife)
	cfg.MaxAnswer = cmp.Or(cfg.MaxAnswer, defaultMaxAnswer)
	cfg.UserAgent = cmp.Or(cfg.UserAgent, defaultUserAgent)
	if cfg.Clock == nil {
		cfg.Clock = systemClock{}
	}
	c := &Client{cfg: cfg, metadata: newMetadataCache()}
	if u, err := url.Parse(cfg.Issuer); err == nil {
		c.local = loopback.Is(u.Hostname())
	}
	if err := c.checkURL(cfg.Issuer); err != nil {
		return nil, fmt.Errorf("client: Config.Issuer: %w", err)
	}
	if strings.Contains(cfg.Issuer, "?") { // the paths of the server would become part of it
		return nil, fmt.Errorf("client: Config.Issuer: %.200q has a query: remove the part from ?", cfg.Issuer)
	}
	if cfg.HTTPClient != nil {
		c.http = *cfg.HTTPClient
	}
	c.http.Jar = nil // the server sets rotated tokens as cookies
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if base := livehttp.Default(); cfg.HTTPClient == nil && base != nil {
		c.useTransport(base)
	}
	return c, nil
}

// useTransport makes two transports of one.
func (c *Client) useTransport(base *http.Transport) {
	shared, alone := livehttp.New(base), c.http
	if most := c.cfg.Timeout / 2; shared.ResponseHeaderTimeout == 0 || shared.ResponseHeaderTimeout > most {
		shared.ResponseHeaderTimeout = most // leaves time for another attempt
	}
	alone.Transport = livehttp.Alone(base)
	c.http.Transport, c.alone = shared, &alone
}

// finishing returns a client whose sent requests go on after their context has ended.
// Their answers may carry the only copy of a token.
func (c *Client) finishing() *Client {
	d := *c
	d.finish = true
	return &d
}

// Issuer returns the URL of the server, without a slash at its end.
func (c *Client) Issuer() string { return c.cfg.Issuer }

func (c *Client) now() time.Time { return c.cfg.Clock.Now() }

// checkURL refuses URLs that must not get tokens. Only a server on a loopback address may
// name plain HTTP on one: a remote server must not lead requests to this machine.
func (c *Client) checkURL(text string) error {
	u, err := weburl.Parse(text)
	switch {
	case err != nil:
		return err
	case u.Scheme == "https":
		return nil
	case u.Scheme != "http":
		return fmt.Errorf("the scheme of %.200q is not https", text)
	case c.cfg.InsecurePlainHTTP || loopback.Is(u.Hostname()) && c.local:
		return nil
	case loopback.Is(u.Hostname()):
		return fmt.Errorf("%.200q leads to this machine, and the server is another one: use https, or Config.InsecurePlainHTTP", text)
	}
	return fmt.Errorf("%.200q: %w", text, ErrPlainHTTP)
}
