package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mytoken-go/sdk/mytoken/internal/wire"
)

// request is one exchange with the server.
type request struct {
	operation string // for errors
	method    string
	url       string
	body      any // of package wire; nil: none
	// secrets are in the body, and must not come back in an error.
	secrets []Secret
	// safe says that doing it twice does no more than doing it once.
	safe bool
}

// send sends a request, again where that is safe, and returns the body of an answer
// of success.
func (c *Client) send(ctx context.Context, r request) ([]byte, error) {
	for attempt := 1; ; attempt++ {
		body, err := c.once(ctx, r)
		if err == nil {
			return body, nil
		}
		wait, again := c.repeatAfter(err, r.safe, attempt)
		if !again || ctx.Err() != nil || endsWithin(ctx, wait) {
			return nil, err
		}
		if sleep(ctx, c.cfg.Clock, wait) != nil {
			return nil, err
		}
	}
}

// once sends a request once.
func (c *Client) once(ctx context.Context, r request) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, &NetworkError{Operation: r.operation, Err: err}
	}
	if c.finish {
		ctx = context.WithoutCancel(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	req, err := c.newRequest(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("client: %s: %w", r.operation, err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, newNetworkError(r.operation, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, c.cfg.MaxAnswer+1))
	switch {
	case resp.StatusCode >= http.StatusBadRequest:
		return nil, c.readError(r, resp, body)
	case err != nil:
		return nil, &NetworkError{Operation: r.operation, Sent: true, Err: err}
	case int64(len(body)) > c.cfg.MaxAnswer:
		return nil, &AnswerError{Operation: r.operation, Reason: "the answer is too long"}
	case resp.StatusCode >= http.StatusMultipleChoices:
		return nil, &AnswerError{Operation: r.operation, Reason: fmt.Sprintf("status %d: redirects are not followed", resp.StatusCode)}
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
		return nil, errors.New("the URL of the server is malformed")
	}
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.cfg.UserAgent)
	return req, nil
}

// readError reads an answer that is an error. Some are not JSON (protocol section
// 10, D77, D89).
func (c *Client) readError(r request, resp *http.Response, body []byte) *Error {
	e := &Error{
		Operation: r.operation, Status: resp.StatusCode, RequestID: foreign(resp.Header.Get("X-Request-Id"), 64, r.secrets),
		RetryAfter: retryAfter(resp.Header.Get("Retry-After"), c.now()),
	}
	var text struct { // of wire.Error, of which additions must not spoil the rest
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

// foreign is a text of the server, without control characters, and without secrets that
// it may have copied.
func foreign(text string, most int, secrets []Secret) string {
	text = printable(text)
	for _, s := range secrets {
		if !s.IsEmpty() {
			text = strings.ReplaceAll(text, s.Reveal(), s.String())
		}
	}
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// printable keeps control characters out of logs and terminals.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text)
}

// retryAfter reads the header of that name (RFC 9110 section 10.2.3).
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}
