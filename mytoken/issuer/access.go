package issuer

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/internal/unique"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer/internal/refresh"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/seal"
)

// AccessTokenRequest asks for an access token (protocol section 5.5).
type AccessTokenRequest struct {
	// Token is the mytoken, compact or short.
	Token mytoken.Secret
	// ID names the request, so that it can be repeated: after a lost answer, after any
	// error, and while an earlier call may still run, on any node. However often it is
	// repeated, it counts once if an access token was handed out. It does not count if
	// none was handed out and the outcome is known.
	//
	// A repetition returns the same access token, whatever else it asks for, as long as
	// that is valid and the clause that was charged admits the repetition. Otherwise it
	// returns [ErrRepeatedID].
	//
	// The ID counts for this token alone. The issuer remembers it for a day. Within that
	// day it may refund the use and charge it again. After 32 charges it returns
	// [ErrRepeatedID]. Zero: a new ID, and each call counts.
	ID UseID
	// Provider is the issuer that the client expects. Empty: any.
	Provider string
	// Scopes and Audiences are what the access token is for: at most 256 words and 8 KiB
	// each. Empty: everything that the clause allows.
	//
	// Some providers end the login if they are asked for an audience that the login did
	// not name ([oidcupstream.AudienceParameter].LoginOnly). The issuer does not ask
	// them: it returns an [*UpstreamError] with the code invalid_target, and the call
	// does not count.
	Scopes    []string
	Audiences []string
	// Comment is recorded in the history, cut to [MaxCommentLength] characters. It has at
	// most 8 KiB, and no control and format characters.
	Comment string
	Client  Client
}

// AccessToken is an access token of the provider.
type AccessToken struct {
	mytoken.AccessToken
}

// OAuth2 returns the token in the form of golang.org/x/oauth2.
func (t *AccessToken) OAuth2() *oauth2.Token {
	return &oauth2.Token{AccessToken: t.Token.Reveal(), TokenType: t.TokenType, Expiry: t.Expires}
}

// AccessToken obtains an access token for a mytoken. It hands one out only if the mytoken
// is still live after the provider has answered, and only with scopes and audiences
// inside the clause. With [AccessTokenCache] it may hand out one that it obtained before.
//
// Each call counts as one use of a clause, except for repetitions; see
// AccessTokenRequest.ID. The use is refunded if nothing was handed out, unless the
// provider may have acted ([UpstreamError].Charged). If the caller goes away while the
// provider is asked, its answer decides about the refund.
//
// Errors are [*RequestError], [*TokenError], [*mytoken.CapabilityError], [*RefusedError],
// [*UpstreamError], [*ReconnectError], [*BusyError], [*StoreError], [ErrWrongProvider],
// [ErrUnknownProvider], [ErrRepeatedID], [ErrClosed], and the error of the context. After
// a [*StoreError], repeat the call at once: the mytoken may have been rotated, and its
// successor can be fetched only while the grace lasts.
func (i *Issuer) AccessToken(ctx context.Context, req AccessTokenRequest) (*AccessToken, error) {
	return again(ctx, req.Client, func() (*AccessToken, error) { return i.accessTokenOnce(ctx, req) })
}

