package issuer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/seal"
)

// A repeated request that hands out a token gets the same token again, if it has an ID
// (P8).
//
// The reply that issues a mytoken is stored for the lifetime of a code. Only the ID
// together with the secret of the request finds it: the authorising token, or the adopted
// refresh token. The reply to an authorising token opens only with the key of the grant as
// well, so that the token opens nothing any more once its wrapped key is erased.

// purposeReply is the purpose of the key that opens a reply.
const purposeReply seal.Purpose = "reply v1"

// replySecret returns the code of a reply, which finds it.
func replySecret(id UseID, secret string) string { return hex.EncodeToString(id[:]) + secret }

// replyKey returns what opens a reply. The key of the grant is zero for an adoption.
func replyKey(code string, grant seal.DataKey) seal.Secret {
	if !grant.IsZero() {
		code += hex.EncodeToString(grant.Reveal())
	}
	return seal.FromSecret(purposeReply, code)
}

// putReply adds the reply to the changes that the request makes. A request without an ID
// cannot be repeated and has no reply. The reply belongs to the new token, and ends with
// it.
func (i *Issuer) putReply(changes *store.TicketChanges, id UseID, secret string, grant seal.DataKey, rec issuedRecord, token mytoken.TokenID) error {
	if id.IsZero() {
		return nil
	}
	code := replySecret(id, secret)
	ref := i.codeRef(store.TicketReply, code)
	payload, err := i.sealJSON(store.TicketPayloadPlace(ref), replyKey(code, grant), rec)
	if err != nil {
		return err
	}
	changes.Put = append(changes.Put, store.Ticket{
		TicketRef: ref, Status: store.TicketReady, Payload: payload, Token: token, Expires: store.At(i.Now().Add(i.cfg.CodeLifetime)),
	})
	return nil
}

// replied returns the reply to an earlier request with this ID, or nil if there was none.
func (i *Issuer) replied(ctx context.Context, id UseID, secret string) (*store.Ticket, error) {
	if id.IsZero() {
		return nil, nil
	}
	t, err := i.ledger.resolveTicket(ctx, store.TicketReply, i.cfg.Seal.Lookup(store.TicketReply, replySecret(id, secret)))
	switch {
	case errors.Is(err, store.ErrTicketNotFound):
		return nil, nil
	case isA[*StoreError](err):
		return nil, err
	case err != nil:
		return nil, ErrRepeatedID
	}
	return &t, nil
}

// openReply opens what replied found.
func (i *Issuer) openReply(t *store.Ticket, id UseID, secret string, grant seal.DataKey) (issuedRecord, error) {
	return i.openIssuedRecord(store.TicketPayloadPlace(t.TicketRef), replyKey(replySecret(id, secret), grant), t.Payload)
}

// accessRecord is an access token as it is kept for repetitions.
type accessRecord struct {
	Token     string    `json:"access_token"`
	Type      string    `json:"token_type,omitempty"`
	Expires   time.Time `json:"expires,omitzero"`
	Scopes    []string  `json:"scope,omitempty"`
	Audiences []string  `json:"audience,omitempty"`
}

func newAccessRecord(t *AccessToken) accessRecord {
	return accessRecord{Token: t.Token.Reveal(), Type: t.TokenType, Expires: t.Expires, Scopes: t.Scopes, Audiences: t.Audiences}
}

func (r *accessRecord) token() *AccessToken {
	return &AccessToken{mytoken.AccessToken{
		Token: mytoken.NewSecret(r.Token), TokenType: r.Type, Expires: r.Expires, Scopes: r.Scopes, Audiences: r.Audiences,
	}}
}

// keepAccess returns the ticket that keeps an access token for repetitions of a request.
// It opens with the ID of the request and the key of the grant. Revoking the mytoken
// erases it.
//
// The ticket expires with the access token, but lasts for a minute at least. The store
// remembers it for another day, which is longer than the verdict lasts. So nobody can hand
// out a second one.
func (i *Issuer) keepAccess(p *presented, op operation, key seal.DataKey, out *AccessToken) (store.Ticket, error) {
	now := i.Now()
	expires := now.Add(store.Remembered)
	if !out.Expires.IsZero() && out.Expires.Before(expires) {
		expires = out.Expires
	}
	if soonest := now.Add(time.Minute); expires.Before(soonest) {
		expires = soonest
	}
	payload, err := i.sealJSON(store.TicketPayloadPlace(op.kept), replyKey(hex.EncodeToString(op.request[:]), key), newAccessRecord(out))
	return store.Ticket{
		TicketRef: op.kept, Status: store.TicketReady, Payload: payload, Token: p.id.ID, Expires: store.At(expires),
	}, err
}

// keptAccess returns the access token that an earlier call with the same id has handed
// out, or nil if there is none.
func (i *Issuer) keptAccess(ctx context.Context, p *presented, op operation, key seal.DataKey) (*AccessToken, error) {
	t, err := i.ledger.resolveTicket(ctx, op.kept.Kind, []store.TicketID{op.kept.ID})
	switch {
	case errors.Is(err, store.ErrTicketNotFound):
		return nil, nil
	case isA[*StoreError](err):
		return nil, asRepeatable(err, p.free(op.kind))
	case err != nil: // it has expired
		return nil, i.refuseID(ctx, p, op)
	}
	return i.openKept(ctx, p, op, key, &t)
}

