package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mytoken-go/sdk/internal/clip"
	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
)

// request is one exchange with the server.
type request struct {
	operation string // for errors
	method    string
	url       string
	body      any            // of package wire; nil: none
	bearer    mytoken.Secret // in the header Authorization; empty: none
	// secrets are in the body or the header. Errors must not show them, even if the server sends them
	// back.
	secrets []mytoken.Secret
	// safe says that sending it twice has the same effect as sending it once.
	safe bool
	// spends says that the request counts as a use. It carries key then. keyed says that
	// the server counts all requests with that key once.
	spends bool
	key    *useKey
	keyed  bool
}

// send sends a request, and repeats it where that is safe. It returns the body of a
// successful answer.
func (c *Client) send(ctx context.Context, r request) ([]byte, error) {
	renewed := false
	for attempt := 1; ; attempt++ {
		body, err := c.once(ctx, r, c.alone != nil && !(r.safe && attempt == 1 && c.cfg.Attempts > 1))
		if err == nil {
			return body, nil
		}
		if r.keyed && !renewed && keyIsOver(err) && ctx.Err() == nil {
			renewed = true
			r.key.renew()
			continue
		}
		wait, again := c.repeatAfter(err, r.safe || r.keyed, attempt)
		if !again || ctx.Err() != nil || endsWithin(ctx, wait) {
			return nil, err
		}
		if sleep(ctx, c.cfg.Clock, wait) != nil {
			return nil, err
		}
	}
}

// once sends a request once. alone gives it a connection of its own.
func (c *Client) once(ctx context.Context, r request, alone bool) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, &NetworkError{Operation: r.operation, Err: err}
	}
	if c.finish {
		ctx = context.WithoutCancel(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	hc, connected := &c.http, true // in doubt
	if alone {
		hc, connected = c.alone, false
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected = true }})
	}
	req, err := c.newRequest(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("client: %s: %w", r.operation, err)
	}
	resp, err := hc.Do(req)
	if err != nil {
		return nil, newNetworkError(r.operation, connected, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, c.cfg.MaxAnswer+1))
	switch {
	case resp.StatusCode >= http.StatusBadRequest:
		return nil, c.readError(r, resp, body)
	case err != nil:
		return nil, &NetworkError{Operation: r.operation, Sent: true, Err: err}
	case int64(len(body)) > c.cfg.MaxAnswer:
		return nil, &AnswerError{Operation: r.operation, Reason: fmt.Sprintf("the answer has more than %d bytes: raise Config.MaxAnswer", c.cfg.MaxAnswer)}
	case resp.StatusCode >= http.StatusMultipleChoices:
		return nil, &AnswerError{
			Operation: r.operation, Reason: fmt.Sprintf("the server answered with the redirect %d: the client follows none", resp.StatusCode),
		}
	}
	return body, nil
}

func (c *Client) newRequest(ctx context.Context, r request) (*http.Request, error) {
	var body io.Reader
	if r.body != nil {
		text, err := wire.Marshal(r.body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, r.url, body)
	if err != nil {
		return nil, errors.New("the server's URL for this is malformed")
	}
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if !r.bearer.IsEmpty() {
		req.Header.Set("Authorization", "Bearer "+r.bearer.Reveal())
	}
	if r.key != nil {
		req.Header.Set(wire.HeaderIdempotencyKey, r.key.header())
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.cfg.UserAgent)
	return req, nil
}

// readError reads an answer with an error. Some servers send something other than JSON
// (protocol section 10, D77, D89).
func (c *Client) readError(r request, resp *http.Response, body []byte) *Error {
	e := &Error{
		Operation: r.operation, Status: resp.StatusCode, RequestID: foreign(resp.Header.Get("X-Request-Id"), 64, r.secrets),
		RetryAfter: retryAfter(resp.Header, c.now()),
	}
	var text struct { // wire.Error, but a malformed explanation leaves the rest readable
		Code        string         `json:"error"`
		Description string         `json:"error_description"`
		Explanation jsontext.Value `json:"mytoken_explanation"`
	}
	if int64(len(body)) <= c.cfg.MaxAnswer && wire.Unmarshal(body, &text) == nil {
		e.Code, e.Description = foreign(text.Code, 64, r.secrets), foreign(text.Description, 512, r.secrets)
		var told *wire.Explanation
		if len(text.Explanation) > 0 && wire.Unmarshal(text.Explanation, &told) == nil {
			e.Explanation = readExplanation(told, r.secrets...)
		}
	}
	return e
}

// foreign makes a text of the server fit for logs and terminals. It removes control and
// format characters, and secrets that the server copied. It keeps at most the given
// number of bytes.
func foreign(text string, most int, secrets []mytoken.Secret) string {
	text = legible.Replace(text, "")
	for _, s := range secrets {
		if !s.IsEmpty() {
			text = strings.ReplaceAll(text, s.Reveal(), s.String())
		}
	}
	if len(text) > most {
		text = clip.Bytes(text, most) + "…"
	}
	return text
}

// retryAfter reads the header Retry-After (RFC 9110 section 10.2.3). A date counts from
// the header Date, because the clocks of both sides may differ.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	seconds, err := strconv.ParseUint(text, 10, 31) // out of range: the greatest number
	if err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	if sent, err := http.ParseTime(h.Get("Date")); err == nil {
		now = sent
	}
	return max(at.Sub(now), 0)
}
