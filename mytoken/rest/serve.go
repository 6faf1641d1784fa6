package rest

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strconv"

	"github.com/mytoken-go/sdk/internal/errtext"
	"github.com/mytoken-go/sdk/internal/rescue"
	"github.com/mytoken-go/sdk/mytoken/internal/requestid"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/mytoken/issuer"
)

// call is a request that is being answered.
type call struct {
	*Handler
	w        http.ResponseWriter
	r        *http.Request
	id       string // of the request, for the log and the client
	client   issuer.Client
	route    *route
	cookie   bool // the mytoken came from the cookie
	readable bool // the mytoken is a JWT, which its holder can read
	exchange bool // the request is a token exchange
	// cookies go with the answer, even if it is an error. Otherwise an error would lose
	// the cookie with a rotated token.
	cookies []*http.Cookie
}

func (c *call) ctx() context.Context { return c.r.Context() }

// setCookie sends a cookie. It replaces one of the same name and path.
func (c *call) setCookie(cookie *http.Cookie) {
	c.cookies = append(slices.DeleteFunc(c.cookies, func(old *http.Cookie) bool {
		return old.Name == cookie.Name && old.Path == cookie.Path
	}), cookie)
}

// handle answers a request. The table of errors turns its error into an answer.
type handle func(*call) (*answer, error)

// answer is a response.
type answer struct {
	status   int
	body     any // encoded as JSON; nil: no body
	raw      []byte
	media    string // of raw
	location string
	public   bool // it is the same for everybody and may be cached
	header   http.Header
}

func ok(body any) *answer { return &answer{status: http.StatusOK, body: body} }

func empty(status int) *answer { return &answer{status: status} }

func seeOther(location string) *answer {
	return &answer{status: http.StatusSeeOther, location: location}
}

// serve returns a handle that decodes a request of package wire and calls fn. The
// function fn gets the mytoken of the request from call.token.
func serve[Req any](fn func(*call, *Req) (*answer, error)) handle {
	return serveExpanded(nil, fn)
}

// serveExpanded is like serve, but expand changes the request before it is decoded. It
// gets and returns JSON with member names in their exact case.
func serveExpanded[Req any](expand func(*call, []byte) ([]byte, error), fn func(*call, *Req) (*answer, error)) handle {
	s := shapeOf(reflect.TypeFor[Req]())
	return func(c *call) (*answer, error) {
		req := new(Req)
		var through func([]byte) ([]byte, error)
		if expand != nil {
			through = func(data []byte) ([]byte, error) { return expand(c, data) }
		}
		if err := decode(c, s, req, through); err != nil {
			return nil, err
		}
		return fn(c, req)
	}
}

// run answers a request. It is the only place that calls a handle and writes an answer or
// an error.
func (h *Handler) run(w http.ResponseWriter, r *http.Request, rt *route, fn handle) {
	ctx, cancel := context.WithTimeout(r.Context(), h.opts.RequestTimeout)
	defer cancel()
	c := &call{Handler: h, w: w, id: newRequestID(), route: rt}
	c.r = r.WithContext(requestid.With(ctx, c.id))
	c.client = issuer.Client{Address: h.addressOf(r), UserAgent: r.UserAgent()}
	started := h.issuer.Now()
	a, err := c.protect(fn)
	if err != nil {
		a = c.failure(err)
	}
	c.write(a)
	c.log(a.status, err, h.issuer.Now().Sub(started))
}

// protect calls fn, with the facts about the request.
func (c *call) protect(fn handle) (*answer, error) {
	if len(c.r.Header.Values("Authorization")) > 1 {
		return nil, badRequest("more than one Authorization header")
	}
	return c.carryOut(func(c *call) (*answer, error) {
		if c.opts.Values != nil {
			c.client.Values = c.opts.Values(c.r)
		}
		return fn(c)
	})
}

// carryOut calls fn and turns a panic into an error.
func (c *call) carryOut(fn handle) (*answer, error) {
	a, err := rescue.Call(func() (*answer, error) { return fn(c) })
	if p, ok := errors.AsType[*rescue.Panic](err); ok && p.Value == http.ErrAbortHandler {
		panic(p.Value)
	}
	return a, err
}

// failure answers an error: with JSON, or with a page where a browser asks for one.
func (c *call) failure(err error) *answer {
	p := problemOf(err)
	if p.status == http.StatusInternalServerError {
		p.text = "request " + c.id
	}
	switch {
	case c.route.kind == page && !c.route.jsonErrors && c.wantsPage():
		return c.errorPage(err, p).retryAfter(seconds(p.retry))
	case c.route.kind == standard:
		p = c.standardProblem(p)
	}
	body := &wire.Error{Code: p.code, Description: p.text, RestrictedBy: p.refusedBy()}
	wait := seconds(p.retry)
	if p.refusal != nil {
		told, instants := c.explanation(p.refusal)
		body.Explanation, wait = wire.NewExplanation(told, instants), c.comeBack(p.refusal)
		if why := shortReason(told, instants); why != "" {
			body.Description += ": " + why
		}
	}
	a := (&answer{status: p.status, body: body}).retryAfter(wait)
	if errors.Is(err, errTooSlow) {
		a.header = http.Header{"Connection": {"close"}}
	}
	if p.code == wire.ErrorInvalidClient {
		a.header = http.Header{"Www-Authenticate": {`Basic realm="mytoken"`}}
	}
	return a
}

// retryAfter says when to try again (RFC 9110 section 10.2.3), if that is known.
func (a *answer) retryAfter(seconds int64) *answer {
	if seconds > 0 {
		a.header = http.Header{"Retry-After": {strconv.FormatInt(seconds, 10)}}
	}
	return a
}

func (c *call) write(a *answer) {
	h := c.w.Header()
	body, media := a.raw, a.media
	if a.body != nil {
		var err error
		if body, err = wire.Marshal(a.body); err != nil {
			c.opts.Logger.ErrorContext(c.ctx(), "mytoken: answer not encoded", requestid.Attr, c.id, "error", errtext.ForLog(err))
			a.status, body = http.StatusInternalServerError, []byte(`{"error":"`+wire.ErrorInternal+`"}`)
		}
		media = "application/json"
	}
	for _, cookie := range c.cookies {
		http.SetCookie(c.w, cookie)
	}
	if a.location != "" {
		h.Set("Location", a.location)
	}
	if media != "" {
		h.Set("Content-Type", media)
	}
	if len(c.r.TransferEncoding) > 0 {
		// net/http ignores a Content-Length beside a Transfer-Encoding. A proxy may have
		// believed it and see another end of the request (RFC 9112 section 6.1).
		h.Set("Connection", "close")
	}
	h.Set("X-Request-Id", c.id)
	h.Set("X-Content-Type-Options", "nosniff")
	switch {
	case a.public && a.status < 300:
		h.Set("Cache-Control", "public, max-age=300")
	default:
		h.Set("Cache-Control", "no-store")
	}
	c.routeHeaders(h)
	for name, values := range a.header { // they may replace those of the route
		h[name] = values
	}
	if a.status != http.StatusNoContent && a.status != http.StatusNotModified {
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	c.w.WriteHeader(a.status)
	if len(body) > 0 {
		_, _ = c.w.Write(body) // the client may be gone
	}
}
