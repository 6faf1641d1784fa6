package issuer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/internal/rescue"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/seal"
)

// minted is a token that was signed and not yet stored.
type minted struct {
	token   *mytoken.Token
	compact string
	label   string // of the embedding service
}

// issuedRecord is sealed in the store to make a [mytoken.Issued] from it later.
type issuedRecord struct {
	Compact     string `json:"compact"`
	Short       string `json:"short,omitempty"`
	Transfer    string `json:"transfer,omitempty"`
	CodeExpires int64  `json:"code_expires,omitempty"` // microseconds
}

// about describes a token for lists. It is sealed under the server key alone, so that
// lists need no token.
type about struct {
	Name         string            `json:"name,omitempty"`
	Address      string            `json:"ip,omitempty"`
	Label        string            `json:"label,omitempty"`
	Issuer       string            `json:"oidc_iss"`
	Subject      string            `json:"oidc_sub"`
	Capabilities capability.Set    `json:"capabilities,omitempty"`
	Restrictions restriction.List  `json:"restrictions,omitempty"`
	Rotation     *mytoken.Rotation `json:"rotation,omitempty"`
	// Draws holds for each clause the parent's clause whose budget it draws on, or
	// restriction.NoClause. Nil: no clause draws on any. It serves explanations; the
	// store has its own chains to charge.
	Draws []int `json:"draws,omitempty"`
}

// newClaims returns the claims of a new token (protocol section 1.2).
func (i *Issuer) newClaims(provider *Provider, subject string, p mytoken.Properties, authTime time.Time) mytoken.Claims {
	c := mytoken.Claims{
		Issuer: i.cfg.Issuer, Name: p.Name,
		OIDCIssuer: provider.Upstream.Issuer(), OIDCSubject: subject,
		Capabilities: p.Capabilities, Restrictions: p.Restrictions, Rotation: p.Rotation,
	}
	if !authTime.IsZero() {
		c.AuthTime = authTime.Unix()
	}
	c.SetTimes(i.Now())
	return c
}

// mint signs the claims. It never returns a token that this issuer's verifier refuses.
func (i *Issuer) mint(ctx context.Context, c mytoken.Claims) (minted, error) {
	secret, token, err := i.verifier.Issue(c)
	if isA[*rescue.Panic](err) { // log it here and nowhere else
		rescue.Log(ctx, i.cfg.Logger, "the signer", err)
		err = mytoken.ErrSigning
	}
	if errors.Is(err, mytoken.ErrTokenTooLarge) {
		return minted{}, requestError("restrictions", err)
	} else if err != nil {
		return minted{}, fmt.Errorf("issuer: the token was not issued: %w", err)
	}
	return minted{token: token, compact: secret.Reveal()}, nil
}

// row returns a new token as the store sees it. draws has one entry for each clause; nil
// for a token that draws on nothing.
func (i *Issuer) row(m minted, grant GrantID, key seal.DataKey, draws []int, client Client, events ...store.Event) (store.Token, error) {
	id := m.token.ID()
	wrapped, err := i.wrapKey(key, id, m.token.Seq(), m.compact)
	if err != nil {
		return store.Token{}, err
	}
	if i.cfg.IndependentBudgets || !slices.ContainsFunc(draws, func(n int) bool { return n != restriction.NoClause }) {
		draws = nil
	}
	described, err := json.Marshal(about{
		Name: m.token.Name(), Address: addressText(client), Label: m.label, Issuer: m.token.OIDCIssuer(), Subject: m.token.OIDCSubject(),
		Capabilities: m.token.Capabilities(), Restrictions: m.token.Restrictions(), Rotation: m.token.Rotation(), Draws: draws,
	})
	if err != nil {
		return store.Token{}, fmt.Errorf("issuer: %w", err)
	}
	sealed, err := i.cfg.Seal.Seal(store.AboutPlace(id), described)
	if err != nil {
		return store.Token{}, err
	}
	row := store.Token{
		ID: id, Grant: grant, Owner: m.token.Owner(), Sum: sha256.Sum256([]byte(m.compact)),
		Key: wrapped, About: sealed, Created: i.ledger.now(), Expires: store.At(m.token.ExpiresAt()), Events: events,
	}
	for n, c := range m.token.Restrictions() {
		clause := store.Clause{AT: limit(c.UsagesAT), Other: limit(c.UsagesOther), Draws: store.NoClause}
		if draws != nil {
			clause.Draws = draws[n]
		}
		row.Clauses = append(row.Clauses, clause)
	}
	return row, nil
}

func limit(n *int64) mytoken.Limit {
	if n == nil {
		return mytoken.Unlimited
	}
	return mytoken.Limit(*n)
}

