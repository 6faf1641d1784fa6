package issuer

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer/internal/refresh"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/seal"
)

// reconnect is what a login needs to replace the refresh token of an existing grant. It
// holds the key of the grant while the login is open, sealed like the rest of the login.
type reconnect struct {
	Grant []byte `json:"grant"`
	Token []byte `json:"token"` // id of the token that asked
	Key   []byte `json:"key"`
	Sub   string `json:"sub"`
}

// ReconnectRequest asks for a new login for an existing tree of tokens.
type ReconnectRequest struct {
	// Token is any live token of the tree.
	Token    mytoken.Secret
	ReturnTo string
	Client   Client
}

// StartReconnect begins a login of the same user that replaces the refresh token of a
// tree. All tokens of the tree live on. Call it after the provider has ended the old
// login ([*ReconnectError]), or before. Finish it with [Issuer.FinishLogin]. Revoking the
// token cancels the login.
//
// Access tokens that are requested after the login come from it. But if another process
// refreshes the tree just then, a request that reaches it may still get one of the old
// login: as long as the call to the provider takes, or for two seconds, or for as much as
// [Config].Lease exceeds the timeout of the provider and MaxClockSkew.
//
// The login asks for the scopes that the last one was granted, and for the same
// audiences. StartReconnect needs no capability, only a token that may be used now: the
// user decides by logging in. Errors are [*TokenError], [*RefusedError],
// [ErrUnknownProvider], [*RequestError], [*BusyError], [*UpstreamError],
// [*ReconnectError] (the grant is gone) and [*StoreError].
func (i *Issuer) StartReconnect(ctx context.Context, req ReconnectRequest) (*Login, error) {
	return again(ctx, req.Client, func() (*Login, error) { return i.startReconnectOnce(ctx, req) })
}

func (i *Issuer) startReconnectOnce(ctx context.Context, req ReconnectRequest) (*Login, error) {
	p, err := i.present(ctx, req.Token, req.Client)
	if err != nil {
		return nil, err
	}
	_, provider, err := i.admit(ctx, p, operation{kind: restriction.Uncounted, client: req.Client})
	if err != nil {
		return nil, i.refused(ctx, p, req.Client, err)
	}
	state, err := i.lookup(ctx, p)
	if err != nil {
		return nil, err
	}
	key, err := i.dataKey(p, state.Key)
	if err != nil {
		return nil, err
	}
	grant, err := i.grantState(ctx, state.Grant)
	if err != nil {
		return nil, err
	}
	pending, err := i.openPending(provider, req.ReturnTo, req.Client)
	if err != nil {
		return nil, err
	}
	pending.Reconnect = &reconnect{
		Grant: state.Grant[:], Token: p.id.ID[:], Key: key.Reveal(), Sub: p.token.OIDCSubject(),
	}
	pending.Scopes, pending.Audiences = strings.Fields(grant.Scope), refresh.LoginAudiences(grant)
	return i.authorize(ctx, pending, seal.NewDataKey(), store.TicketChanges{})
}

// grantState returns the state of a grant, or a [*ReconnectError] if it does not exist.
func (i *Issuer) grantState(ctx context.Context, id GrantID) (store.RefreshState, error) {
	state, err := i.ledger.Grant(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		err = &ReconnectError{Grant: id}
	}
	return state, err
}

// reconnect puts the refresh token of the login into its grant. It returns the lost
// scopes.
func (l *login) reconnect(ctx context.Context, tokens *oidcupstream.Tokens) ([]string, error) {
	i, r := l.i, l.pending.Reconnect
	if tokens.Subject != r.Sub {
		return nil, &LoginError{Code: "access_denied", Description: "somebody else logged in", Reason: LoginOtherUser}
	}
	var grant GrantID
	if copy(grant[:], r.Grant) != len(grant) {
		return nil, loginUnreadable(errors.New("it names no grant"))
	}
	key, err := seal.ParseDataKey(r.Key)
	if err != nil {
		return nil, err
	}
	// The ticket belongs to the token that asked. If that was revoked meanwhile, the ticket
	// is gone.
	tickets := store.TicketChanges{By: l.by, Consume: []store.TicketRef{l.ticket.TicketRef}}
	if l.remember {
		ended, err := i.endedTicket(l.state, l.pending, endedRecord{Reconnected: true})
		if err != nil {
			return nil, err
		}
		ended.Token = l.ticket.Token
		tickets.Put = []store.Ticket{ended}
	}
	lease := refresh.NewLeaseID()
	for try := 0; ; try++ {
		old, err := i.grantState(ctx, grant)
		if err != nil {
			return nil, err
		}
		sealed, err := i.cfg.Seal.SealWith(store.RefreshTokenPlace(grant, old.Generation+1), key, []byte(tokens.RefreshToken))
		if err != nil {
			return nil, err
		}
		err = i.ledger.replaceGrant(ctx, store.Replacement{
			Grant: grant, Owner: mytoken.Owner(l.provider.Upstream.Issuer(), r.Sub), Lease: lease, Generation: old.Generation, Token: sealed,
			Scope: joinScopes(tokens.Scopes), Audience: joinAudiences(l.pending.Audiences),
			Tickets: tickets,
		})
		if errors.Is(err, store.ErrConflict) && try < 5 {
			continue // a refresh was faster; replace what it stored
		}
		if errors.Is(err, store.ErrTicketNotFound) {
			return nil, &LoginError{Code: "access_denied", Description: "the token was revoked meanwhile", Reason: LoginRevoked}
		} else if err != nil {
			return nil, codeError(err)
		}
		i.refresher.Reconnected(grant)
		i.notify(ctx, Notice{Kind: NoticeReconnected, Token: l.ticket.Token, Grant: grant, Client: l.client, Detail: l.pending.Provider})
		granted := make(map[string]bool, len(tokens.Scopes))
		for _, s := range tokens.Scopes {
			granted[s] = true
		}
		return slices.DeleteFunc(strings.Fields(old.Scope), func(s string) bool { return granted[s] }), nil
	}
}

func joinScopes(scopes []string) string { return strings.Join(scopes, " ") }

// joinAudiences is for audiences that a provider can be asked for, which hold no space.
// The reverse is [refresh.LoginAudiences].
func joinAudiences(audiences []string) string { return strings.Join(audiences, " ") }