func (i *Issuer) accessTokenOnce(ctx context.Context, req AccessTokenRequest) (*AccessToken, error) {
	if err := checkAccess(req.Scopes, req.Audiences); err != nil {
		return nil, err
	}
	if err := checkText("comment", req.Comment); err != nil {
		return nil, err
	}
	// 1. Verify the token; check capability, restrictions and provider. Nothing is
	// stored.
	p, err := i.present(ctx, req.Token, req.Client)
	if err != nil {
		return nil, err
	}
	op := operation{
		id: NewUseID(), kind: restriction.AT, needs: capability.AT, provider: req.Provider, client: req.Client,
		scopes: dedup(req.Scopes), audiences: dedup(req.Audiences),
		event: EventATCreated, comment: atComment(usedToken, req.Comment),
	}
	candidates, provider, err := i.admit(ctx, p, op)
	if err != nil {
		return nil, i.refusedUse(ctx, p, op, err)
	}
	if provider.AccessTokenCache != (AccessTokenCache{}) {
		op.cache, op.cachedComment = cacheRef(p, op, candidates), atComment(usedCache, req.Comment)
		op.cached = op.cache
	}
	id := p.useID(req.ID)
	for n := range maxAttempts {
		this := op
		if !req.ID.IsZero() {
			this = i.attempt(op, id, n)
		}
		out, err := i.accessToken(ctx, p, this, candidates, provider)
		switch {
		case errors.Is(err, errNotCached):
			op.id, op.cached = NewUseID(), store.TicketRef{}
		case req.ID.IsZero() || !errors.Is(err, errCalledOff):
			return out, err
		}
	}
	return nil, i.refuseID(ctx, p, op)
}

// accessToken takes steps 2 to 8 for one use.
func (i *Issuer) accessToken(ctx context.Context, p *presented, op operation, candidates []int, provider *Provider) (*AccessToken, error) {
	// 2. Charge the use, and take the lease of the grant if nobody has it (one durable
	// step). The same step checks that the token is live. For a repetition it also returns
	// the access token that was handed out. If there is one to hand out again, it takes no
	// lease but returns that, and its event says so; see [AccessTokenCache]. Steps 3 to 6
	// are not needed then: nobody is asked, and the token was live when it was charged.
	//
	// A crash after it costs the use of a request without an ID. A repetition with the
	// same ID takes the charge over. The lease ends when this node has restarted, when its
	// heartbeat lapses, or after Config.Lease. Nothing was sent under it, and the next
	// holder learns that from this node; see Config.InDoubtWait.
	op.wish = i.refresher.Wish(ctx, p.id.ID, provider.Upstream)
	defer op.wish.Close(ctx)
	spent, err := i.spend(ctx, p, op, candidates)
	if err != nil {
		return nil, err
	}
	key, err := i.dataKey(p, spent.Key)
	if err != nil {
		return nil, i.giveBack(ctx, p, op, err)
	}
	if elsewhere(spent, candidates) {
		return nil, i.chargeElsewhere(ctx, p, op)
	}
	out, err := i.handedOut(ctx, p, op, provider, spent, key)
	if out == nil && err == nil {
		out, err = i.obtain(ctx, p, op, provider, spent, key)
	}
	if err != nil {
		return nil, err
	}

	// 8. Rotate the mytoken, if its rotation says so (durable). If it was revoked after
	// step 6, withhold the access token and refund the use; a request with an ID stays
	// charged, because another call with that ID may have handed one out.
	//
	// A crash after it loses the response, not the successor: the store answers the old
	// token with the same successor while the grace lasts and nobody has presented it.
	if out.Update, err = i.rotateOrFail(ctx, p, op.kind, spent.Key, op.client); err != nil {
		err = i.giveBack(ctx, p, op, err)
		if isA[*TokenError](err) {
			_ = i.stillLive(ctx, p, provider, key) // revokes at the provider what nobody can use any more
		}
		return nil, err
	}
	i.notify(ctx, Notice{Kind: NoticeAccessToken, Token: p.id.ID, Grant: spent.Grant, Client: op.client})
	return out, nil
}