// form chooses the form in which a new token is handed out. It returns the tickets that
// the form needs.
func (i *Issuer) form(m minted, r mytoken.Response) (issuedRecord, []store.Ticket, error) {
	rec := issuedRecord{Compact: m.compact}
	switch chooseForm(r, len(m.compact), i.cfg.ShortTokenLength) {
	case mytoken.ResponseShortToken:
		rec.Short = i.newShortToken()
		t, err := i.shortTicket(rec.Short, m.compact, m.token.ID())
		return rec, []store.Ticket{t}, err
	case mytoken.ResponseTransferCode:
		rec.Transfer = randomLetters(i.cfg.TransferCodeLength)
		t, err := i.transferTicket(rec.Transfer, m.compact, m.token.ID(), true)
		rec.CodeExpires = int64(t.Expires)
		return rec, []store.Ticket{t}, err
	}
	return rec, nil, nil
}

func (i *Issuer) newShortToken() string { return randomLetters(i.cfg.ShortTokenLength) }

// shortTicket makes a short token an alias of a compact one.
func (i *Issuer) shortTicket(short, compact string, id mytoken.TokenID) (store.Ticket, error) {
	t := store.Ticket{TicketRef: store.TicketRef{Kind: store.TicketShort, ID: seal.ShortTokenID(short)}, Status: store.TicketReady, Token: id}
	err := i.sealToken(&t, short, compact)
	return t, err
}

// transferTicket makes a code that can be exchanged for the token once.
func (i *Issuer) transferTicket(code, compact string, id mytoken.TokenID, owns bool) (store.Ticket, error) {
	t := store.Ticket{
		TicketRef: i.codeRef(store.TicketTransfer, code), Status: store.TicketReady, Token: id, OwnsToken: owns,
		Expires: store.At(i.Now().Add(i.cfg.CodeLifetime)),
	}
	err := i.sealToken(&t, code, compact)
	return t, err
}

// sealToken puts a compact token into a ticket. The code or short token of the ticket
// opens it.
func (i *Issuer) sealToken(t *store.Ticket, code, compact string) (err error) {
	t.Payload, err = i.cfg.Seal.SealWith(store.TicketPayloadPlace(t.TicketRef), seal.FromSecret(seal.PurposeTicketPayload, code), []byte(compact))
	return err
}

// openToken opens the compact token in a ticket.
func (i *Issuer) openToken(t store.Ticket, code string) (string, error) {
	plain, err := i.cfg.Seal.OpenWith(store.TicketPayloadPlace(t.TicketRef), seal.FromSecret(seal.PurposeTicketPayload, code), t.Payload)
	if err != nil {
		return "", fmt.Errorf("issuer: the stored token cannot be opened: %w", err)
	}
	return string(plain), nil
}

// issued makes the answer from a record that was stored.
func (i *Issuer) issued(ctx context.Context, rec issuedRecord) (*mytoken.Issued, error) {
	token, err := i.verifier.Decode(ctx, rec.Compact)
	if err != nil {
		return nil, fmt.Errorf("issuer: the stored token cannot be read: %w", err)
	}
	return rec.answer(token), nil
}

// answer makes the answer from the record of a token.
func (rec issuedRecord) answer(token *mytoken.Token) *mytoken.Issued {
	out := &mytoken.Issued{
		Type: mytoken.ResponseToken, ID: token.ID(), Claims: token, Token: mytoken.NewSecret(rec.Compact), Expires: token.ExpiresAt(),
		Capabilities: token.Capabilities(), Restrictions: token.Restrictions(), Rotation: token.Rotation(),
	}
	switch {
	case rec.Short != "":
		out.Type, out.Token = mytoken.ResponseShortToken, mytoken.NewSecret(rec.Short)
	case rec.Transfer != "":
		out.Type, out.Token, out.TransferCode = mytoken.ResponseTransferCode, mytoken.Secret{}, mytoken.NewSecret(rec.Transfer)
		out.CodeExpires = store.Micros(rec.CodeExpires).Time()
	}
	return out
}

// openRecord opens a sealed answer.
func (i *Issuer) openRecord(ctx context.Context, place store.Place, key seal.InnerKey, sealed store.Sealed) (*mytoken.Issued, error) {
	rec, err := i.openIssuedRecord(place, key, sealed)
	if err != nil {
		return nil, err
	}
	return i.issued(ctx, rec)
}

func (i *Issuer) openIssuedRecord(place store.Place, key seal.InnerKey, sealed store.Sealed) (issuedRecord, error) {
	var rec issuedRecord
	if err := i.openJSON(place, key, sealed, &rec); err != nil {
		return rec, fmt.Errorf("issuer: the stored answer cannot be opened: %w", err)
	}
	return rec, nil
}
