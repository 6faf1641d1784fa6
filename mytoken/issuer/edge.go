package issuer

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"maps"
	"slices"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/seal"
)

// This file holds what an edge needs beyond the issuer's own operations: a program that
// offers an issuer to others, over HTTP or otherwise.

// RestrictionKeys returns the keys that clauses of a request may use here: first those of
// the protocol, in the order of protocol section 2.1, then those of your own conditions.
func (i *Issuer) RestrictionKeys() []string { return i.cfg.Restrictions.SupportedKeys() }

// RestrictionOptions returns how this issuer evaluates restrictions, for forecasts and
// comparisons.
func (i *Issuer) RestrictionOptions() restriction.Options {
	o := i.cfg.Restrictions
	o.Conditions, o.Disabled = maps.Clone(o.Conditions), slices.Clone(o.Disabled)
	return o
}

// PendingLogin is a login whose browser has not come back yet.
type PendingLogin struct {
	// Provider is the issuer of the provider at which the user logs in.
	Provider string
	// Polled says that the token goes to the program that started the login. Otherwise it
	// goes to the browser that finishes it.
	Polled      bool
	Application string
	ReturnTo    string
}

// PendingLogin describes the login with the given state, before [Issuer.FinishLogin] uses
// the state up. It changes nothing. Errors are [ErrState] and [*StoreError].
func (i *Issuer) PendingLogin(ctx context.Context, state mytoken.Secret) (*PendingLogin, error) {
	_, _, p, err := i.resolveLogin(ctx, store.TicketState, state.Reveal())
	if err != nil {
		return nil, stateError(err)
	}
	_, polled := p.polling()
	return &PendingLogin{Provider: p.Provider, Polled: polled, Application: p.Application, ReturnTo: p.ReturnTo}, nil
}

// PreviewLogin returns the properties of the token that this login would lead to, as far
// as that is known before the user has logged in: with the defaults, the maximum lifetime
// of the provider, and what the policy leaves of them ([PolicyConsent]). The final token
// has these or less, if [LoginRequest.CountFrom] stays the same. PreviewLogin asks nobody
// but the policy, and stores and spends nothing. Errors are [ErrUnknownProvider],
// [*RequestError] and [*PolicyError].
func (i *Issuer) PreviewLogin(ctx context.Context, req LoginRequest) (*mytoken.Properties, error) {
	req.CountFrom = earlier(req.CountFrom, i.Now())
	pending, err := i.newPending(req)
	if err != nil {
		return nil, err
	}
	if err := i.foresee(ctx, pending, req.Client); err != nil {
		return nil, err
	}
	props := pending.Properties.properties()
	return &props, nil
}

// CheckLogin returns the error with which [Issuer.PreviewLogin] refuses a login before it
// asks the policy: [ErrUnknownProvider] or a [*RequestError]. It asks nobody. So strangers
// may call it as often as they like.
func (i *Issuer) CheckLogin(req LoginRequest) error {
	req.CountFrom = earlier(req.CountFrom, i.Now())
	_, err := i.newPending(req)
	return err
}

// PreviewConsent returns the properties of the token that [Issuer.Approve] would lead to.
// It is [Issuer.PreviewLogin] for a login that waits for consent. It uses nothing up, so a
// consent page can show the properties that a user is about to agree to. Errors are
// [*CodeError], [*RequestError], [*PolicyError] and [*StoreError].
func (i *Issuer) PreviewConsent(ctx context.Context, code mytoken.Secret, agreed mytoken.Properties) (*mytoken.Properties, error) {
	_, _, pending, err := i.resolveLogin(ctx, store.TicketConsent, code.Reveal())
	if err != nil {
		return nil, err
	}
	if err := i.agree(ctx, pending, agreed); err != nil {
		return nil, err
	}
	props := pending.Properties.properties()
	return &props, nil
}

// EndedLogin is what became of a login. One of Record, Declined, Failure and
// Reconnected says it. The other fields are those of the request.
type EndedLogin struct {
	// Record describes the token that the login created, as [Issuer.List] does.
	Record   *mytoken.Record
	Declined bool // by the user, on the consent page
	Failure  *LoginError
	// Reconnected says that the login replaced the refresh token of an existing tree.
	Reconnected bool
	Provider    string
	// Polled says that the token went to the program that started the login.
	Polled      bool
	Application string
	ReturnTo    string
}

