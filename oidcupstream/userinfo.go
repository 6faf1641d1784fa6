package oidcupstream

import (
	"context"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
)

// UserInfo asks the provider for the claims about the user of an access token (OpenID
// Connect Core section 5.3). It returns them as a JSON object. wantSub is the verified
// subject of the login. UserInfo returns [ErrSubject] if the claims are about somebody
// else.
//
// UserInfo verifies a signed response (application/jwt) with the provider's keys. Its iss
// and aud must be right if it has them. UserInfo does not support encrypted responses.
//
// All errors are [*Error]. UserInfo returns [ErrUnsupported] if the provider has no
// userinfo endpoint. The call changes nothing at the provider and may be repeated. It
// respects a pause that token requests began; see [ErrThrottled]. It begins none itself,
// because many providers count here the requests of each user.
func (p *Provider) UserInfo(ctx context.Context, accessToken, wantSub string) (json.RawMessage, error) {
	const op = "userinfo"
	if accessToken == "" || wantSub == "" {
		return nil, requestError(op, "access token and subject are required")
	}
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	m, err := p.lookup(ctx, op)
	if err != nil {
		return nil, err
	}
	if m.UserInfoEndpoint == "" {
		return nil, notSent(op, ErrUnsupported)
	}
	if left := p.calls.left(p.cfg.Clock()); left > 0 {
		return nil, pausedError(op, left)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.UserInfoEndpoint, nil)
	if err != nil {
		return nil, notSent(op, cause(err, accessToken))
	}
	req.Header.Set("Authorization", "Bearer "+accessToken)
	req.Header.Set("Accept", "application/json, application/jwt")
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, &Error{Op: op, err: cause(withoutURL(err), accessToken)}
	}
	defer resp.Body.Close()
	e := &Error{Op: op, Status: resp.StatusCode}
	now := p.cfg.Clock()
	e.RetryAfter = new(pause).observe(resp.StatusCode, resp.Header, now)
	if reason := notProcessed(resp, now, []string{accessToken}); reason != nil {
		e.Outcome, e.err = NotProcessed, reason
		return nil, e
	}
	body, err := readBody(resp, p.cfg.MaxResponseBytes)
	if err != nil {
		e.err = fmt.Errorf("%w: %w", ErrAnswer, cause(err, accessToken))
		return nil, e
	}
	if resp.StatusCode != http.StatusOK {
		fields, _ := parseFields(body)
		if !bearerRefusal(e, resp.Header, accessToken) && !refusal(e, fields, []string{accessToken}) {
			e.err = unusableAnswer(resp.Header, []string{accessToken})
		}
		if resp.StatusCode >= 500 {
			e.Outcome = Unknown
		}
		return nil, e
	}
	if mediaType, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err == nil && mediaType == "application/jwt" {
		if body, err = p.verifyUserInfo(ctx, m, string(body)); err != nil {
			e.RetryAfter = m.keys.pause.left(p.cfg.Clock())
			e.err = fmt.Errorf("%w: %w", ErrAnswer, cause(err, accessToken))
			return nil, e.blame()
		}
	}
	claims, err := parseFields(body)
	if err != nil {
		e.err = fmt.Errorf("%w: %w", ErrAnswer, err)
		return nil, e
	}
	if sub, _ := claims.text("sub"); sub != wantSub {
		e.err, e.Claim = ErrSubject, "sub"
		return nil, e
	}
	return json.RawMessage(body), nil
}

// verifyUserInfo verifies a signed response and returns its payload.
func (p *Provider) verifyUserInfo(ctx context.Context, m *metadata, token string) ([]byte, error) {
	verified, err := m.verifier(oidc.Config{
		SkipClientIDCheck: true, SkipExpiryCheck: true, SkipIssuerCheck: true, // these claims are optional; see below
	}).Verify(ctx, strings.TrimSpace(token))
	if err != nil {
		return nil, err
	}
	if verified.Issuer != "" && !sameIssuer(verified.Issuer, m.Issuer) {
		return nil, aboutClaim("iss", fmt.Errorf("its issuer is %q", verified.Issuer))
	}
	if len(verified.Audience) > 0 && !slices.Contains(verified.Audience, p.cfg.ClientID) {
		return nil, aboutClaim("aud", fmt.Errorf("its audience is %q", verified.Audience))
	}
	var payload json.RawMessage
	if err := verified.Claims(&payload); err != nil {
		return nil, err
	}
	return payload, nil
}

// bearerRefusal fills in e from the header WWW-Authenticate (RFC 6750 section 3). It
// reports whether the header names an error.
func bearerRefusal(e *Error, h http.Header, accessToken string) bool {
	for _, challenge := range h.Values("WWW-Authenticate") {
		scheme, params, _ := strings.Cut(challenge, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			continue
		}
		values := authParams(params)
		if values["error"] == "" {
			continue
		}
		e.Outcome = Refused
		e.Code = printableCode(values["error"], []string{accessToken})
		e.Description = printable(values["error_description"], maxDescription, []string{accessToken})
		return true
	}
	return false
}

// authParams decodes pairs of name="value" with commas between them.
func authParams(s string) map[string]string {
	values := map[string]string{}
	for s != "" {
		name, rest, found := strings.Cut(s, "=")
		if !found {
			break
		}
		name = strings.ToLower(strings.Trim(name, " ,"))
		var value string
		if strings.HasPrefix(rest, `"`) {
			value, rest, _ = strings.Cut(rest[1:], `"`)
		} else {
			value, rest, _ = strings.Cut(rest, ",")
		}
		values[name] = strings.TrimSpace(value)
		s = rest
	}
	return values
}
