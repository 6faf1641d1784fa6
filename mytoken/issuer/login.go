package issuer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"golang.org/x/oauth2"

	"github.com/mytoken-go/sdk/internal/clip"
	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/internal/redact"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/seal"
)

// LoginRequest asks for a first token. The user gets it by logging in at a provider.
type LoginRequest struct {
	// Provider is the issuer of the provider; required.
	Provider   string
	Properties mytoken.Properties
	Response   mytoken.Response
	// Application is the name of the program that asks, which the user is shown: at most
	// 8 KiB. It is cut to [mytoken.MaxNameLength] characters, and loses control and format
	// characters.
	Application string
	// ReturnTo comes back with the finished login. The embedding service may use it to
	// know where to send the browser, for example. At most 4 KiB.
	ReturnTo string
	// CountFrom is when lifetimes begin to count, such as that of Provider.MaxLifetime.
	// Set it if a page has shown the user what [Issuer.PreviewLogin] returned for this
	// time: the token is then within that, and expires when the page said. A time in the
	// future counts as now. Zero: a login that a consent page shows counts from its start.
	// Any other token counts from its issuing.
	CountFrom time.Time
	// Label is written on the token, and comes back in lists as Record.Label. The token
	// and its descendants do not have it, and no request over the network can set it: it
	// tells the tokens of the embedding service from all others. At most 64 bytes.
	Label  string
	Client Client
}

// hidden is embedded by types that hold a secret in a plain field. They print and encode
// as a placeholder.
type hidden = redact.Hidden

// Login is a login whose browser has not come back yet. It prints, logs and encodes as a
// placeholder.
type Login struct {
	hidden

	// URL is where to send the browser. It holds the state: do not log it.
	URL string
	// State is what the browser will bring back. Bind it to the browser and check that
	// before FinishLogin: put it into the session that the user has with you, or put its
	// [Issuer.BrowserProof] into a cookie. Otherwise an attacker can make a user finish the
	// attacker's login. A cookie with the state itself keeps out such attackers, but nobody
	// who has seen the address at which the user came back.
	State   mytoken.Secret
	Expires time.Time
}

// FinishRequest is what the browser brought back. It prints, logs and encodes as a
// placeholder.
type FinishRequest struct {
	hidden

	// Path is the path of the address at which the browser arrived, without escapes and
	// as the browser sees it: with every prefix that a proxy strips. Required. It must be
	// the path of the RedirectURL of the provider at which the login was started.
	Path string
	// Query holds the parameters of the authorization response (RFC 6749 section 4.1.2,
	// RFC 9207).
	Query url.Values
	// Remember keeps what becomes of the login, for [Issuer.EndedLogin].
	Remember bool
	Client   Client
}

// LoginResult is the outcome of a login. Application and ReturnTo are those of the
// request.
type LoginResult struct {
	// Issued is the token. It is nil if somebody polls for it, and after a reconnect.
	Issued *mytoken.Issued
	// Polled says that [Issuer.Poll] hands out the token.
	Polled bool
	// Reconnected says that this login replaced the refresh token of an existing tree.
	// Narrower names the scopes that the tree lost with the old refresh token.
	Reconnected bool
	Narrower    []string
	Application string
	ReturnTo    string
}

// StartLogin begins a login without a consent page of the issuer. The embedding service
// decides what the token may do. Only the provider asks the user. StartLogin refuses at
// once what the policy refuses before a login. Errors are [ErrUnknownProvider],
// [*RequestError], [*PolicyError], [*BusyError], [*UpstreamError] and [*StoreError]. A
// request beyond Limits.LoginBytes is a [*RequestError].
func (i *Issuer) StartLogin(ctx context.Context, req LoginRequest) (*Login, error) {
	pending, err := i.newPending(req)
	if err != nil {
		return nil, err
	}
	if err := i.foresee(ctx, pending, req.Client); err != nil {
		i.policyRefused(ctx, PolicyConsent, mytoken.TokenID{}, req.Client, err)
		return nil, err
	}
	return i.authorize(ctx, pending, seal.NewDataKey(), store.TicketChanges{})
}

// foresee gives a login the properties that its token will have, as far as that is known
// before the user has logged in. If nobody sees them, it only asks whether they are
// refused.
func (i *Issuer) foresee(ctx context.Context, pending *pendingLogin, client Client) error {
	provider, err := i.provider(pending.Provider)
	if err != nil {
		return err
	}
	props := pending.Properties.properties()
	s := Issuance{Kind: PolicyConsent, Properties: &props, CountFrom: pending.countFrom(i.Now()), Client: client}
	if !pending.isShown() {
		_, err := i.reviewFirst(ctx, provider, s)
		return err
	}
	if props, err = i.reviewShown(ctx, provider, s); err != nil {
		return err
	}
	pending.Properties = toStored(props)
	return i.checkSize(*pending)
}

