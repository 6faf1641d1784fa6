package issuer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer/internal/errand"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/seal"
)

// presented is a mytoken that somebody presented. Its signature and times are valid. Only
// the store knows whether it is live.
type presented struct {
	token   *mytoken.Token
	compact string
	short   string // the short token, if that was presented
	id      store.Presented
	client  Client // that presented it
	charged bool   // a use of it was counted for the request
	// spent is the use that authorises a revocation. It is zero for any other step.
	spent store.Spent
}

// present resolves a presented string to a verified token (protocol sections 1.5 and
// 1.11).
func (i *Issuer) present(ctx context.Context, s mytoken.Secret, client Client) (*presented, error) {
	compact, short, err := i.resolve(ctx, s.Reveal())
	var token *mytoken.Token
	if err == nil {
		if token, err = i.verifier.Verify(ctx, compact); isA[*mytoken.InvalidTokenError](err) {
			err = i.invalidToken(ctx, compact, err)
		}
	}
	if err != nil {
		i.reject(ctx, mytoken.TokenID{}, client, err)
		return nil, err
	}
	p := newPresented(token, compact, short)
	p.client = client
	return p, nil
}

// invalidToken says why the verifier refuses a token. Only a token that this issuer signed
// is expired or too early.
func (i *Issuer) invalidToken(ctx context.Context, compact string, cause error) *TokenError {
	e := &TokenError{Reason: TokenMalformed, cause: cause}
	if early, ok := errors.AsType[*mytoken.NotYetValidError](cause); ok {
		e.Reason, e.At = TokenTooEarly, early.From
	} else if errors.Is(cause, mytoken.ErrTokenExpired) {
		if token, err := i.verifier.Decode(ctx, compact); err != nil {
			e.cause = err // it is not ours
		} else {
			e.Reason, e.At = TokenExpired, token.ExpiresAt()
		}
	}
	return e
}

// reject reports a presented string that is no valid token. Any other error is reported
// elsewhere.
func (i *Issuer) reject(ctx context.Context, id mytoken.TokenID, client Client, err error) {
	rejected, ok := errors.AsType[*TokenError](err)
	if !ok {
		return
	}
	n := Notice{Kind: NoticeRejected, Token: id, Client: client, Err: err}
	if rejected.cause != nil {
		n.Detail = rejected.cause.Error()
	}
	i.notify(ctx, n)
}

func newPresented(token *mytoken.Token, compact, short string) *presented {
	return &presented{token: token, compact: compact, short: short, id: store.Presented{
		ID: token.ID(), Seq: token.Seq(), Sum: sha256.Sum256([]byte(compact)),
	}}
}

// resolve returns the compact token behind a presented string.
func (i *Issuer) resolve(ctx context.Context, s string) (compact, short string, err error) {
	switch {
	case len(s) < minTokenLength || len(s) > mytoken.MaxTokenBytes:
		return "", "", &TokenError{Reason: TokenMalformed}
	case strings.Count(s, ".") == 2:
		return s, "", nil
	}
	ref := store.TicketRef{Kind: store.TicketShort, ID: seal.ShortTokenID(s)}
	t, err := i.ledger.resolveTicket(ctx, ref.Kind, []store.TicketID{ref.ID})
	if isA[*CodeError](codeError(err)) {
		return "", "", &TokenError{Reason: TokenUnknown, cause: err}
	} else if err != nil {
		return "", "", err
	}
	compact, err = i.openToken(t, s)
	return compact, s, err
}

// form is the form in which the token was presented.
func (p *presented) form() mytoken.ResponseType {
	if p.short != "" {
		return mytoken.ResponseShortToken
	}
	return mytoken.ResponseToken
}

// lookup returns the state of a presented token.
func (i *Issuer) lookup(ctx context.Context, p *presented) (store.State, error) {
	state, err := i.ledger.lookup(ctx, p.id)
	if err != nil {
		return store.State{}, i.tokenError(ctx, p, err)
	}
	return state, nil
}

// tokenError translates the errors of the store about a presented token, and reports them.
//
// If an outdated token is reused and its rotation says auto_revoke, tokenError revokes
// the tree (protocol section 4.4), in a step of its own (D39).
func (i *Issuer) tokenError(ctx context.Context, p *presented, err error) error {
	var stale *store.StaleError
	rejected := func(reason TokenReason) error {
		err := &TokenError{Reason: reason, cause: err}
		i.reject(ctx, p.id.ID, p.client, err)
		return err
	}
	switch {
	case errors.Is(err, store.ErrRevoked):
		return rejected(TokenRevoked)
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrForged):
		return rejected(TokenUnknown)
	case errors.As(err, &stale) && !stale.Reuse:
		return rejected(TokenOutdated)
	case errors.As(err, &stale):
		i.notify(ctx, Notice{Kind: NoticeReused, Token: p.id.ID, Client: p.client, Err: err})
		if r := p.token.Rotation(); r != nil && r.AutoRevoke {
			_, rerr := errand.Call(ctx, i.errands, "revoke a reused token", storeTimeout, func(ctx context.Context) (*Revocation, error) {
				return i.revoke(ctx, p.id.ID, true, nil, Client{}, "reuse of an outdated token")
			})
			if rerr = lateError(rerr); rerr != nil {
				return errors.Join(&TokenError{Reason: TokenReused, cause: err}, rerr)
			}
		}
		return &TokenError{Reason: TokenReused, cause: err}
	}
	return err
}

// dataKey opens the key of the grant with the presented token.
func (i *Issuer) dataKey(p *presented, wrapped store.Sealed) (seal.DataKey, error) {
	plain, err := i.cfg.Seal.OpenWith(store.TokenKeyPlace(p.id.ID, p.id.Seq), seal.FromSecret(seal.PurposeTokenKey, p.compact), wrapped)
	if err != nil {
		return seal.DataKey{}, fmt.Errorf("issuer: the stored key of the login cannot be opened: %w", err)
	}
	return seal.ParseDataKey(plain)
}

// wrapKey seals the key of the grant for a token.
func (i *Issuer) wrapKey(key seal.DataKey, id mytoken.TokenID, seq uint64, compact string) (store.Sealed, error) {
	return i.cfg.Seal.SealWith(store.TokenKeyPlace(id, seq), seal.FromSecret(seal.PurposeTokenKey, compact), key.Reveal())
}
