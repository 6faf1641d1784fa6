package issuer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer/internal/errand"
	"github.com/mytoken-go/sdk/mytoken/issuer/internal/refresh"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/seal"
)

// Adoption hands in a refresh token that the embedding service already holds.
type Adoption struct {
	// Provider is the issuer of the provider, Subject the user there. Both are required.
	Provider, Subject string
	// RefreshToken has at most [MaxRefreshTokenLength] bytes; required.
	RefreshToken mytoken.Secret
	// Audiences are those that the login asked for (RFC 8707), if any. A reconnect asks
	// for them again. If the provider gives access tokens for these audiences only
	// ([oidcupstream.AudienceParameter].LoginOnly), the issuer asks for no other ones.
	Audiences []string
	// ID names the request. Within the lifetime of a code, it can be repeated with the
	// same ID and refresh token, after a lost answer or an error. Without an ID, a
	// failure after the provider has replaced the refresh token ends the login.
	ID         UseID
	Properties mytoken.Properties
	Response   mytoken.Response
	Client     Client
}

// MaxRefreshTokenLength bounds an adopted refresh token, in bytes.
const MaxRefreshTokenLength = 32 << 10

const (
	maxSubjectLength   = 1 << 10 // bytes; OpenID Connect allows 255
	maxAudiencesLength = 32 << 10
)

// Adopt issues a first token for a refresh token. The provider needs a userinfo endpoint.
//
// Adopt stores the refresh token, uses it once to see that it works, and asks the
// provider whose it is. If it belongs to another user, nothing is issued, and the refresh
// token is revoked at the provider.
//
// From the first call on, the refresh token belongs to the issuer. Do not use it
// elsewhere: a provider that rotates would revoke it.
//
// Errors are [ErrUnknownProvider], [*RequestError], [*PolicyError], [*UpstreamError],
// [*ReconnectError], [*BusyError], [*StoreError], [ErrRepeatedID] and [ErrClosed]. An
// [*UpstreamError] wraps [oidcupstream.ErrSubject] if the refresh token belongs to
// another user. After a [*ReconnectError] the user must log in: the provider refuses the
// refresh token.
func (i *Issuer) Adopt(ctx context.Context, a Adoption) (*mytoken.Issued, error) {
	if err := checkResponse(a.Response); err != nil {
		return nil, err
	}
	provider, err := i.provider(a.Provider)
	if err != nil {
		return nil, err
	}
	if err := a.check(); err != nil {
		return nil, err
	}
	if out, err := i.adoptAgain(ctx, provider, a); out != nil || err != nil {
		return out, err
	}
	props, err := i.firstProperties(a.Properties, i.Now())
	if err != nil {
		return nil, err
	}
	if props, err = i.reviewFirst(ctx, provider, Issuance{
		Kind: PolicyAdopt, Subject: a.Subject, Properties: &props, CountFrom: i.Now(), Client: a.Client,
	}); err != nil {
		i.policyRefused(ctx, PolicyAdopt, mytoken.TokenID{}, a.Client, err)
		return nil, err
	}
	f := firstToken{
		reason:   issuedByAdopt,
		provider: provider, subject: a.Subject, refreshToken: a.RefreshToken.Reveal(), authTime: time.Time{}, // not known
		audiences: dedup(a.Audiences), properties: props, response: a.Response, client: a.Client, comment: "Adopted a refresh token",
	}
	f.sealFor = func(rec issuedRecord, token *mytoken.Token) error {
		return i.putReply(&f.changes, a.ID, a.RefreshToken.Reveal(), seal.DataKey{}, rec, token.ID())
	}
	out, holder, err := i.createRoot(ctx, &f)
	if errors.Is(err, store.ErrExists) { // a parallel call with this ID was faster
		if out, err := i.adoptAgain(ctx, provider, a); out != nil || err != nil {
			return out, err
		}
		return nil, ErrRepeatedID
	} else if err != nil {
		return nil, err
	}
	if err := i.confirm(ctx, holder, provider, a); err != nil {
		return nil, asRepeatable(i.unadopt(ctx, holder, a, err), false)
	}
	return out, nil
}

func (a *Adoption) check() error {
	switch {
	case a.Subject == "" || len(a.Subject) > maxSubjectLength || !utf8.ValidString(a.Subject):
		return &RequestError{Field: "sub", Reason: fmt.Sprintf("missing, longer than %d bytes, or not UTF-8", maxSubjectLength)}
	case a.RefreshToken.IsEmpty() || len(a.RefreshToken.Reveal()) > MaxRefreshTokenLength:
		return &RequestError{Field: "refresh_token", Reason: fmt.Sprintf("missing, or longer than %d bytes", MaxRefreshTokenLength)}
	case len(joinAudiences(a.Audiences)) > maxAudiencesLength || slices.ContainsFunc(a.Audiences, unfit):
		return &RequestError{Field: "audience", Reason: fmt.Sprintf("empty, with white space or control characters, not UTF-8, or together longer than %d bytes", maxAudiencesLength)}
	}
	return nil
}