// handedOut returns the access token that was handed out for the same request, or the one
// that is handed out again. It returns nil if there is none.
func (i *Issuer) handedOut(ctx context.Context, p *presented, op operation, provider *Provider, spent store.Spent, key seal.DataKey) (out *AccessToken, err error) {
	again := op.cached != (store.TicketRef{})
	switch {
	case spent.Ticket != nil && !again:
		return i.openKept(ctx, p, op, key, spent.Ticket)
	case spent.Repeated && !op.verdict.ID.IsZero(): // there is none, or it has expired, or the step returned another
		if out, err = i.keptAccess(ctx, p, op, key); out != nil || err != nil {
			return out, err
		}
	}
	if spent.Ticket == nil {
		return nil, nil
	}
	if out = i.openCached(op, provider, key, spent); out == nil {
		// The use is called off, because its event tells of an access token that it does
		// not get. The request is charged anew, and asks the provider.
		off, err := i.callOff(ctx, p, op)
		switch {
		case err != nil:
			return nil, asRepeatable(err, p.free(op.kind))
		case off:
			return nil, errNotCached
		}
		return nil, i.refuseID(ctx, p, op) // another call with the same ID handed it out
	}
	return i.claim(ctx, p, op, key, out)
}

// obtain takes steps 3 to 7 for a use that no call with the same ID has handed out.
func (i *Issuer) obtain(ctx context.Context, p *presented, op operation, provider *Provider, spent store.Spent, key seal.DataKey) (*AccessToken, error) {
	clause := p.token.Clause(spent.Clause)
	asked := restriction.Ask(clause, restriction.Access{Scopes: op.scopes, Audiences: op.audiences}, restriction.Access{})

	// 3. Wait for the turn of the grant. If step 2 did not take the lease, take it now
	// (durable): another process had it, or another request of this one.
	//
	// A crash after it leaves the lease, as after step 2. But then nobody knows whether the
	// provider was asked: the next holder waits until this node has recovered, unless the
	// provider tolerates a refresh token that it has replaced.
	//
	// 4. Ask the provider once, while no step of the store is open.
	//
	// A crash before the answer is kept can lose a new refresh token. Once this node has
	// recovered, the next holder tries the old one. If the provider refuses it twice, the
	// user logs in again; see StartReconnect.
	//
	// 5. Keep a new refresh token: in the spill (durable), then in the store (durable). The
	// same step ends the lease. Without a new refresh token, the lease goes to the next
	// request of this process that waits for it, or to one with the same mytoken that is in
	// step 2; or else it is ended, and nobody waits until that is durable.
	//
	// A crash between the two loses no refresh token: Recover or the next holder of the
	// lease commits what the spill holds. A crash after both loses the access token
	// alone. The use stays charged, as after step 2. A crash of the store may undo the end
	// of a lease that was not waited for. That is the same as a crash after step 3, and the
	// node holds no refresh token that the store lacks. If its process lives, it says so
	// with its next heartbeat.
	//
	// 6. Check that the token is still live: once, after the provider has answered, for all
	// requests that share the answer. Each of their uses was charged while the token was
	// live, before that check or after it. A crash after it loses no more than one before.
	first := false // of the requests that share the answer
	tokens, unsettled, err := i.refresh(ctx, p, provider, refresh.Request{
		Grant: spent.Grant, Key: key, Subject: p.token.OIDCSubject(),
		Scopes: asked.Scopes, Audiences: asked.Audiences, Wish: op.wish,
		Confirm: func(ctx context.Context, err error) error {
			first = true
			return i.confirmLive(ctx, p, provider, key, err)
		},
		Abandoned: func(ctx context.Context, err error) {
			if !refresh.Charged(err) { // nobody gets the answer
				_, _ = i.callOff(ctx, p, op)
			}
		},
	})

	// Without an answer that may be handed out, refund the use (durable), unless the
	// provider may have acted. An unsettled error leaves the charge alone: the provider may
	// have acted, or it is still asked and the use is settled afterwards.
	//
	// A crash before the refund leaves the use charged, as after step 2. After it,
	// nothing is lost.
	switch {
	case unsettled:
		return nil, asRepeatable(err, p.free(op.kind))
	case err != nil:
		i.reject(ctx, p.id.ID, op.client, err) // other errors were reported elsewhere
		return nil, i.giveBack(ctx, p, op, err)
	}

	// 7. Check that the answer is inside the clause; else refund. Record that this use is
	// handed out, and keep the access token (one durable step, for a request with an ID).
	//
	// A crash after it leaves the use charged. A repetition with the same ID gets the same
	// access token.
	if err := i.insideClause(ctx, p, provider, clause, asked, tokens); err != nil {
		return nil, i.giveBack(ctx, p, op, err)
	}
	out := &AccessToken{mytoken.AccessToken{
		Token: mytoken.NewSecret(tokens.AccessToken), TokenType: tokens.TokenType, Expires: tokens.Expiry,
		Scopes: slices.Clone(tokens.Scopes), Audiences: slices.Clone(tokens.Audiences), // others share the answer
	}}
	if first && !i.outlives(tokens, clause) {
		i.cacheAccess(ctx, p, op, provider, key, spent, tokens, out)
	}
	return i.claim(ctx, p, op, key, out)
}

