package issuer

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/internal/errtext"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer/internal/errand"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/seal"
)

// login is a login that is being finished.
type login struct {
	i        *Issuer
	state    string
	remember bool         // what becomes of it
	ticket   store.Ticket // of the state
	key      seal.DataKey
	pending  *pendingLogin
	provider *Provider
	client   Client
	by       store.UseID
}

// FinishLogin redeems the code of an authorization response at the provider, and issues
// the token. It uses the state up, whatever the outcome, with one exception: if the
// provider certainly did not look at the code, the login goes on waiting. Then FinishLogin
// returns an [*UpstreamError], and the same request may be repeated; see
// UpstreamError.RetryAfter. If the login fails, FinishLogin revokes the new refresh token
// at the provider, unless the store may have it.
//
// A response that arrives at the address of another provider ends the login with a
// [*LoginError], and its code goes nowhere (RFC 9700 section 4.4).
//
// Errors are [*RequestError] (Path is missing, and the login goes on waiting),
// [ErrState], [ErrUnknownProvider], [*UpstreamError], [*LoginError], [*PolicyError] and
// [*StoreError]. A program that polls for the token gets each failure as a [*LoginError]; see
// [Issuer.Poll].
func (i *Issuer) FinishLogin(ctx context.Context, req FinishRequest) (*LoginResult, error) {
	if req.Path == "" {
		return nil, &RequestError{Field: "path", Reason: "missing; set FinishRequest.Path to the path at which the browser arrived"}
	}
	l, err := i.claimLogin(ctx, req)
	if err != nil {
		return nil, err
	}
	// From here on the browser may go away: the answer of the provider is kept.
	result, err := errand.Call(ctx, i.errands, "finish a login", errand.Longest, func(ctx context.Context) (*LoginResult, error) {
		return l.finish(ctx, req)
	})
	return result, lateError(err)
}

// finish redeems the code and issues the token, or replaces a refresh token.
func (l *login) finish(ctx context.Context, req FinishRequest) (*LoginResult, error) {
	tokens, err := l.exchange(ctx, req)
	if err != nil {
		l.report(ctx, err)
	}
	if isUnused(err) {
		return nil, l.release(ctx, err)
	}
	l.i.waiting.Leave(l.ticket.TicketRef)
	if err != nil {
		return nil, l.fail(ctx, err)
	}
	result := &LoginResult{Application: l.pending.Application, ReturnTo: l.pending.ReturnTo}
	if l.pending.Reconnect != nil {
		if result.Narrower, err = l.reconnect(ctx, tokens); err != nil {
			l.report(ctx, err)
			return nil, l.discard(ctx, tokens, err)
		}
		result.Reconnected = true
		return result, nil
	}
	issued, err := l.issue(ctx, tokens)
	if err != nil {
		l.report(ctx, err)
		return nil, l.discard(ctx, tokens, err)
	}
	if _, result.Polled = l.pending.polling(); !result.Polled {
		result.Issued = issued
	}
	return result, nil
}

// claimLogin finds the login of the state and marks it as being finished. Of several
// redirects with one state, only the first may reach the provider: a provider that sees a
// code twice revokes the tokens that it gave for it (RFC 6749 section 4.1.2).
func (i *Issuer) claimLogin(ctx context.Context, req FinishRequest) (*login, error) {
	state := req.Query.Get("state")
	ticket, key, pending, err := i.resolveLogin(ctx, store.TicketState, state)
	if err != nil {
		return nil, stateError(err)
	}
	provider, err := i.provider(pending.Provider)
	if err != nil {
		return nil, err
	}
	pending.Scopes, pending.Audiences = pending.access(provider.Upstream)
	l := &login{i: i, state: state, remember: req.Remember, ticket: ticket, key: key, pending: pending, provider: provider, client: req.Client, by: NewUseID()}
	// From here on only this call knows the login. The payload that stays in the store
	// tells this claim from others.
	claimed, err := i.sealJSON(store.TicketPayloadPlace(ticket.TicketRef), key, &pendingLogin{})
	if err != nil {
		return nil, err
	}
	err = i.changeTickets(ctx, store.TicketChanges{Complete: []store.Completion{
		{TicketRef: ticket.TicketRef, Status: store.TicketReady, Payload: claimed},
	}})
	return l, stateError(err)
}

// stateError makes an unusable code an unknown state.
func stateError(err error) error {
	if isA[*CodeError](err) {
		return ErrState
	}
	return err
}