// EndedLogin says what became of the login with the given state, or of the one whose
// consent code was declined. It knows that for Config.CodeLifetime after the end, if
// FinishRequest.Remember was set, and forgets it when the token is revoked. Of logins that
// failed or were declined it knows Limits.PendingLogins in each process. It changes
// nothing.
//
// Errors are [*CodeError], with [CodePending] while the login waits for the browser or is
// being finished, and [*StoreError].
func (i *Issuer) EndedLogin(ctx context.Context, code mytoken.Secret) (*EndedLogin, error) {
	t, err := i.resolveEnded(ctx, code.Reveal())
	if err != nil {
		return nil, err
	}
	var rec endedRecord
	key := seal.FromSecret(seal.PurposeTicketPayload, code.Reveal())
	if err := i.openJSON(store.TicketPayloadPlace(t.TicketRef), key, t.Payload, &rec); err != nil {
		return nil, loginUnreadable(err)
	}
	out := &EndedLogin{
		Declined: rec.Declined, Reconnected: rec.Reconnected, Provider: rec.Provider, Polled: rec.Polled, Application: rec.Application, ReturnTo: rec.ReturnTo,
	}
	if rec.Failure != nil {
		out.Failure = rec.Failure.failure()
	}
	if a := rec.Token; a != nil {
		out.Record = &mytoken.Record{
			ID: t.Token, Name: legible.Show(a.Name), Created: a.Created.Time(), Expires: a.Expires.Time(), Provider: rec.Provider,
			Capabilities: a.Capabilities, Restrictions: a.Restrictions, Rotation: a.Rotation,
		}
	}
	return out, nil
}

// resolveEnded finds the ticket of a login that ended.
func (i *Issuer) resolveEnded(ctx context.Context, code string) (store.Ticket, error) {
	if !isCode(code) {
		return store.Ticket{}, &CodeError{Reason: CodeUnknown}
	}
	t, err := i.ledger.resolveTicket(ctx, store.TicketState, i.cfg.Seal.Lookup(store.TicketState, endedPrefix+code))
	if !errors.Is(err, store.ErrTicketNotFound) {
		return t, codeError(err)
	}
	_, err = i.ledger.resolveTicket(ctx, store.TicketState, i.cfg.Seal.Lookup(store.TicketState, code))
	if err == nil {
		return t, &CodeError{Reason: CodePending}
	}
	return t, codeError(err)
}

// endedPrefix tells what became of a login from the login itself; see isCode.
const endedPrefix = "ended "

// endedRecord is what the store keeps of a login that ended. The code of the login opens
// it.
type endedRecord struct {
	Declined    bool           `json:"declined,omitempty"`
	Failure     *failureRecord `json:"failure,omitempty"`
	Reconnected bool           `json:"reconnected,omitempty"`
	Token       *endedToken    `json:"token,omitempty"`
	Provider    string         `json:"provider"`
	Polled      bool           `json:"polled,omitempty"`
	Application string         `json:"application,omitempty"`
	ReturnTo    string         `json:"return_to,omitempty"`
}

type endedToken struct {
	storedProperties
	ID      mytoken.TokenID `json:"-"`
	Created store.Micros    `json:"created"`
	Expires store.Micros    `json:"expires,omitempty"`
}

func describeEnded(t *mytoken.Token) *endedToken {
	return &endedToken{
		storedProperties: storedProperties{Name: t.Name(), Capabilities: t.Capabilities(), Restrictions: t.Restrictions(), Rotation: t.Rotation()},
		ID:               t.ID(), Created: store.At(t.IssuedAt()), Expires: store.At(t.ExpiresAt()),
	}
}

