package issuer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/oauth2"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/seal"
)

// LoginRequest asks for a first token, which needs a login at a provider.
type LoginRequest struct {
	// Provider is the issuer of the provider; required.
	Provider   string
	Properties mytoken.Properties
	Response   mytoken.Response
	// Application is the name of the program that asks, shown to the user. It
	// is cut to mytoken.MaxNameLength characters.
	Application string
	// ReturnTo is kept for the embedding service, which gets it back when the
	// login is finished: for example where to send the browser. At most
	// MaxReturnLength bytes.
	ReturnTo string
	Client   Client
}

// Login is a login that waits for the user's browser to come back. It prints
// and encodes without its secrets.
type Login struct {
	// URL is where to send the browser. It holds the state: do not log it.
	URL string
	// State is what the browser will bring back. Bind it to the browser, for
	// example with a cookie, and compare it before FinishLogin: otherwise a
	// user can be made to finish somebody else's login.
	State   mytoken.Secret
	Expires time.Time
}

// FinishRequest is what the browser brought back. It prints and encodes without
// its secrets.
type FinishRequest struct {
	// Query holds the parameters of the authorization response (RFC 6749
	// 4.1.2, RFC 9207).
	Query  url.Values
	Client Client
}

// LoginResult is the outcome of a login.
type LoginResult struct {
	// Issued is the token; nil if somebody polls for it, or for a reconnect.
	Issued *mytoken.Issued
	// Polled says that the token waits for its polling code.
	Polled bool
	// Reconnected says that this login replaced the refresh token of an
	// existing tree. Narrower then names scopes that the old login had and the
	// new one has not.
	Reconnected bool
	Narrower    []string
	Application string
	ReturnTo    string
}

// StartLogin begins a login without a consent page of the issuer: the
// embedding service decides what the token may do, the provider asks the user.
// It fails with ErrUnknownProvider, *RequestError, *UpstreamError or
// *StoreError.
func (i *Issuer) StartLogin(ctx context.Context, req LoginRequest) (*Login, error) {
	pending, err := i.newPending(req)
	if err != nil {
		return nil, err
	}
	return i.authorize(ctx, pending, seal.NewDataKey(), store.TicketChanges{})
}

// newPending checks a request for a login.
func (i *Issuer) newPending(req LoginRequest) (*pendingLogin, error) {
	provider, err := i.provider(req.Provider)
	if err != nil {
		return nil, err
	}
	props, err := i.firstProperties(req.Properties)
	if err != nil {
		return nil, err
	}
	pending, err := i.openPending(provider, req.ReturnTo, req.Client)
	if err != nil {
		return nil, err
	}
	pending.Properties, pending.Response = toStored(props), normalResponse(req.Response)
	pending.Application = strings.ToValidUTF8(cut(req.Application, mytoken.MaxNameLength), "\uFFFD")
	return pending, nil
}

// openPending is a login of which nothing is known but where it comes from.
func (i *Issuer) openPending(provider *Provider, returnTo string, client Client) (*pendingLogin, error) {
	if len(returnTo) > MaxReturnLength || !utf8.ValidString(returnTo) {
		return nil, &RequestError{Field: "redirect_uri", Reason: fmt.Sprintf("longer than %d bytes, or not UTF-8", MaxReturnLength)}
	}
	return &pendingLogin{
		Provider: provider.Upstream.Issuer(), ReturnTo: returnTo,
		Address: addressText(client), Expires: store.At(i.now().Add(i.cfg.CodeLifetime)),
	}, nil
}

// authorize stores the login under a new state, together with the changes that
// lead to it, and returns where the browser has to go.
func (i *Issuer) authorize(ctx context.Context, pending *pendingLogin, key seal.DataKey, changes store.TicketChanges) (*Login, error) {
	provider, err := i.provider(pending.Provider)
	if err != nil {
		return nil, err
	}
	state := randomURLSafe(stateBytes)
	pending.Verifier, pending.Nonce = oauth2.GenerateVerifier(), randomURLSafe(stateBytes)
	props := pending.Properties.properties()
	scopes, audiences := requested(props.Restrictions, provider.Upstream)
	if len(pending.Scopes) > 0 {
		scopes = pending.Scopes
	}
	pending.Audiences = dedup(slices.Concat(pending.Audiences, audiences))
	target, err := provider.Upstream.AuthorizationURL(ctx, oidcupstream.AuthorizationRequest{
		State: state, Nonce: pending.Nonce, Verifier: pending.Verifier, Scopes: scopes, Audiences: pending.Audiences,
	})
	if errors.Is(err, oidcupstream.ErrRequest) { // a provider takes fewer characters than a restriction
		return nil, &RequestError{Field: "restrictions", Reason: "the provider cannot be asked for these scopes or audiences", cause: err}
	} else if err != nil {
		return nil, upstreamUnavailable(err)
	}
	ref := i.codeRef(store.TicketState, state)
	ticket, err := i.loginTicket(ref, state, key, pending)
	if err != nil {
		return nil, err
	}
	if pending.Reconnect != nil { // with the token ends the login that it asked for
		copy(ticket.Token[:], pending.Reconnect.Token)
	}
	changes.Put = append(changes.Put, ticket)
	if err := i.changeTickets(ctx, changes); err != nil {
		return nil, err
	}
	return &Login{URL: target, State: mytoken.NewSecret(state), Expires: pending.Expires.Time()}, nil
}

// requested is what the provider is asked to grant (protocol section 9.2,
// D12): the union over the clauses. If a clause does not say, these are all
// scopes that are configured and those of the other clauses, and no audiences,
// which leaves them to the provider. (Where the provider gives tokens only for
// audiences that the login asked for, each clause should name its own.)
func requested(list restriction.List, upstream *oidcupstream.Provider) (scopes, audiences []string) {
	scopes, bounded := list.ScopeUnion()
	if !bounded {
		scopes = upstream.Scopes()
		for _, c := range list {
			scopes = append(scopes, c.Scopes...)
		}
		scopes = dedup(scopes)
	}
	if audiences, bounded = list.AudienceUnion(); !bounded {
		audiences = nil
	}
	return scopes, audiences
}

// upstreamUnavailable says that the provider could not be asked, or gave no
// usable answer.
func upstreamUnavailable(err error) error {
	out := &UpstreamError{Status: http.StatusBadGateway, cause: err}
	var up *oidcupstream.Error
	if errors.As(err, &up) {
		out.Code, out.Description = up.Code, up.Description
		if up.Outcome == oidcupstream.NotSent {
			out.Status = http.StatusServiceUnavailable
		}
	}
	return out
}

// changeTickets changes tickets and translates what may go wrong.
func (i *Issuer) changeTickets(ctx context.Context, changes store.TicketChanges) error {
	return codeError(i.ledger.changeTickets(ctx, changes))
}

// codeError translates what the store says about a code.
func codeError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrTicketExpired):
		return &CodeError{Reason: CodeExpired}
	case errors.Is(err, store.ErrTicketNotFound), errors.Is(err, store.ErrTicketTaken):
		return &CodeError{Reason: CodeUnknown}
	case errors.Is(err, store.ErrConflict):
		return &CodeError{Reason: CodePending}
	}
	return err
}