// refresh asks the provider for a presented token, as steps 3 to 6 say. It translates the
// errors of the refresher to those of the issuer. An unsettled error leaves the charge
// alone.
func (i *Issuer) refresh(ctx context.Context, p *presented, provider *Provider, req refresh.Request) (tokens *oidcupstream.Tokens, unsettled bool, err error) {
	req.Token, req.Provider = p.id.ID, provider.Upstream
	if req.Confirm == nil {
		req.Confirm = func(ctx context.Context, err error) error { return i.confirmLive(ctx, p, provider, req.Key, err) }
	}
	tokens, unsettled, err = i.refresher.Refresh(ctx, req)
	f, failed := errors.AsType[*refresh.Failure](err)
	if !failed {
		return tokens, unsettled, err
	}
	switch f.Reason {
	case refresh.Ended:
		err = &ReconnectError{Grant: req.Grant, cause: f.Err}
	case refresh.Busy:
		busy := &BusyError{RetryAfter: max(f.RetryAfter, time.Second), cause: f.Err}
		if e, ok := errors.AsType[*StoreError](f.Err); ok { // callers would repeat at once
			busy.cause = e.cause
		}
		err = busy
	case refresh.Closed:
		err = ErrClosed
	case refresh.NoAnswer:
		err = noAnswer(f.Description, f.Err, !f.Charged)
	default:
		err = &UpstreamError{
			Op: opRefresh, Status: f.Status, Code: f.Code, Description: f.Description, Charged: f.Charged, RetryAfter: f.RetryAfter,
			suspect: f.Reason == refresh.Suspect, cause: f.Err,
		}
	}
	return tokens, unsettled, err
}

// confirmLive is the check of step 6, for a refresh that ended with err. A login that the
// provider refuses may be one that was revoked meanwhile: then that is the cause.
func (i *Issuer) confirmLive(ctx context.Context, p *presented, provider *Provider, key seal.DataKey, err error) error {
	f, failed := errors.AsType[*refresh.Failure](err)
	if err != nil && !(failed && (f.Reason == refresh.Ended || f.Reason == refresh.Suspect)) {
		return err
	}
	live := i.stillLive(ctx, p, provider, key)
	if err == nil || isA[*TokenError](live) {
		return live
	}
	return err
}

// stillLive returns an error if the token was revoked while the provider was asked, or if
// the store does not say. After a revocation it also revokes the refresh token at the
// provider, if no token uses it any more.
//
// It does not present the token to the store again: a token that was rotated meanwhile is
// live.
func (i *Issuer) stillLive(ctx context.Context, p *presented, provider *Provider, key seal.DataKey) error {
	info, err := i.ledger.Token(ctx, p.id.ID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return &TokenError{Reason: TokenUnknown, cause: err}
	case err != nil:
		return err
	case info.Live:
		return nil
	}
	i.revokeOrphan(ctx, p.id.ID, provider, key)
	return &TokenError{Reason: TokenRevoked}
}