// unfit reports whether no login can ask for such an audience.
func unfit(audience string) bool {
	return audience == "" || !utf8.ValidString(audience) || strings.ContainsFunc(audience, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) })
}

// adoptAgain answers a repeated request. It returns nil if the request is new.
//
// The first call may have ended before the refresh token was confirmed, so adoptAgain
// confirms it again.
func (i *Issuer) adoptAgain(ctx context.Context, provider *Provider, a Adoption) (*mytoken.Issued, error) {
	reply, err := i.replied(ctx, a.ID, a.RefreshToken.Reveal())
	if reply == nil || err != nil {
		return nil, err
	}
	rec, err := i.openReply(reply, a.ID, a.RefreshToken.Reveal(), seal.DataKey{})
	if err != nil {
		return nil, err
	}
	out, err := i.issued(ctx, rec)
	if err != nil {
		return nil, err
	}
	holder := newPresented(out.Claims, rec.Compact, "")
	if err := i.confirm(ctx, holder, provider, a); err != nil {
		return nil, asRepeatable(i.unadopt(ctx, holder, a, err), false)
	}
	return out, nil
}

// confirm uses an adopted refresh token once and asks whose it is.
func (i *Issuer) confirm(ctx context.Context, p *presented, provider *Provider, a Adoption) error {
	state, err := i.lookup(ctx, p)
	if err != nil {
		return err
	}
	key, err := i.dataKey(p, state.Key)
	if err != nil {
		return err
	}
	tokens, _, err := i.refresh(ctx, p, provider, refresh.Request{
		Grant: state.Grant, Key: key, Subject: a.Subject,
		Abandoned: func(ctx context.Context, err error) {
			if err != nil { // or else the refresh has looked
				// If the adoption was taken back meanwhile, so is what the provider gave.
				_ = i.stillLive(ctx, p, provider, key)
			}
		},
	})
	if isSuspect(err) {
		// Nothing was lost if the refresh token is still the one that was handed in: the
		// service has it. Nobody would ask again without an ID.
		grant, gerr := i.grantState(ctx, state.Grant)
		if a.ID.IsZero() || gerr == nil && grant.Generation == 1 {
			err = &ReconnectError{Grant: state.Grant}
		}
	}
	if err == nil {
		if _, err = provider.Upstream.UserInfo(ctx, tokens.AccessToken, a.Subject); err != nil {
			err = upstreamUnavailable(opUserInfo, err)
			i.providerFailed(ctx, a.Client, state.Grant, err)
		}
	}
	if errors.Is(err, oidcupstream.ErrSubject) {
		return &UpstreamError{Op: opUserInfo, Status: http.StatusForbidden, Description: "the refresh token is not the user's", cause: err}
	}
	return err
}

// unadopt takes back an adoption that could not be confirmed, and returns the error for
// the caller.
//
// If the provider gave no verdict and the request can be repeated, everything stays: the
// provider may have replaced the refresh token, and only this issuer has the new one.
func (i *Issuer) unadopt(ctx context.Context, p *presented, a Adoption, err error) error {
	if !a.ID.IsZero() && !isVerdict(err) {
		return err
	}
	_, uerr := errand.Call(ctx, i.errands, "take back an adoption", storeTimeout, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, i.takeBack(ctx, p, a, err)
	})
	if uerr != nil {
		return errors.Join(err, lateError(uerr))
	}
	return err
}

// takeBack revokes the token of an adoption that ended with the error.
func (i *Issuer) takeBack(ctx context.Context, p *presented, a Adoption, err error) error {
	state, serr := i.lookup(ctx, p)
	if serr != nil {
		return serr
	}
	grant, serr := i.grantState(ctx, state.Grant)
	if serr != nil {
		return serr
	}
	// Revoke at the provider what belongs to another user, or what only this issuer
	// knows. Any other refresh token stays with the service that handed it in.
	var by *presented
	if errors.Is(err, oidcupstream.ErrSubject) || grant.Generation > 1 {
		by = p
	}
	_, rerr := i.revoke(ctx, p.id.ID, true, by, a.Client, "the refresh token could not be confirmed")
	return rerr
}

// isVerdict reports whether the provider has answered, so that asking again would not
// help.
func isVerdict(err error) bool {
	if isA[*ReconnectError](err) || errors.Is(err, oidcupstream.ErrSubject) || errors.Is(err, oidcupstream.ErrUnsupported) {
		return true
	}
	up, ok := errors.AsType[*oidcupstream.Error](err)
	return ok && up.Outcome == oidcupstream.Refused && !isSuspect(err)
}
