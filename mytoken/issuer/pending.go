package issuer

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/seal"
)

// pendingLogin is a login that is not finished. It is sealed under the ticket key of the
// login. Each code of the login opens that key: polling code, consent code, state.
type pendingLogin struct {
	Provider    string           `json:"provider"`
	Properties  storedProperties `json:"properties"`
	Response    mytoken.Response `json:"response"`
	Application string           `json:"application,omitempty"`
	ReturnTo    string           `json:"return_to,omitempty"`
	Label       string           `json:"label,omitempty"`
	Address     string           `json:"address,omitempty"`
	Expires     store.Micros     `json:"expires"`
	// CountFrom is when lifetimes begin to count. 0: no page has shown the user what the
	// token will be, and they count from its issuing.
	CountFrom store.Micros `json:"count_from,omitempty"`

	Polling []byte `json:"polling,omitempty"` // id of the polling ticket; empty: nobody polls

	// Scopes are asked for in place of those of the restrictions; empty: those. Audiences
	// are asked for beside those of the restrictions.
	Scopes    []string `json:"scopes,omitempty"`
	Audiences []string `json:"audiences,omitempty"`

	Verifier string `json:"verifier,omitempty"` // PKCE
	Nonce    string `json:"nonce,omitempty"`

	Reconnect *reconnect `json:"reconnect,omitempty"`
	Key       *newKey    `json:"ssh_key,omitempty"`
}

// keyLoginPrefix tells the polling codes of logins for SSH keys from others; see isCode.
const keyLoginPrefix = "ssh "

// newKey is the SSH key that a login is for.
type newKey struct {
	Fingerprint string `json:"fingerprint"`
	Owner       []byte `json:"owner"` // who may log in
	By          []byte `json:"by"`    // token that registered the key
}

func (p *pendingLogin) pollingPrefix() string {
	if p.Key == nil {
		return ""
	}
	return keyLoginPrefix
}

func (p *pendingLogin) fingerprint() string {
	if p.Key == nil {
		return ""
	}
	return p.Key.Fingerprint
}

// storedProperties are the properties between the steps of a login.
type storedProperties struct {
	Name         string            `json:"name,omitempty"`
	Capabilities capability.Set    `json:"capabilities,omitempty"`
	Restrictions restriction.List  `json:"restrictions,omitempty"`
	Rotation     *mytoken.Rotation `json:"rotation,omitempty"`
	Tags         []mytoken.Tag     `json:"tags,omitempty"`
}

func toStored(p mytoken.Properties) storedProperties { return storedProperties(p) }

func (p storedProperties) properties() mytoken.Properties { return mytoken.Properties(p).Clone() }

// isShown reports whether a page shows the user what the token will be.
func (p *pendingLogin) isShown() bool { return p.CountFrom != 0 }

// countFrom returns when lifetimes begin to count: now, or earlier if a page has said so.
func (p *pendingLogin) countFrom(now time.Time) time.Time { return earlier(p.CountFrom.Time(), now) }

// earlier returns the earlier of a time, if it is set, and now.
func earlier(t, now time.Time) time.Time {
	if t.IsZero() || t.After(now) {
		return now
	}
	return t
}

// client returns what is known about the client that started the login.
func (p *pendingLogin) client() Client {
	address, _ := netip.ParseAddr(p.Address) // the zero address if it is not known
	return Client{Address: address}
}

// access returns the scopes and audiences to ask the provider for.
func (p *pendingLogin) access(upstream *oidcupstream.Provider) (scopes, audiences []string) {
	scopes, audiences = requested(p.Properties.Restrictions, upstream)
	if len(p.Scopes) > 0 {
		scopes = p.Scopes
	}
	return scopes, dedup(slices.Concat(p.Audiences, audiences))
}

// polling returns the polling ticket of the login, and whether there is one.
func (p *pendingLogin) polling() (store.TicketRef, bool) {
	ref := store.TicketRef{Kind: store.TicketPolling}
	return ref, copy(ref.ID[:], p.Polling) == len(ref.ID)
}

// loginTicket makes a ticket that holds the login: the code opens the ticket key, and the
// ticket key opens the login.
func (i *Issuer) loginTicket(ref store.TicketRef, code string, key seal.DataKey, pending *pendingLogin) (store.Ticket, error) {
	t, err := i.keyTicket(ref, code, key, pending.Expires)
	if err != nil {
		return t, err
	}
	t.Payload, err = i.sealJSON(store.TicketPayloadPlace(ref), key, pending)
	return t, err
}

// keyTicket makes a ticket that holds the ticket key of a login alone.
func (i *Issuer) keyTicket(ref store.TicketRef, code string, key seal.DataKey, expires store.Micros) (store.Ticket, error) {
	sealed, err := i.cfg.Seal.SealWith(store.TicketKeyPlace(ref), seal.FromSecret(seal.PurposeTicketKey, code), key.Reveal())
	return store.Ticket{TicketRef: ref, Status: store.TicketPending, Key: sealed, Expires: expires}, err
}

// resolveNamed finds the ticket of a code, whose name in the store has the given prefix,
// and opens its ticket key.
func (i *Issuer) resolveNamed(ctx context.Context, kind store.TicketKind, prefix, code string) (store.Ticket, seal.DataKey, error) {
	if !isCode(code) {
		return store.Ticket{}, seal.DataKey{}, &CodeError{Reason: CodeUnknown}
	}
	t, err := i.ledger.resolveTicket(ctx, kind, i.cfg.Seal.Lookup(kind, prefix+code))
	if err != nil {
		return store.Ticket{}, seal.DataKey{}, codeError(err)
	}
	key, err := i.ticketKey(t, code)
	if err != nil {
		return store.Ticket{}, seal.DataKey{}, loginUnreadable(err)
	}
	return t, key, nil
}

// ticketKey opens the ticket key of a login with one of its codes.
func (i *Issuer) ticketKey(t store.Ticket, code string) (seal.DataKey, error) {
	plain, err := i.cfg.Seal.OpenWith(store.TicketKeyPlace(t.TicketRef), seal.FromSecret(seal.PurposeTicketKey, code), t.Key)
	if err != nil {
		return seal.DataKey{}, err
	}
	return seal.ParseDataKey(plain)
}

func loginUnreadable(err error) error {
	return fmt.Errorf("issuer: the stored login cannot be read: %w", err)
}

// resolveLogin finds the login that waits for a code.
func (i *Issuer) resolveLogin(ctx context.Context, kind store.TicketKind, code string) (store.Ticket, seal.DataKey, *pendingLogin, error) {
	t, key, err := i.resolveNamed(ctx, kind, "", code)
	if err != nil {
		return t, key, nil, err
	}
	if t.Status != store.TicketPending {
		return t, key, nil, &CodeError{Reason: CodeUnknown}
	}
	pending := new(pendingLogin)
	if err := i.openJSON(store.TicketPayloadPlace(t.TicketRef), key, t.Payload, pending); err != nil {
		return t, key, nil, loginUnreadable(err)
	}
	return t, key, pending, nil
}
