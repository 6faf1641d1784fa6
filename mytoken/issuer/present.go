package issuer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/seal"
)

// presented is a mytoken that somebody presented, with a valid signature and
// valid times. Whether it is live only the store knows.
type presented struct {
	token   *mytoken.Token
	compact string
	short   string // the short token, if that is what was presented
	id      store.Presented
}

// present resolves a presented string to a verified token (protocol sections
// 1.5 and 1.11).
func (i *Issuer) present(ctx context.Context, s string) (*presented, error) {
	compact, short, err := i.resolve(ctx, s)
	if err != nil {
		return nil, err
	}
	token, err := i.verifier.Verify(ctx, compact)
	if err != nil {
		return nil, &TokenError{Reason: TokenMalformed, cause: err}
	}
	return newPresented(token, compact, short), nil
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
	if store.IsDefinite(err) {
		return "", "", &TokenError{Reason: TokenUnknown, cause: err}
	} else if err != nil {
		return "", "", err
	}
	plain, err := i.cfg.Seal.OpenWith(store.TicketPayloadPlace(ref), seal.FromSecret(seal.PurposeTicketPayload, s), t.Payload)
	if err != nil {
		return "", "", fmt.Errorf("issuer: short token: %w", err)
	}
	return string(plain), s, nil
}

// operation is what a presented token shall be used for.
type operation struct {
	id       store.UseID
	kind     restriction.Kind
	needs    capability.Capability // empty: possession is enough
	provider string                // issuer that the client named; empty: any
	client   Client

	scopes, audiences []string // for access tokens

	event   string
	comment string
	tickets store.TicketChanges

	// verdict is the ticket that says whether the use was handed out or called
	// off; zero if nobody else can know the id.
	verdict store.TicketRef
}

func (i *Issuer) newEvent(name, comment string, c Client) store.Event {
	e := store.Event{Name: name, Comment: cut(comment, MaxCommentLength), UserAgent: cutBytes(c.UserAgent, MaxAgentLength), Time: store.At(i.now())}
	if c.Address.IsValid() {
		e.Address = c.Address.Unmap().String()
	}
	return e
}

// use builds the store's view of an operation.
func (i *Issuer) use(op operation, candidates []int) store.Use {
	return store.Use{
		ID: op.id, Kind: op.kind, Candidates: candidates, Tickets: op.tickets,
		Event: i.newEvent(op.event, op.comment, op.client), Now: store.At(i.now()),
	}
}

// restrictionRequest is the operation as restrictions see it.
func (i *Issuer) restrictionRequest(op operation) *restriction.Request {
	return &restriction.Request{
		Now: i.now(), Kind: op.kind, Address: op.client.Address,
		Scopes: op.scopes, Audiences: op.audiences, Values: op.client.Values,
	}
}

// lookup tells the state of a presented token.
func (i *Issuer) lookup(ctx context.Context, p *presented) (store.State, error) {
	state, err := i.ledger.lookup(ctx, p.id)
	if err != nil {
		return store.State{}, i.tokenError(ctx, p, err)
	}
	return state, nil
}

// tokenError translates what the store says about a presented token. A reuse
// of an outdated token revokes its tree if its rotation demands that (protocol
// section 4.4), in a step of its own (D39).
func (i *Issuer) tokenError(ctx context.Context, p *presented, err error) error {
	var stale *store.StaleError
	switch {
	case errors.Is(err, store.ErrRevoked):
		return &TokenError{Reason: TokenRevoked, cause: err}
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrForged):
		return &TokenError{Reason: TokenUnknown, cause: err}
	case errors.As(err, &stale) && !stale.Reuse:
		return &TokenError{Reason: TokenOutdated, cause: err}
	case errors.As(err, &stale):
		i.notify(ctx, Notice{Kind: NoticeReused, Token: p.id.ID, Err: err})
		if r := p.token.Rotation(); r != nil && r.AutoRevoke {
			ctx, cancel := detached(ctx)
			defer cancel()
			if _, rerr := i.revoke(ctx, p.id.ID, true, nil, Client{}, "reuse of an outdated token"); rerr != nil {
				return errors.Join(&TokenError{Reason: TokenReused, cause: err}, rerr)
			}
		}
		return &TokenError{Reason: TokenReused, cause: err}
	}
	return err
}

func isTokenError(err error) bool {
	var t *TokenError
	return errors.As(err, &t)
}

func isStoreFailure(err error) bool {
	var s *StoreError
	return errors.As(err, &s)
}

// dataKey opens the grant's key with the presented token.
func (i *Issuer) dataKey(p *presented, wrapped store.Sealed) (seal.DataKey, error) {
	plain, err := i.cfg.Seal.OpenWith(store.TokenKeyPlace(p.id.ID, p.id.Seq), seal.FromSecret(seal.PurposeTokenKey, p.compact), wrapped)
	if err != nil {
		return seal.DataKey{}, fmt.Errorf("issuer: the grant's key: %w", err)
	}
	return seal.ParseDataKey(plain)
}

// wrapKey wraps the grant's key for a token.
func (i *Issuer) wrapKey(key seal.DataKey, id mytoken.TokenID, seq uint64, compact string) (store.Sealed, error) {
	return i.cfg.Seal.SealWith(store.TokenKeyPlace(id, seq), seal.FromSecret(seal.PurposeTokenKey, compact), key.Reveal())
}

// cut shortens text to n characters.
func cut(s string, n int) string {
	count := 0
	for at := range s {
		if count == n {
			return s[:at]
		}
		count++
	}
	return s
}

// cutBytes shortens text to at most n bytes, at a character's boundary.
func cutBytes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