// exchange redeems the authorization code.
func (l *login) exchange(ctx context.Context, req FinishRequest) (*oidcupstream.Tokens, error) {
	// A malicious provider can make an honest one answer in its place (RFC 9700 section
	// 4.4). It must not get the code of the honest one, which somebody could use in a
	// login of their own. The state is used up although nothing is exchanged: others know
	// it. They can end the login so, but a login that is repeated is better than a state
	// that is tried again.
	if req.Path != l.provider.Upstream.RedirectPath() {
		l.i.notify(ctx, Notice{Kind: NoticeMixUp, Client: l.client, Detail: "a login at " + l.pending.Provider + " came back elsewhere"})
		return nil, &LoginError{Code: "server_error", Description: "another provider answered than the one that was asked", Reason: LoginMixedUp}
	}
	redirect, err := l.provider.Upstream.CheckRedirect(ctx, req.Query)
	if err != nil {
		return nil, err
	}
	tokens, err := l.provider.Upstream.Exchange(ctx, oidcupstream.ExchangeRequest{
		Code: redirect.Code, Verifier: l.pending.Verifier, Nonce: l.pending.Nonce,
		Scopes: l.pending.Scopes, Audiences: l.pending.Audiences,
	})
	if unusable, ok := errors.AsType[*oidcupstream.Error](err); ok && unusable.RefreshToken() != "" {
		_ = l.i.revokeRefreshToken(ctx, l.provider.Upstream, GrantID{}, unusable.RefreshToken()) // the observer is told
	}
	if err != nil {
		return nil, err
	}
	if tokens.RefreshToken == "" {
		return nil, &LoginError{Code: "server_error", Description: "Did not receive a refresh token", Reason: LoginNoRefreshToken}
	}
	return tokens, nil
}

// report tells the observer why a login led to nothing, or not yet.
func (l *login) report(ctx context.Context, err error) {
	reason := failedFor(err)
	if reason == LoginMixedUp.String() || l.i.policyRefused(ctx, PolicyLogin, l.ticket.Token, l.client, err) ||
		l.i.providerFailed(ctx, l.client, GrantID{}, err) {
		return
	}
	n := Notice{Kind: NoticeLoginFailed, Reason: reason, Token: l.ticket.Token, Client: l.client, Err: err}
	if up, ok := errors.AsType[*oidcupstream.Error](err); ok && up.Op == "redirect" && up.Code == "access_denied" {
		n.Kind, n.Reason = NoticeLoginDeclined, "provider"
	}
	l.i.notify(ctx, n)
}

// issue creates the first token of a new grant.
func (l *login) issue(ctx context.Context, tokens *oidcupstream.Tokens) (*mytoken.Issued, error) {
	i := l.i
	props, err := l.grantedProperties(ctx, tokens)
	if err != nil {
		return nil, err
	}
	if err := l.checkKeyOwner(tokens); err != nil {
		return nil, err
	}
	authTime := tokens.AuthTime
	if authTime.IsZero() {
		authTime = i.Now()
	}
	f := firstToken{
		reason: issuedByLogin, provider: l.provider, subject: tokens.Subject, authTime: authTime, refreshToken: tokens.RefreshToken,
		scopes: tokens.Scopes, audiences: l.pending.Audiences, properties: props, response: l.pending.Response, client: l.client,
		label: l.pending.Label, comment: "Used grant_type oidc_flow authorization_code",
	}
	f.changes = store.TicketChanges{By: l.by, Consume: []store.TicketRef{l.ticket.TicketRef}}
	f.sealFor = func(rec issuedRecord, token *mytoken.Token) error {
		if l.remember {
			ended, err := i.endedTicket(l.state, l.pending, endedRecord{Token: describeEnded(token)})
			if err != nil {
				return err
			}
			f.changes.Put = append(f.changes.Put, ended)
		}
		if polling, ok := l.pending.polling(); ok {
			payload, err := i.sealJSON(store.TicketPayloadPlace(polling), l.key, polledRecord{rec, l.pending.Key})
			f.changes.Complete = []store.Completion{{TicketRef: polling, Status: store.TicketReady, Payload: payload, Token: token.ID()}}
			return err
		}
		return nil
	}
	issued, _, err := i.createRoot(ctx, &f)
	return issued, err
}