// openKept opens the ticket that keeps an access token.
func (i *Issuer) openKept(ctx context.Context, p *presented, op operation, key seal.DataKey, t *store.Ticket) (*AccessToken, error) {
	var rec accessRecord
	if err := i.openJSON(store.TicketPayloadPlace(op.kept), replyKey(hex.EncodeToString(op.request[:]), key), t.Payload, &rec); err != nil {
		return nil, fmt.Errorf("issuer: the kept access token cannot be opened: %w", err)
	}
	if !rec.Expires.IsZero() && !rec.Expires.After(i.Now()) { // it lived for less than a minute
		return nil, i.refuseID(ctx, p, op)
	}
	return rec.token(), nil
}

// An access token can also be kept to be handed out again, to requests that count as uses
// of their own; see [AccessTokenCache]. Its ticket belongs to the mytoken. It opens with
// the key of the grant, which the mytoken opens, so it outlasts a rotation.
//
// The name of the ticket says what was asked for and which clauses admitted that. With a
// single clause, the ticket is for the use that finds it. Several clauses share a ticket,
// which says to which of them the access token belongs. If a use is charged to another
// one, it is called off, and the next access token takes the place of this one.

// purposeCached is the purpose of the key that opens such a ticket.
const purposeCached seal.Purpose = "access token v1"

// errNotCached says that a use was called off because the access token that it found is
// not for it.
var errNotCached = errors.New("issuer: the kept access token is not for this use")

// cacheRef names the ticket with the access token for a request. No secret is needed to
// know it.
func cacheRef(p *presented, op operation, candidates []int) store.TicketRef {
	h := sha256.New()
	fmt.Fprintf(h, "mytoken: access token to hand out again %x %q %q %d", p.id.ID,
		slices.Sorted(slices.Values(op.scopes)), slices.Sorted(slices.Values(op.audiences)), candidates)
	return store.TicketRef{Kind: store.TicketAccess, ID: store.TicketID(h.Sum(nil))}
}

// cachedRecord is an access token that is handed out again.
type cachedRecord struct {
	accessRecord
	Obtained time.Time `json:"obtained"`
	Clause   int       `json:"clause"` // or store.NoClause
}

func cacheKey(key seal.DataKey) seal.Secret {
	return seal.FromSecret(purposeCached, hex.EncodeToString(key.Reveal()))
}

// cacheAccess begins to keep an access token that was just obtained for a use, in place of
// an earlier one. Nobody waits for that.
func (i *Issuer) cacheAccess(ctx context.Context, p *presented, op operation, provider *Provider, key seal.DataKey, spent store.Spent, tokens *oidcupstream.Tokens, out *AccessToken) {
	obtained := out.Expires.Add(-tokens.ExpiresIn)
	last := provider.AccessTokenCache.last(obtained, out.Expires)
	if op.cache == (store.TicketRef{}) || last < i.ledger.now() {
		return
	}
	payload, err := i.sealJSON(store.TicketPayloadPlace(op.cache), cacheKey(key), cachedRecord{newAccessRecord(out), obtained, spent.Clause})
	if err != nil {
		return
	}
	change := store.TicketChanges{Drop: []store.TicketRef{op.cache}, Put: []store.Ticket{{
		TicketRef: op.cache, Status: store.TicketReady, Payload: payload, Token: p.id.ID, Expires: last,
	}}}
	i.errands.Begin(ctx, "keep an access token", func(ctx context.Context) {
		if i.ledger.changeTickets(ctx, change) != nil {
			return // the next request asks the provider
		}
		// A revocation and a new login erase what they find. If one of them came before,
		// nothing would erase this before it expires.
		info, err := i.ledger.Token(ctx, p.id.ID)
		if err != nil || !info.Live || !i.isCurrent(ctx, spent.Grant, key, tokens.RefreshToken) {
			change.Put = nil
			_ = i.ledger.changeTickets(ctx, change)
		}
	})
}

// isCurrent reports whether a refresh token is still the one of its grant.
func (i *Issuer) isCurrent(ctx context.Context, grant GrantID, key seal.DataKey, token string) bool {
	state, err := i.ledger.Grant(ctx, grant)
	if err != nil {
		return false
	}
	current, err := i.cfg.Seal.OpenWith(store.RefreshTokenPlace(grant, state.Generation), key, state.Token)
	return err == nil && string(current) == token
}

// openCached opens the access token that a use has found. It returns nil if that is not
// for the use: it belongs to another clause, or is too old by now, or cannot be opened.
func (i *Issuer) openCached(op operation, provider *Provider, key seal.DataKey, spent store.Spent) *AccessToken {
	var rec cachedRecord
	if i.openJSON(store.TicketPayloadPlace(op.cached), cacheKey(key), spent.Ticket.Payload, &rec) != nil ||
		rec.Clause != spent.Clause || provider.AccessTokenCache.last(rec.Obtained, rec.Expires) < i.ledger.now() {
		return nil
	}
	return rec.token()
}