// endedTicket makes a ticket that says what became of a login. It belongs to the token
// that the login created, and goes with it.
func (i *Issuer) endedTicket(code string, pending *pendingLogin, rec endedRecord) (store.Ticket, error) {
	_, rec.Polled = pending.polling()
	rec.Provider, rec.Application, rec.ReturnTo = pending.Provider, pending.Application, pending.ReturnTo
	t := store.Ticket{
		TicketRef: i.codeRef(store.TicketState, endedPrefix+code), Status: store.TicketReady, Expires: store.At(i.Now().Add(i.cfg.CodeLifetime)),
	}
	if rec.Token != nil {
		t.Token = rec.Token.ID
	}
	var err error
	t.Payload, err = i.sealJSON(store.TicketPayloadPlace(t.TicketRef), seal.FromSecret(seal.PurposeTicketPayload, code), rec)
	return t, err
}

// rememberEnd adds to changes how a login ended that failed or was declined. Strangers can
// bring about such ends, so it leaves out what is beyond Limits.PendingLogins.
func (i *Issuer) rememberEnd(changes *store.TicketChanges, code string, pending *pendingLogin, rec endedRecord) error {
	ended, err := i.endedTicket(code, pending, rec)
	if err != nil {
		return err
	}
	if _, room := i.ended.Enter(ended.TicketRef, ended.Expires.Time(), i.Now()); room {
		changes.Put = append(changes.Put, ended)
	}
	return nil
}

// Preview returns the properties that [Issuer.Derive] would give a child. It spends
// nothing, stores no token and records no event. Errors are those of Derive.
func (i *Issuer) Preview(ctx context.Context, req DeriveRequest) (*mytoken.Properties, error) {
	return again(ctx, req.Client, func() (*mytoken.Properties, error) { return i.previewOnce(ctx, req) })
}

func (i *Issuer) previewOnce(ctx context.Context, req DeriveRequest) (*mytoken.Properties, error) {
	p, err := i.present(ctx, req.Token, req.Client)
	if err != nil {
		return nil, err
	}
	_, provider, err := i.admit(ctx, p, operation{
		kind: restriction.Other, needs: capability.CreateMytoken, provider: req.Provider, client: req.Client,
	})
	if err != nil {
		return nil, i.refused(ctx, p, req.Client, err)
	}
	state, err := i.lookup(ctx, p)
	if err != nil {
		return nil, err
	}
	if err := i.admitChild(ctx, p.token.Owner()); err != nil {
		return nil, err
	}
	props, _, err := i.childProperties(ctx, p.token, provider, usages(state.Counters), req)
	if err != nil {
		return nil, err
	}
	return &props, nil
}

// AuthorizeRequest asks whether a token may do something that the embedding service
// offers, such as changing a setting of the user.
type AuthorizeRequest struct {
	Token mytoken.Secret
	// ID names the request. A repetition with the same ID counts once. Zero: a new one.
	ID UseID
	// Needs is the capability that the token must have; required.
	Needs capability.Capability
	// Event is recorded in the history of the token, with Comment; required.
	Event, Comment string
	// Provider is the issuer that the client expects. Empty: any.
	Provider string
	Client   Client
}

// Authorized is a token that may do what was asked.
type Authorized struct {
	Claims *mytoken.Token
	// Update replaces the authorising token. It is nil if that was not rotated.
	Update *mytoken.Issued
}

var errAuthorize = errors.New("issuer: AuthorizeRequest names no capability or no event")

// Authorize makes the same checks as the issuer's own operations, and counts as one other
// use of the token. Call it before your operation. If that fails afterwards, the use
// stays charged. Errors are those of [Issuer.AccessToken].
func (i *Issuer) Authorize(ctx context.Context, req AuthorizeRequest) (*Authorized, error) {
	return again(ctx, req.Client, func() (*Authorized, error) { return i.authorizeOnce(ctx, req) })
}

func (i *Issuer) authorizeOnce(ctx context.Context, req AuthorizeRequest) (*Authorized, error) {
	if req.Needs == "" || req.Event == "" {
		return nil, errAuthorize
	}
	if err := checkText("comment", req.Comment); err != nil {
		return nil, err
	}
	p, spent, err := i.presentAndCharge(ctx, req.Token, operation{
		id: req.ID, kind: restriction.Other, needs: req.Needs, provider: req.Provider, client: req.Client,
		event: req.Event, comment: req.Comment,
	})
	if err != nil {
		return nil, err
	}
	update, err := i.rotateOrFail(ctx, p, restriction.Other, spent.Key, req.Client)
	if err != nil {
		return nil, p.afterCharge(err)
	}
	return &Authorized{Claims: p.token, Update: update}, nil
}