// grantedProperties fits the properties to what the provider granted (protocol section
// 9.2).
func (l *login) grantedProperties(ctx context.Context, tokens *oidcupstream.Tokens) (mytoken.Properties, error) {
	i := l.i
	props := l.pending.Properties.properties()
	var granted restriction.Access
	if tokens.ScopeReturned {
		granted.Scopes = append([]string{}, tokens.Scopes...)
	}
	// If no audience was asked for, the access token has the provider's default. A
	// refresh may still ask for another one.
	if len(l.pending.Audiences) > 0 && tokens.AudienceKnown {
		granted.Audiences = append([]string{}, tokens.Audiences...)
	}
	list, _, err := props.Restrictions.Granted(granted)
	if err != nil {
		return props, &LoginError{
			Code: "access_denied", Description: "the provider granted nothing that the restrictions allow", Reason: LoginTooLittle, cause: err,
		}
	}
	props.Restrictions = list
	review := i.reviewFirst
	if l.pending.isShown() {
		review = i.reviewShown
	}
	return review(ctx, l.provider, Issuance{
		Kind: PolicyLogin, Subject: tokens.Subject, Tokens: tokens, Properties: &props,
		CountFrom: l.pending.countFrom(i.Now()), Client: l.client,
	})
}

// discard ends a login and revokes its refresh token, which nobody will use.
func (l *login) discard(ctx context.Context, tokens *oidcupstream.Tokens, err error) error {
	if !mayHaveEffect(err) { // otherwise the mytoken may exist
		_ = l.i.revokeRefreshToken(ctx, l.provider.Upstream, GrantID{}, tokens.RefreshToken) // the observer is told
	}
	return l.fail(ctx, err)
}

// isUnused reports whether the provider has certainly not seen the code, or not looked at
// it, so that the same code may work later.
func isUnused(err error) bool {
	up, ok := errors.AsType[*oidcupstream.Error](err)
	switch {
	case !ok, errors.Is(err, oidcupstream.ErrRequest), errors.Is(err, oidcupstream.ErrUnsupported):
		return false
	case up.Op == "redirect": // not even the redirect could be checked
		return errors.Is(err, oidcupstream.ErrMetadata)
	}
	return up.Op == "exchange" && (up.Outcome == oidcupstream.NotSent || up.Outcome == oidcupstream.NotProcessed)
}

// release lets the login wait again, so that the same redirect can finish it: the browser
// only has to load the page once more. It returns the error for the browser.
func (l *login) release(ctx context.Context, err error) error {
	rerr := l.i.changeTickets(ctx, store.TicketChanges{Drop: []store.TicketRef{l.ticket.TicketRef}, Put: []store.Ticket{l.ticket}})
	if rerr != nil {
		l.i.waiting.Leave(l.ticket.TicketRef)
		return l.fail(ctx, err)
	}
	return upstreamUnavailable(opExchange, err)
}

// fail ends the login and tells the poller. It returns the error for the browser.
func (l *login) fail(ctx context.Context, err error) error {
	failure := loginFailure(err)
	record := failure.record()
	spent := store.TicketChanges{By: l.by, Consume: []store.TicketRef{l.ticket.TicketRef}}
	if l.remember {
		_ = l.i.rememberEnd(&spent, l.state, l.pending, endedRecord{Failure: &record}) // the login ends in any case
	}
	changes := spent
	if polling, ok := l.pending.polling(); ok {
		payload, serr := l.i.sealJSON(store.TicketPayloadPlace(polling), l.key, record)
		if serr == nil {
			changes.Complete = []store.Completion{{TicketRef: polling, Status: store.TicketFailed, Payload: payload}}
		}
	}
	terr := l.i.changeTickets(ctx, changes)
	if len(changes.Complete) > 0 && terr != nil && !isA[*StoreError](terr) {
		terr = l.i.changeTickets(ctx, spent) // the poller has gone
	}
	if terr != nil {
		l.i.cfg.Logger.Log(ctx, levelOf(slog.LevelWarn, terr), "mytoken", "kind", "login_not_ended", "error", errtext.ForLog(terr))
	}
	if isA[*PolicyError](err) || isA[*StoreError](err) {
		return asRepeatable(err, false) // the state is used up
	}
	return failure
}

// failureRecord is what a poller and the browser learn about a failed login.
type failureRecord struct {
	Code        string      `json:"code"`
	Description string      `json:"description,omitempty"`
	Reason      LoginReason `json:"reason,omitempty"`
}

