package client

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/mytoken-go/sdk/internal/fresh"
	"github.com/mytoken-go/sdk/internal/weburl"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/qr"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
)

// LoginRequest starts a login. The user finishes it in a browser on any device (protocol
// section 6.1).
//
// If a list is empty but not nil, [Client.StartLogin] returns [ErrEmptyList] and sends
// nothing. See [mytoken.Properties] for what nil means.
type LoginRequest struct {
	Properties mytoken.Properties
	Response   mytoken.Response
	// RestrictionsJSON replaces Properties.Restrictions. It may use what only requests
	// may contain: relative times, the host "this" and names of templates (protocol
	// sections 2.2, 2.3 and 2.10). nil: Properties.Restrictions. The texts null and []
	// count as empty lists.
	RestrictionsJSON []byte
	// Include names profiles of the server (protocol section 2.10); nil: none.
	Include []string
	// Provider is the issuer of the OpenID provider; empty: the only one of the server.
	Provider string
	// Application is the name of the program, which the server shows to the user.
	Application string
}

// Login is a login that a user has to finish in a browser.
type Login struct {
	// ConsentURI is where the user has to go.
	ConsentURI string
	// Code is the polling code, which fetches the token.
	Code mytoken.Secret
	// Expires is when the login expires on the server.
	Expires time.Time
	// Interval is the time between two polls.
	Interval time.Duration

	c    *Client
	life span
}

// over reports whether the login will have expired after a wait, by either clock. If the
// clock was set back, the server knows better.
func (l *Login) over(wait time.Duration) bool {
	now := l.c.now()
	age, ok := fresh.Age(l.life.since, now)
	return ok && age+wait >= l.life.d || !wall(now).Add(wait).Before(l.Expires)
}

const (
	defaultInterval  = 5 * time.Second // RFC 8628 section 3.2
	mostInterval     = time.Minute
	defaultLoginLife = 300 * time.Second
)

// opPoll names the operation in errors.
const opPoll = "poll for the login"

// StartLogin starts a login. Show [Login.ConsentURI] or [Login.QR] to the user and call
// [Login.Wait]. The client repeats the request if its answer is lost: the server forgets
// a login that nobody finishes. A server that limits logins answers with status 429: then
// [Error.RetryAfter] says when to start again. Errors are [ErrEmptyList] and those of
// [Client.AccessToken].
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
	if err := (properties{req.Properties, req.Response, req.RestrictionsJSON, req.Include}).fill(&body); err != nil {
		return nil, err
	}
	asked := c.now()
	answer, err := c.post(ctx, endpointMytoken, request{operation: operation, body: body, safe: true})
	if err != nil {
		return nil, err
	}
	var resp wire.LoginResponse
	if wire.Unmarshal(answer, &resp) != nil || resp.PollingCode.IsEmpty() || c.checkURL(resp.ConsentURI) != nil {
		return nil, &AnswerError{Operation: operation, Reason: "the answer has no polling code or no usable consent URI"}
	}
	if !c.isOwn(resp.ConsentURI) {
		return nil, &AnswerError{Operation: operation, Reason: fmt.Sprintf("the consent URI leads to another server than %s", c.cfg.Issuer)}
	}
	if resp.ExpiresIn <= 0 {
		resp.ExpiresIn = int64(defaultLoginLife / time.Second)
	}
	login := &Login{
		ConsentURI: resp.ConsentURI, Code: mytoken.NewSecret(resp.PollingCode.Reveal()), Expires: after(asked, resp.ExpiresIn),
		Interval: defaultInterval, c: c, life: span{asked, seconds(resp.ExpiresIn)},
	}
	if resp.Interval > 0 {
		login.Interval = min(time.Duration(min(resp.Interval, maxSeconds))*time.Second, mostInterval)
	}
	return login, nil
}

// isOwn reports whether an address is one of the server. Somebody who agreed to a login
// at another server would give its tokens to this one.
func (c *Client) isOwn(address string) bool {
	u, err := url.Parse(address)
	issuer, ierr := url.Parse(c.cfg.Issuer)
	return err == nil && ierr == nil && weburl.Origin(u) == weburl.Origin(issuer)
}

// QR draws the consent URI as a QR code for a terminal, dark on light.
func (l *Login) QR() (string, error) { return qr.Text(l.ConsentURI) }

// Poll asks once whether the login is finished (protocol section 5.4.2). Until then it
// returns an error for which [Pending] reports true. Other errors are those of
// [Client.AccessToken].
//
// The poll that returns the token uses up the code. If its answer is lost, so is the
// token, and the user has to log in again.
func (l *Login) Poll(ctx context.Context) (*mytoken.Issued, error) {
	return l.c.redeem(ctx, opPoll, l.Code, wire.TokenRequest{GrantType: wire.GrantPollingCode, PollingCode: wire.NewSecret(l.Code.Reveal())})
}

// Pending reports whether err says that the user has not finished the login yet.
func Pending(err error) bool {
	return IsCode(err, CodeAuthorizationPending) || IsCode(err, CodeSlowDown)
}

// Wait polls until the user has finished or declined the login, or its time is over. It
// polls less often when the server says so or cannot be reached.
//
// It returns [ErrLoginExpired] when the time is over, and an [*Error] with
// [CodeAccessDenied] if the user declined. Other errors are those of
// [Client.AccessToken]. If the context ends, the error is a [*NetworkError] that wraps
// the context's error.
func (l *Login) Wait(ctx context.Context) (*mytoken.Issued, error) {
	interval, failures := l.Interval, 0
	for {
		wait := interval
		if failures > 0 {
			wait = max(interval, backOff(failures, mostWait))
		}
		if l.over(wait) {
			return nil, ErrLoginExpired
		}
		if err := sleep(ctx, l.c.cfg.Clock, wait); err != nil {
			return nil, &NetworkError{Operation: opPoll, Err: err}
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

// mayPass reports whether a later request may succeed.
func mayPass(err error) bool {
	if _, ok := errors.AsType[*NetworkError](err); ok {
		return true
	}
	e, ok := errors.AsType[*Error](err)
	return ok && isTransient(e)
}