// newPending checks a request for a login.
func (i *Issuer) newPending(req LoginRequest) (*pendingLogin, error) {
	provider, err := i.provider(req.Provider)
	if err != nil {
		return nil, err
	}
	if err := cmp.Or(checkResponse(req.Response), checkLength("application_name", req.Application), checkLabel(req.Label)); err != nil {
		return nil, err
	}
	props, err := i.firstProperties(req.Properties, earlier(req.CountFrom, i.Now()))
	if err != nil {
		return nil, err
	}
	pending, err := i.openPending(provider, req.ReturnTo, req.Client)
	if err != nil {
		return nil, err
	}
	pending.Properties, pending.Response, pending.Label = toStored(props), req.Response, req.Label
	pending.CountFrom = store.At(req.CountFrom)
	pending.Response.Type = cmp.Or(pending.Response.Type, mytoken.ResponseToken)
	pending.Application = legible.Replace(clip.Runes(req.Application, mytoken.MaxNameLength), "\uFFFD")
	return pending, i.checkSize(*pending)
}

func checkLabel(label string) error {
	if len(label) > maxLabelLength || legible.Refuse(label) != "" {
		return &RequestError{Field: "label", Reason: fmt.Sprintf("%q: use at most %d bytes of legible text", clip.Name(label), maxLabelLength)}
	}
	return nil
}

// checkSize refuses a login that would be larger than Limits.LoginBytes, now or with what
// its next steps add.
func (i *Issuer) checkSize(pending pendingLogin) error {
	code := strings.Repeat("x", 43) // a PKCE verifier is longer than a nonce
	pending.Polling, pending.Verifier, pending.Nonce = make([]byte, len(store.TicketID{})), code, code
	text, err := json.Marshal(pending)
	if err != nil {
		return fmt.Errorf("issuer: %w", err)
	}
	if most := i.cfg.Limits.LoginBytes; len(text) > most {
		return &RequestError{Field: "login", Reason: fmt.Sprintf(
			"%d bytes with restrictions, capabilities and redirect_uri: at most %d are allowed (Limits.LoginBytes)", len(text), most)}
	}
	return nil
}

// openPending returns a new login that has its provider, return address and client, and
// nothing else yet.
func (i *Issuer) openPending(provider *Provider, returnTo string, client Client) (*pendingLogin, error) {
	if len(returnTo) > maxReturnLength || !utf8.ValidString(returnTo) {
		return nil, &RequestError{Field: "redirect_uri", Reason: fmt.Sprintf("longer than %d bytes, or not UTF-8", maxReturnLength)}
	}
	return &pendingLogin{
		Provider: provider.Upstream.Issuer(), ReturnTo: returnTo,
		Address: addressText(client), Expires: store.At(i.Now().Add(i.cfg.CodeLifetime)),
	}, nil
}

// authorize stores the login under a new state, in one step with the given changes, and
// returns where to send the browser.
func (i *Issuer) authorize(ctx context.Context, pending *pendingLogin, key seal.DataKey, changes store.TicketChanges) (*Login, error) {
	provider, err := i.provider(pending.Provider)
	if err != nil {
		return nil, err
	}
	state := randomURLSafe(stateBytes)
	pending.Verifier, pending.Nonce = oauth2.GenerateVerifier(), randomURLSafe(stateBytes)
	scopes, audiences := pending.access(provider.Upstream)
	target, err := provider.Upstream.AuthorizationURL(ctx, oidcupstream.AuthorizationRequest{
		State: state, Nonce: pending.Nonce, Verifier: pending.Verifier, Scopes: scopes, Audiences: audiences,
	})
	if errors.Is(err, oidcupstream.ErrRequest) { // a restriction allows more characters than a provider
		return nil, &RequestError{Field: "restrictions", Reason: "the provider cannot be asked for these scopes or audiences", cause: err}
	} else if err != nil {
		err = upstreamUnavailable(opAuthorize, err)
		i.providerFailed(ctx, pending.client(), GrantID{}, err)
		return nil, err
	}
	ref := i.codeRef(store.TicketState, state)
	ticket, err := i.loginTicket(ref, state, key, pending)
	if err != nil {
		return nil, err
	}
	if pending.Reconnect != nil { // revoking the token also ends this login
		copy(ticket.Token[:], pending.Reconnect.Token)
	}
	if err := i.storeLogin(ctx, ticket, changes); err != nil {
		return nil, err
	}
	return &Login{URL: target, State: mytoken.NewSecret(state), Expires: pending.Expires.Time()}, nil
}

// storeLogin stores a login, in one step with the given changes. A login that consumes
// its last ticket goes on waiting. Any other one is new, and has to find a place.
func (i *Issuer) storeLogin(ctx context.Context, ticket store.Ticket, changes store.TicketChanges) error {
	isNew := len(changes.Consume) == 0
	if isNew {
		if wait, room := i.waiting.Enter(ticket.TicketRef, ticket.Expires.Time(), i.Now()); !room {
			return &BusyError{RetryAfter: wait}
		}
	}
	changes.Put = append(changes.Put, ticket)
	err := i.changeTickets(ctx, changes)
	switch {
	case err == nil && !isNew:
		i.waiting.Move(changes.Consume[0], ticket.TicketRef)
	case err != nil && isNew && !mayHaveEffect(err): // otherwise it may be stored
		i.waiting.Leave(ticket.TicketRef)
	}
	if isNew { // a login that nobody can finish costs nothing
		return asRepeatable(err, true)
	}
	return err
}

// changeTickets changes the tickets of codes.
func (i *Issuer) changeTickets(ctx context.Context, changes store.TicketChanges) error {
	return codeError(i.ledger.changeTickets(ctx, changes))
}