func (e *LoginError) record() failureRecord {
	return failureRecord{Code: e.Code, Description: strings.ToValidUTF8(e.Description, "\uFFFD"), Reason: e.Reason}
}

// failure returns the error of a record. A reason that this version does not know is
// LoginFailed.
func (r failureRecord) failure() *LoginError {
	if r.Reason >= loginReasons {
		r.Reason = LoginFailed
	}
	return &LoginError{Code: r.Code, Description: r.Description, Reason: r.Reason}
}

// loginFailure returns why a login failed, in words for the user.
func loginFailure(err error) *LoginError {
	var (
		login   *LoginError
		policy  *PolicyError
		request *RequestError
		code    *CodeError
		up      *oidcupstream.Error
	)
	switch {
	case errors.As(err, &login):
		return login
	case errors.As(err, &policy):
		return &LoginError{Code: "access_denied", Description: policy.Description(), Reason: LoginForbidden, cause: err}
	case errors.As(err, &code):
		return &LoginError{Code: "access_denied", Description: "the code that the token was for was revoked, or has expired", cause: err}
	case errors.As(err, &request):
		return &LoginError{Code: "access_denied", Description: request.Field + ": " + request.Reason, cause: err}
	case isA[*StoreError](err):
		return &LoginError{Code: "server_error", Description: "the service could not store the login, start a new one", Reason: LoginNotStored, cause: err}
	case errors.As(err, &up) && up.Code != "":
		return &LoginError{Code: up.Code, Description: up.Description, Reason: LoginRefused, cause: err}
	case errors.As(err, &up):
		return &LoginError{Code: "server_error", Description: "the provider's answer was not usable", cause: err}
	}
	return &LoginError{Code: "server_error", cause: err}
}

// firstToken is the first token of a grant, before it is created.
type firstToken struct {
	reason       string // of the notice
	provider     *Provider
	subject      string
	authTime     time.Time
	refreshToken string
	scopes       []string // granted; nil: not known
	audiences    []string // that the login asked for
	properties   mytoken.Properties
	response     mytoken.Response
	client       Client
	label        string
	comment      string
	changes      store.TicketChanges
	// sealFor adds to changes whatever waits for the token. It may be nil.
	sealFor func(issuedRecord, *mytoken.Token) error
}

// createRoot creates a grant and its first token in one step.
func (i *Issuer) createRoot(ctx context.Context, f *firstToken) (*mytoken.Issued, *presented, error) {
	m, err := i.mint(ctx, i.newClaims(f.provider, f.subject, f.properties, f.authTime))
	if err != nil {
		return nil, nil, err
	}
	m.label = f.label
	rec, tickets, err := i.form(m, f.response)
	if err != nil {
		return nil, nil, err
	}
	events := []store.Event{i.newEvent(EventCreated, f.comment, f.client)}
	if rec.Transfer != "" {
		events = append(events, i.newEvent(EventTransferCodeCreated, "token type: token", f.client))
	}
	grant := store.Grant{
		ID: newGrantID(), Owner: m.token.Owner(), Scope: joinScopes(f.scopes), Audience: joinAudiences(f.audiences), Created: i.ledger.now(),
	}
	key := seal.NewDataKey()
	if grant.Refresh, err = i.cfg.Seal.SealWith(store.RefreshTokenPlace(grant.ID, 1), key, []byte(f.refreshToken)); err != nil {
		return nil, nil, err
	}
	row, err := i.row(m, grant.ID, key, nil, f.client, events...)
	if err != nil {
		return nil, nil, err
	}
	f.changes.Put = slices.Concat(f.changes.Put, tickets)
	if f.sealFor != nil {
		if err := f.sealFor(rec, m.token); err != nil {
			return nil, nil, err
		}
	}
	if err := i.tagNew(ctx, row.Owner, row.ID, mytoken.TokenID{}, f.properties.Tags); err != nil {
		return nil, nil, err
	}
	if err := codeError(i.ledger.createRoot(ctx, grant, row, f.changes)); err != nil {
		return nil, nil, err
	}
	i.population.Grew(row.Owner)
	i.notify(ctx, Notice{Kind: NoticeIssued, Reason: f.reason, Token: row.ID, Grant: grant.ID, Client: f.client, Detail: f.provider.Upstream.Issuer()})
	return rec.answer(m.token), newPresented(m.token, m.compact, ""), nil
}
