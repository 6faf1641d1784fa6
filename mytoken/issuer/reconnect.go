package issuer

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/seal"
)

// reconnect is what a login needs to know to replace the refresh token of an
// existing grant. The grant's key is here only as long as the login is open,
// sealed like everything of a login that is not finished.
type reconnect struct {
	Grant []byte `json:"grant"`
	Token []byte `json:"token"` // the token that asked
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

// StartReconnect begins a login of the same user that replaces the refresh
// token behind a tree of tokens: after the provider has ended the old login
// (*ReconnectError), or before. It asks for the scopes that the last login was
// granted and for the audiences that it asked for. All tokens of the tree live
// on. FinishLogin finishes it, unless the token is revoked meanwhile.
// Possession of a token that may be used here and now is enough: it is the
// user who decides, by logging in. It fails with *TokenError,
// *RefusedError, *RequestError, *UpstreamError or *StoreError.
func (i *Issuer) StartReconnect(ctx context.Context, req ReconnectRequest) (*Login, error) {
	p, err := i.present(ctx, req.Token.Reveal())
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
	// What the last login was granted, and what it asked for, is asked for again.
	pending.Scopes, pending.Audiences = strings.Fields(grant.Scope), splitAudiences(grant.Audience)
	return i.authorize(ctx, pending, seal.NewDataKey(), store.TicketChanges{})
}

func (i *Issuer) grantState(ctx context.Context, id store.GrantID) (store.RefreshState, error) {
	state, err := i.ledger.Grant(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		err = &ReconnectError{Grant: id}
	}
	return state, err
}

// reconnect puts the refresh token of the login into its grant. It returns the
// scopes that are lost.
func (l *login) reconnect(ctx context.Context, tokens *oidcupstream.Tokens) ([]string, error) {
	i, r := l.i, l.pending.Reconnect
	if tokens.Subject != r.Sub {
		return nil, &LoginError{Code: "access_denied", Description: "somebody else logged in"}
	}
	var grant store.GrantID
	if copy(grant[:], r.Grant) != len(grant) {
		return nil, errors.New("issuer: stored login is incomplete")
	}
	key, err := seal.ParseDataKey(r.Key)
	if err != nil {
		return nil, err
	}
	lease := newLeaseID()
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
			// The ticket belongs to the token that asked: it is not there
			// any more if that was revoked meanwhile.
			Tickets: store.TicketChanges{By: l.by, Consume: []store.TicketRef{l.ticket.TicketRef}},
		})
		if errors.Is(err, store.ErrConflict) && try < 5 {
			continue // a refresh was faster; what it stored is replaced
		}
		if errors.Is(err, store.ErrTicketNotFound) {
			return nil, &LoginError{Code: "access_denied", Description: "the token was revoked meanwhile"}
		} else if err != nil {
			return nil, codeError(err)
		}
		i.notify(ctx, Notice{Kind: NoticeReconnected, Token: l.ticket.Token, Grant: grant, Client: l.client})
		lost := slices.DeleteFunc(strings.Fields(old.Scope), func(s string) bool { return slices.Contains(tokens.Scopes, s) })
		return lost, nil
	}
}

func joinScopes(scopes []string) string { return strings.Join(scopes, " ") }

// joinAudiences is for audiences that a provider can be asked for: they hold no
// space.
func joinAudiences(audiences []string) string { return strings.Join(audiences, " ") }

// splitAudiences is the reverse of joinAudiences.
func splitAudiences(joined string) []string {
	if joined == "" {
		return nil
	}
	return strings.Split(joined, " ") // there may be other white space in them
}
