package client

import (
	"context"
	"errors"
	"time"

	"github.com/mytoken-go/sdk/mytoken/internal/qr"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
)

// LoginRequest starts a login on whatever device the user has a browser (protocol
// section 6.1).
type LoginRequest struct {
	Properties
	// Provider is the issuer of the OpenID provider; empty: the one that the
	// server has.
	Provider string
	// Application is shown to the user.
	Application string
}

// Login is a login that somebody has to finish in a browser.
type Login struct {
	// ConsentURI is where the user goes.
	ConsentURI string
	// Code is what the token is fetched with.
	Code Secret
	// Expires is when the server gives the login up.
	Expires time.Time
	// Interval is the time between two polls.
	Interval time.Duration

	c *Client
}

const (
	defaultInterval  = 5 * time.Second // RFC 8628 section 3.2
	mostInterval     = time.Minute
	defaultLoginLife = 300 * time.Second
)

// StartLogin starts a login. Show [Login.ConsentURI] or [Login.QR] to the user and
// call [Login.Wait]. It is repeated where that is safe; a login that nobody finishes
// is forgotten by the server.
func (c *Client) StartLogin(ctx context.Context, req LoginRequest) (*Login, error) {
	const operation = "start a login"
	provider, err := c.provider(ctx, req.Provider)
	if err != nil {
		return nil, err
	}
	body := wire.TokenRequest{
		GrantType: wire.GrantOIDCFlow, OIDCFlow: wire.FlowAuthorizationCode, ClientType: wire.ClientNative,
		OIDCIssuer: provider, ApplicationName: req.Application,
	}
	if err := req.fill(&body); err != nil {
		return nil, err
	}
	asked := c.now()
	answer, err := c.post(ctx, endpointMytoken, request{operation: operation, body: body, safe: true})
	if err != nil {
		return nil, err
	}
	var resp wire.LoginResponse
	if wire.Unmarshal(answer, &resp) != nil || resp.PollingCode.IsEmpty() || c.checkURL(resp.ConsentURI) != nil {
		return nil, &AnswerError{Operation: operation, Reason: "the answer lacks a consent URI or a polling code"}
	}
	if resp.ExpiresIn <= 0 {
		resp.ExpiresIn = int64(defaultLoginLife / time.Second)
	}
	login := &Login{
		ConsentURI: resp.ConsentURI, Code: NewSecret(resp.PollingCode.Reveal()), Expires: after(asked, resp.ExpiresIn),
		Interval: defaultInterval, c: c,
	}
	if resp.Interval > 0 {
		login.Interval = min(time.Duration(min(resp.Interval, maxSeconds))*time.Second, mostInterval)
	}
	return login, nil
}

// QR draws the consent URI as a QR code for a terminal, dark on light.
func (l *Login) QR() (string, error) { return qr.Text(l.ConsentURI) }

// Poll asks once whether the login is finished (protocol section 5.4.2). While it is
// not, the error is one for which [Pending] reports true.
//
// The poll that returns the token uses the code up: if its answer is lost, so is the
// token, and the user logs in again.
func (l *Login) Poll(ctx context.Context) (*Token, error) {
	return l.c.redeem(ctx, "poll", l.Code, wire.TokenRequest{GrantType: wire.GrantPollingCode, PollingCode: wire.NewSecret(l.Code.Reveal())})
}

// Pending reports whether a login is still to be finished.
func Pending(err error) bool {
	return IsCode(err, CodeAuthorizationPending) || IsCode(err, CodeSlowDown)
}

// Wait polls until the user has finished, declined, or the time for it is over. It
// slows down when it is told to, and when the server cannot be reached. Errors:
// [ErrLoginExpired]; an [*Error] with [CodeAccessDenied] if the user declined;
// others as for [Client.AccessToken]; that of the context.
func (l *Login) Wait(ctx context.Context) (*Token, error) {
	interval, failures := l.Interval, 0
	for {
		wait := interval
		if failures > 0 {
			wait = max(interval, backOff(failures, mostWait))
		}
		if !wall(l.c.now()).Add(wait).Before(l.Expires) {
			return nil, ErrLoginExpired
		}
		if err := sleep(ctx, l.c.cfg.Clock, wait); err != nil {
			return nil, &NetworkError{Operation: "poll", Err: err}
		}
		token, err := l.Poll(ctx)
		switch {
		case err == nil:
			return token, nil
		case IsCode(err, CodeExpiredToken):
			return nil, ErrLoginExpired
		case ctx.Err() != nil || !Pending(err) && !mayPass(err):
			return nil, err
		}
		if failures++; Pending(err) {
			failures = 0
		}
		interval = nextInterval(interval, err)
	}
}

// nextInterval obeys slow_down (RFC 8628 section 3.5) and Retry-After.
func nextInterval(interval time.Duration, err error) time.Duration {
	e, ok := errors.AsType[*Error](err)
	if ok && e.Code == CodeSlowDown {
		interval += defaultInterval
	}
	if ok {
		interval = max(interval, e.RetryAfter)
	}
	return min(interval, mostInterval)
}

// mayPass reports whether a later request may go better.
func mayPass(err error) bool {
	if _, ok := errors.AsType[*NetworkError](err); ok {
		return true
	}
	e, ok := errors.AsType[*Error](err)
	return ok && isTransient(e)
}

// redeem exchanges a code for a token. It is not repeated: the code is used up.
func (c *Client) redeem(ctx context.Context, operation string, code Secret, body wire.TokenRequest) (*Token, error) {
	asked := c.now()
	answer, err := c.post(ctx, endpointMytoken, request{operation: operation, body: body, secrets: []Secret{code}})
	if err != nil {
		return nil, err
	}
	return c.readToken(operation, answer, asked)
}
