package issuer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

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
	key     *SSHKey // the SSH key that the token is behind, if that was presented
	client  Client  // that presented it
	charged bool    // a use of it was counted for the request
	// spent is the use that authorises a revocation. It is zero for any other step.
	spent store.Spent
}

// present resolves what a client presents to a verified token (protocol sections 1.5,
// 1.11 and 5.12).
func (i *Issuer) present(ctx context.Context, s mytoken.Secret, client Client) (*presented, error) {
	compact, short, err := i.resolveFrom(ctx, s, client)
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
	p.client, p.key = client, client.Key
	return p, nil
}

// resolveFrom returns the compact token that a client presents: a string, or an SSH key.
func (i *Issuer) resolveFrom(ctx context.Context, s mytoken.Secret, client Client) (compact, short string, err error) {
	switch {
	case client.Key == nil:
		return i.resolve(ctx, s.Reveal())
	case !s.IsEmpty():
		return "", "", &RequestError{Field: "mytoken", Reason: "an SSH key stands for its own token; present no other one"}
	}
	compact, err = i.resolveKey(ctx, client.Key)
	return compact, "", err
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
	if p.key != nil && errors.As(err, &stale) {
		switch newer, kerr := i.superseded(ctx, p); {
		case isA[*TokenError](kerr): // the key was deleted meanwhile, or its token revoked
			return rejected(TokenUnknown)
		case kerr != nil:
			return kerr
		case newer:
			return errSuperseded
		}
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

// SSHKey is an SSH key that a client has proved to hold. It stands for a token: put it into
// [Client]. It belongs to the issuer that opened it. It is safe for concurrent use, and
// prints, logs and encodes as a placeholder.
type SSHKey struct {
	hidden

	ref         store.TicketRef
	user        string // opens the token
	fingerprint string
}

// Fingerprint names the key.
func (k *SSHKey) Fingerprint() string { return k.fingerprint }

// OpenSSHKey finds the token behind an SSH key. Call it only to decide whether a client that
// proves to hold the key may come in, and let nobody else have the result. It changes
// nothing: nobody can tell from the store that a client asked about a key (N2). Whether the
// token is expired, or a restriction refuses the client, is for each operation to say.
//
// Errors are [ErrUnknownKey], also after the token was revoked, [ErrGrantDisabled], and
// [*StoreError].
func (i *Issuer) OpenSSHKey(ctx context.Context, fingerprint string, user mytoken.Secret) (*SSHKey, error) {
	k := &SSHKey{ref: sshRef(fingerprint, user.Reveal()), user: user.Reveal(), fingerprint: fingerprint}
	_, err := i.resolveKey(ctx, k)
	if isA[*TokenError](err) {
		return nil, ErrUnknownKey
	} else if err != nil {
		return nil, err
	}
	return k, nil
}

func sshRef(fingerprint, user string) store.TicketRef {
	return store.TicketRef{Kind: store.TicketSSHKey, ID: seal.SSHKeyID(fingerprint, user)}
}

// resolveKey returns the compact token behind an SSH key, if its user has enabled the grant
// type.
func (i *Issuer) resolveKey(ctx context.Context, k *SSHKey) (string, error) {
	if k.ref.ID.IsZero() {
		return "", &TokenError{Reason: TokenUnknown}
	}
	t, err := i.ledger.resolveTicket(ctx, k.ref.Kind, []store.TicketID{k.ref.ID})
	if isA[*CodeError](codeError(err)) {
		return "", &TokenError{Reason: TokenUnknown, cause: err}
	} else if err != nil {
		return "", err
	}
	plain, err := i.cfg.Seal.OpenWith(store.TicketPayloadPlace(k.ref), seal.FromSecret(seal.PurposeSSHKey, k.user), t.Payload)
	if err != nil {
		return "", fmt.Errorf("issuer: the token behind an SSH key cannot be opened: %w", err)
	}
	token, err := i.verifier.Decode(ctx, string(plain))
	if err != nil {
		return "", fmt.Errorf("issuer: the token behind an SSH key cannot be read: %w", err)
	}
	b, err := i.belongings(ctx, token.Owner())
	if err != nil {
		return "", err
	}
	enabled, err := i.sshEnabled(b)
	if err == nil && !enabled {
		err = ErrGrantDisabled
	}
	return string(plain), err
}

// sshTicket makes the ticket that holds the token behind an SSH key.
func (i *Issuer) sshTicket(k *SSHKey, compact string, id mytoken.TokenID) (t store.Ticket, err error) {
	t = store.Ticket{TicketRef: k.ref, Status: store.TicketReady, Token: id}
	t.Payload, err = i.cfg.Seal.SealWith(store.TicketPayloadPlace(k.ref), seal.FromSecret(seal.PurposeSSHKey, k.user), []byte(compact))
	return t, err
}

// maxSuperseded is how often an operation of an SSH key is begun anew. Each time, another
// connection with the key has got its answer meanwhile.
const maxSuperseded = 1000

// errSuperseded says that another connection with the same SSH key has rotated the token
// since this one looked. Nothing was charged.
var errSuperseded = errors.New("issuer: the token behind the SSH key was rotated meanwhile")

// superseded reports whether an SSH key holds another generation by now than the one that
// was presented. Only a generation that its own key still holds can be reused (N5).
func (i *Issuer) superseded(ctx context.Context, p *presented) (bool, error) {
	compact, err := i.resolveKey(ctx, p.key)
	return compact != p.compact, err
}

// again repeats an operation of an SSH key with the next generation of its token.
func again[T any](ctx context.Context, client Client, once func() (T, error)) (out T, err error) {
	for range maxSuperseded {
		if out, err = once(); client.Key == nil || !errors.Is(err, errSuperseded) {
			return out, err
		}
		if err := ctx.Err(); err != nil {
			return out, err
		}
	}
	return out, &BusyError{RetryAfter: time.Second, cause: err}
}