// InspectRequest asks about a token that somebody else presented.
type InspectRequest struct {
	Token mytoken.Secret
	// Client is the service that asks. It appears in notices alone.
	Client Client
}

// Inspect describes a live token to a service that the operator trusts. Authenticate that
// service first. Unlike [Issuer.Introspect], Inspect needs no capability, ignores
// restrictions, and records no event. Errors are [*TokenError] and [*StoreError].
func (i *Issuer) Inspect(ctx context.Context, req InspectRequest) (*Introspection, error) {
	return again(ctx, req.Client, func() (*Introspection, error) { return i.inspectOnce(ctx, req) })
}

func (i *Issuer) inspectOnce(ctx context.Context, req InspectRequest) (*Introspection, error) {
	p, err := i.present(ctx, req.Token, req.Client)
	if err != nil {
		return nil, err
	}
	state, err := i.lookup(ctx, p)
	if err != nil {
		return nil, err
	}
	return introspection(p, &state), nil
}

// BrowserProof returns a text that binds a login to a browser. Its code is the state, or
// the consent code. Keep the text in a cookie of the browser that starts the login or
// agrees to it, and check it with [Issuer.IsBrowserProof] before FinishLogin. Only issuers
// with the same server keys can make it. So nobody finishes a login who has merely seen the
// address at which the user came back, in the log of a proxy for example.
func (i *Issuer) BrowserProof(code mytoken.Secret) mytoken.Secret {
	return mytoken.NewSecret(i.browserProofs(code)[0])
}

// IsBrowserProof reports whether a text is the [Issuer.BrowserProof] of a code.
func (i *Issuer) IsBrowserProof(code, proof mytoken.Secret) bool {
	ok := 0
	for _, own := range i.browserProofs(code) {
		ok |= subtle.ConstantTimeCompare([]byte(own), []byte(proof.Reveal()))
	}
	return ok == 1
}

// browserProofs returns the proofs under each readable key, the active one first.
func (i *Issuer) browserProofs(code mytoken.Secret) []string {
	ids := i.cfg.Seal.Lookup(store.TicketState, "browser "+code.Reveal()) // no code holds a space
	out := make([]string, len(ids))
	for n, id := range ids {
		out[n] = base64.RawURLEncoding.EncodeToString(id[:])
	}
	return out
}

// markLength is the number of letters of a mark: 39 bits.
const markLength = 7

// MarkCode appends a mark to a code. Every issuer with the same server keys recognises
// the mark without asking the store.
//
// An edge that limits how often clients may guess codes lets marked ones pass. So it
// never stops a client that holds an issued code. A marked polling code is still shorter
// than any token (protocol section 1.11). The empty code stays empty.
func (i *Issuer) MarkCode(code mytoken.Secret) mytoken.Secret {
	if code.IsEmpty() {
		return code
	}
	return mytoken.NewSecret(code.Reveal() + i.marks(code.Reveal())[0])
}

// UnmarkCode removes the mark of a code, and reports whether it had a genuine one. It
// returns a code without such a mark as it is.
func (i *Issuer) UnmarkCode(marked mytoken.Secret) (code mytoken.Secret, genuine bool) {
	s := marked.Reveal()
	at := len(s) - markLength
	if at <= 0 || len(s) > maxCodeLength+markLength {
		return marked, false
	}
	ok := 0
	for _, mark := range i.marks(s[:at]) {
		ok |= subtle.ConstantTimeCompare([]byte(mark), []byte(s[at:]))
	}
	if ok != 1 {
		return marked, false
	}
	return mytoken.NewSecret(s[:at]), true
}

// marks returns the marks of a code under each readable key, the active one first.
func (i *Issuer) marks(code string) []string {
	ids := i.cfg.Seal.Lookup(store.TicketPolling, "mark "+code) // no code holds a space
	out := make([]string, len(ids))
	for n, id := range ids {
		mark := make([]byte, markLength)
		for at := range mark { // two bytes a letter, so that all letters are about as likely
			mark[at] = codeLetters[(int(id[2*at])<<8|int(id[2*at+1]))%len(codeLetters)]
		}
		out[n] = string(mark)
	}
	return out
}
