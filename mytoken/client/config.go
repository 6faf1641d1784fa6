package client

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/internal/redact"
)

// Secret holds a mytoken, an access token or a code. It redacts itself wherever it
// is printed, logged or encoded; its method Reveal is the only way to the string.
// It is the same type as mytoken.Secret.
type Secret = redact.Secret

// NewSecret wraps s.
func NewSecret(s string) Secret { return redact.New(s) }

// Config says which server a [Client] talks to, and how.
type Config struct {
	// Issuer is the URL of the mytoken server. Required.
	Issuer string
	// HTTPClient sends the requests; nil: one of the client's own. Its
	// transport is used as it is, its cookie jar is not, and redirects are
	// never followed.
	HTTPClient *http.Client
	// Clock tells the time and waits; nil: the system's.
	Clock Clock
	// Timeout bounds each request, answer included; 0: 20 s.
	Timeout time.Duration
	// Attempts is how often a request is sent in all, where the protocol
	// makes repeating it safe; 0: 4.
	Attempts int
	// MetadataLife is how long the discovery document is kept; 0: one hour.
	MetadataLife time.Duration
	// MaxAnswer bounds the body of an answer, in bytes; 0: 4 MiB.
	MaxAnswer int64
	// UserAgent is shown in the history of a token; empty: "mytoken-go".
	UserAgent string
	// InsecurePlainHTTP allows URLs with the scheme http for hosts other than
	// this one: whoever is on the way reads the tokens.
	InsecurePlainHTTP bool
}

const (
	defaultTimeout      = 20 * time.Second
	defaultAttempts     = 4
	defaultMetadataLife = time.Hour
	defaultMaxAnswer    = 4 << 20
	defaultUserAgent    = "mytoken-go"
)

// Client talks to one mytoken server. It keeps the discovery document and nothing
// else: each method takes the token that it uses, and returns the token's successor
// if the server rotated it; a [Holder] does that bookkeeping. A Client is safe for
// concurrent use, and needs no closing.
type Client struct {
	cfg      Config
	http     http.Client
	metadata *metadataCache
	// finish says that a request that was sent is waited for although its
	// context ends.
	finish bool
}

// New returns a client. It sends nothing. An error says what is wrong with the
// configuration.
func New(cfg Config) (*Client, error) {
	cfg.Issuer = strings.TrimRight(cfg.Issuer, "/")
	if cfg.Issuer == "" {
		return nil, errors.New("client: no issuer")
	}
	if cfg.Timeout < 0 || cfg.Attempts < 0 || cfg.MetadataLife < 0 || cfg.MaxAnswer < 0 {
		return nil, errors.New("client: a limit is negative")
	}
	cfg.Timeout = orElse(cfg.Timeout, defaultTimeout)
	cfg.Attempts = orElse(cfg.Attempts, defaultAttempts)
	cfg.MetadataLife = orElse(cfg.MetadataLife, defaultMetadataLife)
	cfg.MaxAnswer = orElse(cfg.MaxAnswer, defaultMaxAnswer)
	cfg.UserAgent = orElse(cfg.UserAgent, defaultUserAgent)
	if cfg.Clock == nil {
		cfg.Clock = systemClock{}
	}
	c := &Client{cfg: cfg, metadata: newMetadataCache()}
	if err := c.checkURL(cfg.Issuer); err != nil {
		return nil, fmt.Errorf("client: issuer: %w", err)
	}
	if cfg.HTTPClient != nil {
		c.http = *cfg.HTTPClient
	} else if t, ok := http.DefaultTransport.(*http.Transport); ok {
		c.http.Transport = t.Clone()
	}
	c.http.Jar = nil // the server sets rotated tokens as cookies
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c, nil
}

func orElse[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}

// finishing returns a client whose requests, once sent, are waited for although
// their context ends: the answer may carry the only copy of a token.
func (c *Client) finishing() *Client {
	d := *c
	d.finish = true
	return &d
}

// Issuer returns the URL of the server, without a slash at its end.
func (c *Client) Issuer() string { return c.cfg.Issuer }

func (c *Client) now() time.Time { return c.cfg.Clock.Now() }

// checkURL refuses what tokens must not be sent to.
func (c *Client) checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil {
		return errors.New("not a URL")
	}
	switch {
	case u.Hostname() == "" || u.User != nil || u.Fragment != "":
		return errors.New("not an absolute URL without user and fragment")
	case u.Scheme == "https":
		return nil
	case u.Scheme != "http":
		return errors.New("neither https nor http")
	case c.cfg.InsecurePlainHTTP || isLoopback(u.Hostname()):
		return nil
	}
	return ErrPlainHTTP
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