// insideClause refuses an answer that is broader than the clause, whatever was asked for
// (D14). An answer that cannot be read in full counts as broader. Scopes that the
// provider always grants do not count; see [oidcupstream.Config].AlwaysGranted.
func (i *Issuer) insideClause(ctx context.Context, p *presented, provider *Provider, clause *restriction.Clause, asked restriction.Access, tokens *oidcupstream.Tokens) error {
	withhold := func(kind NoticeKind, text, detail string, cause error) error {
		err := &UpstreamError{Op: opRefresh, Status: http.StatusBadGateway, Description: text, cause: cause}
		i.notify(ctx, Notice{Kind: kind, Token: p.id.ID, Detail: text + detail, Err: err})
		return err
	}
	switch {
	case clause == nil:
		return nil
	case clause.Scopes != nil && len(tokens.ScopesUnread) > 0:
		return withhold(NoticeBroaderAnswer, "the scopes of the access token are not known", unread(tokens.ScopesUnread), nil)
	case clause.Audiences != nil && len(tokens.AudiencesUnread) > 0:
		return withhold(NoticeBroaderAnswer, "the audience of the access token is not known", unread(tokens.AudiencesUnread), nil)
	case clause.Audiences != nil && !tokens.AudienceKnown && !provider.InsecureOpaqueAudience:
		return withhold(NoticeBroaderAnswer, "the audience of the access token is not known",
			": it has no aud claim; set issuer.Provider.InsecureOpaqueAudience to hand it out", nil)
	}
	answer := restriction.Access{}
	if tokens.Scopes != nil || tokens.ScopeReturned {
		answer.Scopes = without(provider.Upstream.AlwaysGranted(), tokens.Scopes, tokens.Claimed)
	}
	if tokens.AudienceKnown || len(tokens.Audiences) > 0 {
		answer.Audiences = append([]string{}, tokens.Audiences...)
	}
	if err := restriction.CheckAnswer(clause, asked, answer); err != nil {
		detail := ": " + err.Error()
		if more, ok := errors.AsType[*restriction.BroaderError](err); ok && len(more.Scopes) > 0 {
			detail += "; if the provider always adds these scopes, name them in oidcupstream.Config.AlwaysGranted"
		}
		return withhold(NoticeBroaderAnswer, "the access token is broader than the restrictions allow", detail, err)
	}
	if i.outlives(tokens, clause) {
		const text = "the access token expires after the restriction that admits it"
		if i.cfg.WithholdLongAccessTokens {
			return withhold(NoticeLongAccessToken, text, "", nil)
		}
		i.notify(ctx, Notice{Kind: NoticeLongAccessToken, Token: p.id.ID, Detail: text})
	}
	return nil
}

// outlives reports whether an access token may be used after the clause that admitted it
// ends, or after the present window of its schedule.
func (i *Issuer) outlives(tokens *oidcupstream.Tokens, clause *restriction.Clause) bool {
	if clause == nil {
		return false
	}
	last := clause.Until(i.Now())
	return last != 0 && (tokens.Expiry.IsZero() || tokens.Expiry.Unix() > last)
}

// unread says which parts of an answer cannot be read.
func unread(parts []string) string { return ": cannot read " + strings.Join(parts, ", ") }

// without returns the entries of the lists that are not ignored. The result is not nil.
func without(ignored []string, lists ...[]string) []string {
	skip := make(map[string]bool, len(ignored))
	for _, entry := range ignored {
		skip[entry] = true
	}
	return slices.DeleteFunc(unique.Strings(lists...), func(entry string) bool { return skip[entry] })
}

// dedup returns the strings in a new slice, trimmed, without empty and repeated ones.
func dedup(in []string) []string {
	out := make([]string, 0, len(in))
	for _, s := range in {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return unique.Strings(out)
}

// How a use got its access token, as its event says.
const (
	usedToken = "Used grant_type mytoken"
	usedCache = usedToken + "; returned a cached access token"
)

func atComment(used, comment string) string {
	if comment == "" {
		return used
	}
	return used + ": " + comment
}
