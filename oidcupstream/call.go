package oidcupstream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// reply is a response that was read to its end, or as far as it arrived.
type reply struct {
	status int
	body   []byte
	fields fields
	// malformed says why the body is no JSON object. fields is nil then.
	malformed error
	// twice says that some member of the body occurs twice.
	twice        bool
	refreshToken string
}

func readReply(status int, body []byte) reply {
	r := reply{status: status, body: body}
	if r.fields, r.twice, r.malformed = readFields(body); r.malformed != nil {
		r.refreshToken = arrivedRefreshToken(body)
	} else {
		r.refreshToken, _ = r.fields.text("refresh_token")
	}
	return r
}

// hasTokens reports whether the provider has issued something.
func (r *reply) hasTokens() bool {
	return r.fields.hasText("access_token") || r.refreshToken != ""
}

// post sends a form to the token or revocation endpoint at most once and reports the
// outcome. It returns responses with a success status. Its errors show none of the secrets,
// nor those of client authentication.
//
// At most once: net/http may repeat a request on another connection, but only if
// Request.GetBody is set. Here it is nil. No other transport can repeat the request
// either, because its body can be read only once. The client follows no redirects.
//
// Not sent: the body contains the secret. As long as the transport has not read the body,
// the secret has not left this process. After a failure, post first seals the body. If
// nothing was read by then, the transport will never read anything, whatever it does in
// the background. This holds for every transport and protocol. In doubt the outcome is
// Unknown: bytes that the transport has read count as sent, even if it has not written
// them.
func (p *Provider) post(ctx context.Context, op, endpoint string, form url.Values, secrets []string) (reply, error) {
	header := http.Header{}
	more, err := p.cfg.Auth.apply(p.cfg.ClientID, p.cfg.Issuer, p.cfg.Clock(), form, header)
	if err != nil {
		return reply{}, notSent(op, fmt.Errorf("client authentication: %w", cause(err)))
	}
	secrets = append(secrets, more...)
	if left := p.calls.left(p.cfg.Clock()); left > 0 {
		return reply{}, pausedError(op, left)
	}
	header.Set("Content-Type", "application/x-www-form-urlencoded")
	header.Set("Accept", "application/json")

	encoded := form.Encode()
	body := &onceBody{r: strings.NewReader(encoded)}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, body)
	if err != nil {
		return reply{}, notSent(op, cause(err, secrets...))
	}
	req.Header = header
	req.ContentLength = int64(len(encoded))
	req.GetBody = nil

	fail := func(e *Error) (reply, error) {
		e.Op = op
		if e.Outcome == Unknown && body.seal() {
			e.Outcome = NotSent
		}
		return reply{}, e
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return fail(&Error{err: cause(withoutURL(err), secrets...)})
	}
	defer resp.Body.Close()
	answer, err := readBody(resp, p.cfg.MaxResponseBytes)
	r := readReply(resp.StatusCode, answer)
	acted := r.hasTokens()
	now := p.cfg.Clock()
	e := &Error{Op: op, Status: resp.StatusCode, RetryAfter: p.calls.observe(resp.StatusCode, resp.Header, now)}
	reason := notProcessed(resp, now, secrets)
	switch {
	case reason != nil && !acted:
		refusal(e, r.fields, secrets)
		e.Outcome, e.err = NotProcessed, reason
		return fail(e)
	case err != nil:
		e.err = fmt.Errorf("%w: %w", ErrAnswer, cause(err, secrets...))
		return fail(salvage(e, r.refreshToken))
	case resp.StatusCode >= 200 && resp.StatusCode < 300:
		if !acted && refusal(e, r.fields, secrets) { // some providers report errors with status 200
			return fail(e)
		}
		return r, nil
	case resp.StatusCode >= 400 && resp.StatusCode < 500:
		if !refusal(e, r.fields, secrets) && resp.StatusCode == http.StatusUnauthorized {
			e.Outcome, e.err = NotProcessed, unusableAnswer(resp.Header, secrets) // RFC 9110 section 15.5.2: not applied
		}
	default:
		refusal(e, r.fields, secrets)
		e.Outcome = Unknown // the server may have failed after it acted
	}
	if acted { // it has processed the request all the same
		e.Outcome = Unknown
	}
	if e.Outcome == Unknown {
		e.err = unusableAnswer(resp.Header, secrets)
		return fail(salvage(e, r.refreshToken))
	}
	return fail(e)
}

// unusableAnswer is [ErrAnswer] with the type of the content. The content itself may be
// any page of anybody between here and the provider.
func unusableAnswer(h http.Header, secrets []string) error {
	mediaType, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil || mediaType == "application/json" {
		return ErrAnswer
	}
	return fmt.Errorf("%w: it is %s", ErrAnswer, printable(mediaType, maxCode, secrets))
}

// arrivedRefreshToken returns the refresh token of an answer that is no JSON object, or
// the empty string. The answer may be cut off behind the token, or text of others may
// follow the object. The token may be the only one that works.
func arrivedRefreshToken(answer []byte) (token string) {
	dec := jsontext.NewDecoder(bytes.NewReader(bytes.TrimPrefix(answer, []byte("\uFEFF"))), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if start, err := dec.ReadToken(); err != nil || start.Kind() != '{' {
		return ""
	}
	for dec.PeekKind() == '"' {
		member, err := dec.ReadToken()
		if err != nil {
			break
		}
		name := member.String()
		value, err := dec.ReadValue()
		if err != nil {
			break
		}
		if text, ok := (fields{name: json.RawMessage(value)}).text("refresh_token"); ok {
			token = text
		}
	}
	return token
}

// onceBody is a request body that can be read only once, and not after seal.
type onceBody struct {
	mu     sync.Mutex
	r      *strings.Reader
	read   bool
	sealed bool
}

func (b *onceBody) Read(buf []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sealed {
		return 0, errors.New("oidcupstream: the request has ended")
	}
	b.read = true
	return b.r.Read(buf)
}

func (b *onceBody) Close() error { return nil }

// seal makes all later reads fail. It reports whether nothing was read before.
func (b *onceBody) seal() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sealed = true
	return !b.read
}

// withoutURL removes net/http's wrapping, which repeats the method and the address.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}
