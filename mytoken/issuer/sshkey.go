package issuer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/seal"
)

const (
	// sshTokenName is the name of the token behind a key. The name of the key follows, with
	// sshNameSeparator in front.
	sshTokenName     = "mytoken for ssh-grant"
	sshNameSeparator = ": "
	// MaxSSHKeyName is how many characters the name of an SSH key may have.
	MaxSSHKeyName  = 64
	maxFingerprint = 100 // bytes
)

// SSHKeyRequest registers an SSH key (protocol section 5.11).
type SSHKeyRequest struct {
	// Token authorises: it needs settings:grants:ssh.
	Token mytoken.Secret
	// Fingerprint names the key: SHA256:… as ssh-keygen prints it.
	Fingerprint string
	// Name is a name for humans, at most [MaxSSHKeyName] characters. It may be empty.
	Name string
	// Capabilities and Restrictions are those of the token behind the key. No capabilities
	// mean AT alone.
	Capabilities capability.Set
	Restrictions restriction.List
	// Application is as in [LoginRequest].
	Application string
	Client      Client
}

// SSHKeyLogin is the login that a new SSH key waits for.
type SSHKeyLogin struct {
	NativeLogin
	// Update replaces the authorising token. It is nil if that was not rotated.
	Update *mytoken.Issued
}

// AddSSHKey begins to register an SSH key. The user of the token consents and logs in at
// their provider, and [Issuer.PollSSHKey] stores the key. It counts as one other use.
// Errors are those of [Issuer.AccessToken] and [Issuer.StartNative], [ErrGrantDisabled]
// and [ErrKeyExists].
func (i *Issuer) AddSSHKey(ctx context.Context, req SSHKeyRequest) (*SSHKeyLogin, error) {
	switch {
	case !validFingerprint(req.Fingerprint):
		return nil, &RequestError{Field: "ssh_key", Reason: "its fingerprint is missing or malformed"}
	case utf8.RuneCountInString(req.Name) > MaxSSHKeyName:
		return nil, &RequestError{Field: "name", Reason: fmt.Sprintf("longer than %d characters", MaxSSHKeyName)}
	}
	return again(ctx, req.Client, func() (*SSHKeyLogin, error) { return i.addSSHKeyOnce(ctx, req) })
}

func (i *Issuer) addSSHKeyOnce(ctx context.Context, req SSHKeyRequest) (*SSHKeyLogin, error) {
	p, err := i.present(ctx, req.Token, req.Client)
	if err != nil {
		return nil, err
	}
	op := operation{id: NewUseID(), kind: restriction.Other, needs: capability.SettingsGrantsSSH, client: req.Client}
	if _, _, err := i.admit(ctx, p, op); err != nil {
		return nil, i.refusedUse(ctx, p, op, err)
	}
	if _, err := i.lookup(ctx, p); err != nil {
		return nil, err
	}
	b, err := i.belongings(ctx, p.token.Owner())
	if err != nil {
		return nil, err
	}
	if err := i.admitKey(ctx, b, req.Fingerprint); err != nil {
		if !isA[*StoreError](err) {
			i.notify(ctx, Notice{Kind: NoticeRefused, Token: p.id.ID, Client: req.Client, Err: err})
		}
		return nil, err
	}
	login := LoginRequest{
		Provider:    p.token.OIDCIssuer(),
		Properties:  mytoken.Properties{Name: sshTokenName, Capabilities: req.Capabilities, Restrictions: req.Restrictions},
		Application: req.Application, CountFrom: i.Now(), Client: req.Client,
	}
	if req.Name != "" {
		login.Properties.Name += sshNameSeparator + req.Name
	}
	if len(login.Properties.Capabilities) == 0 {
		login.Properties.Capabilities = capability.Set{capability.AT}
	}
	pending, err := i.newPending(login)
	if err != nil {
		return nil, err
	}
	owner := p.token.Owner()
	pending.Key = &newKey{Fingerprint: req.Fingerprint, Owner: owner[:], By: p.id.ID[:]}
	if err := i.checkSize(*pending); err != nil {
		return nil, err
	}
	spent, err := i.charge(ctx, p, op)
	if err != nil {
		return nil, err
	}
	native, err := i.beginConsent(ctx, pending, true)
	if err != nil {
		return nil, p.afterCharge(err)
	}
	out := &SSHKeyLogin{NativeLogin: *native}
	if out.Update, err = i.rotateOrFail(ctx, p, op.kind, spent.Key, req.Client); err != nil {
		return nil, p.afterCharge(err)
	}
	return out, nil
}

func validFingerprint(f string) bool {
	digest, ok := strings.CutPrefix(f, "SHA256:")
	return ok && digest != "" && len(f) <= maxFingerprint && legible.Refuse(f) == "" && !strings.ContainsAny(f, " \t")
}

// admitKey returns an error if the user may not register the key now.
func (i *Issuer) admitKey(ctx context.Context, b *belongings, fingerprint string) error {
	switch enabled, err := i.sshEnabled(b); {
	case err != nil:
		return err
	case !enabled:
		return ErrGrantDisabled
	}
	keys, err := openItems[sshKey](i, b)
	if err != nil {
		return err
	}
	live := 0
	for _, key := range keys {
		if key.contents.Fingerprint != fingerprint && len(keys) < maxItems {
			continue
		}
		switch info, err := i.keyToken(ctx, key.contents); {
		case err != nil:
			return err
		case info == nil:
		case key.contents.Fingerprint == fingerprint:
			return ErrKeyExists
		default:
			live++
		}
	}
	if live >= maxItems {
		return &RequestError{Field: "ssh_key", Reason: fmt.Sprintf("the user has %d SSH keys: delete one first", maxItems)}
	}
	return nil
}

// checkKeyOwner returns an error if somebody else logs in than the user who registers a
// key.
func (l *login) checkKeyOwner(tokens *oidcupstream.Tokens) error {
	if l.pending.Key == nil {
		return nil
	}
	if owner := mytoken.Owner(l.provider.Upstream.Issuer(), tokens.Subject); string(owner[:]) != string(l.pending.Key.Owner) {
		return &LoginError{Code: "access_denied", Description: "somebody else logged in than the user of the SSH key", Reason: LoginOtherUser}
	}
	return nil
}

// polledRecord is a token that waits for a poll, and the SSH key that it is for.
type polledRecord struct {
	issuedRecord
	Key *newKey `json:"ssh_key,omitempty"`
}

// NewSSHKey is an SSH key that was stored.
type NewSSHKey struct {
	// User is the name of the SSH user, which opens the token. It is a secret, and not
	// stored.
	User        mytoken.Secret
	Name        string // may be empty, and may hold any legible text
	Fingerprint string
}

// PollSSHKey redeems the polling code of [Issuer.AddSSHKey] and stores the key, in one
// step (D8). Nobody else gets the token. Errors are those of [Issuer.Poll], and
// [ErrKeyExists] if somebody registered the key meanwhile; the new token is revoked then.
// After a [*StoreError] the key may be stored although nobody knows the SSH user. A further
// call says that the code is unknown then: delete the key and register it again.
func (i *Issuer) PollSSHKey(ctx context.Context, req PollRequest) (*NewSSHKey, error) {
	t, key, err := i.resolvePolled(ctx, keyLoginPrefix, req.Code.Reveal())
	if err != nil {
		return nil, err
	}
	var rec polledRecord
	if err := i.openJSON(store.TicketPayloadPlace(t.TicketRef), key, t.Payload, &rec); err != nil || rec.Key == nil {
		return nil, loginUnreadable(errors.Join(err, errors.New("it is for no SSH key")))
	}
	token, err := i.verifier.Decode(ctx, rec.Compact)
	if err != nil {
		return nil, loginUnreadable(err)
	}
	user := randomLetters(seal.MinSSHUser)
	holder := &SSHKey{ref: sshRef(rec.Key.Fingerprint, user), user: user, fingerprint: rec.Key.Fingerprint}
	ticket, err := i.sshTicket(holder, rec.Compact, token.ID())
	if err != nil {
		return nil, err
	}
	name, _ := strings.CutPrefix(token.Name(), sshTokenName+sshNameSeparator)
	if name == token.Name() {
		name = ""
	}
	id := token.ID()
	one := item[sshKey]{contents: sshKey{
		Fingerprint: rec.Key.Fingerprint, Name: name, Created: i.ledger.now(), Token: id[:], Ticket: ticket.ID[:],
	}}
	event := i.newEvent(EventSSHKeyAdded, "", req.Client)
	err = i.storeKey(ctx, token.Owner(), one, store.ItemChanges{
		Token: mytoken.TokenID(rec.Key.By), Event: event,
		Tickets: store.TicketChanges{By: NewUseID(), Consume: []store.TicketRef{t.TicketRef}, Put: []store.Ticket{ticket}},
	})
	if errors.Is(err, ErrKeyExists) || isA[*RequestError](err) { // nobody will ever use the token
		if _, rerr := i.revoke(ctx, token.ID(), true, newPresented(token, rec.Compact, ""), req.Client, "its SSH key was not stored"); rerr != nil {
			return nil, asRepeatable(rerr, true)
		}
	}
	if err != nil {
		return nil, err
	}
	return &NewSSHKey{User: mytoken.NewSecret(user), Name: name, Fingerprint: rec.Key.Fingerprint}, nil
}

// storeKey stores a key along with other changes. It replaces keys whose token has ended.
func (i *Issuer) storeKey(ctx context.Context, owner mytoken.OwnerID, one item[sshKey], with store.ItemChanges) error {
	err := i.changeItems(ctx, owner, func(b *belongings, c *store.ItemChanges) error {
		keys, err := openItems[sshKey](i, b)
		if err != nil {
			return err
		}
		for _, key := range keys {
			same := key.contents.Fingerprint == one.contents.Fingerprint
			switch {
			case string(key.contents.Ticket) == string(one.contents.Ticket):
				return nil // stored by a try whose answer was lost
			case string(key.contents.Token) == string(one.contents.Token):
				return &CodeError{Reason: CodeUnknown} // another poll was faster
			case !same && len(keys) < maxItems:
				continue
			}
			switch info, err := i.keyToken(ctx, key.contents); {
			case err != nil:
				return err
			case info != nil && same:
				return ErrKeyExists
			case info == nil:
				c.Delete = append(c.Delete, key.id)
			}
		}
		if len(keys)-len(c.Delete) >= maxItems {
			return &RequestError{Field: "ssh_key", Reason: fmt.Sprintf("the user has %d SSH keys: delete one first", maxItems)}
		}
		put, err := sealItem(i, owner, one)
		c.Put, c.Tickets, c.Token, c.Event = []store.Item{put}, with.Tickets, with.Token, with.Event
		return err
	})
	return codeError(err)
}

// sshKey is the contents of an item.
type sshKey struct {
	Fingerprint string       `json:"fingerprint"`
	Name        string       `json:"name,omitempty"`
	Created     store.Micros `json:"created"`
	Token       []byte       `json:"token"`
	Ticket      []byte       `json:"ticket"` // id of the ticket that holds the token
}

func (sshKey) itemKind() store.ItemKind { return store.ItemSSHKey }

// keyToken returns what the store knows about the token behind a key, or nil if it has
// ended: nobody can use it any more.
func (i *Issuer) keyToken(ctx context.Context, key sshKey) (*store.TokenInfo, error) {
	if len(key.Token) != len(mytoken.TokenID{}) {
		return nil, nil
	}
	info, err := i.ledger.Token(ctx, mytoken.TokenID(key.Token))
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && hasEnded(!info.Live, info.Expires.Time(), i.Now().Unix()):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &info, nil
}

// SSHKeyRecord describes an SSH key of a user.
type SSHKeyRecord struct {
	Name        string // may be empty
	Fingerprint string
	Created     time.Time
	LastUsed    time.Time       // of the token; zero: never
	Token       mytoken.TokenID // that the key stands for
}

// SSHKeys are the SSH keys of a user.
type SSHKeys struct {
	Enabled bool // the grant type ssh; no key works without it
	List    []SSHKeyRecord
	// Update replaces the authorising token. It is nil if that was not rotated.
	Update *mytoken.Issued
}

// SSHKeys returns the SSH keys of the user whose tokens are not revoked and have not expired,
// the oldest first. It needs read@settings:grants:ssh, and counts as one other use. Errors
// are those of [Issuer.Subtree].
func (i *Issuer) SSHKeys(ctx context.Context, req SettingsRequest) (*SSHKeys, error) {
	return again(ctx, req.Client, func() (*SSHKeys, error) { return i.sshKeysOnce(ctx, req) })
}

func (i *Issuer) sshKeysOnce(ctx context.Context, req SettingsRequest) (*SSHKeys, error) {
	p, leave, err := i.presentToList(ctx, req.Token, req.Client)
	if err != nil {
		return nil, err
	}
	defer leave()
	op := operation{id: NewUseID(), kind: restriction.Other, needs: capability.ReadSettingsGrantsSSH, client: req.Client, event: EventSSHKeysListed}
	spent, err := i.charge(ctx, p, op)
	if err != nil {
		return nil, err
	}
	out := new(SSHKeys)
	b, err := i.belongings(ctx, p.token.Owner())
	if err == nil {
		out.Enabled, err = i.sshEnabled(b)
	}
	if err != nil {
		return nil, p.afterCharge(err)
	}
	keys, err := openItems[sshKey](i, b)
	if err != nil {
		return nil, p.afterCharge(err)
	}
	for _, key := range keys {
		info, err := i.keyToken(ctx, key.contents)
		if err != nil {
			return nil, p.afterCharge(err)
		}
		if info != nil {
			out.List = append(out.List, SSHKeyRecord{
				Name: legible.Show(key.contents.Name), Fingerprint: key.contents.Fingerprint, Created: key.contents.Created.Time(),
				LastUsed: info.LastUsed.Time(), Token: info.ID,
			})
		}
	}
	slices.SortStableFunc(out.List, func(a, b SSHKeyRecord) int { return a.Created.Compare(b.Created) })
	if out.Update, err = i.rotateOrFail(ctx, p, op.kind, spent.Key, req.Client); err != nil {
		return nil, p.afterCharge(err)
	}
	return out, nil
}

// SSHKeyDeletion deletes an SSH key.
type SSHKeyDeletion struct {
	Token       mytoken.Secret
	Fingerprint string
	Client      Client
}

// DeleteSSHKey deletes an SSH key of the user and revokes the token behind it; children
// of that token stay. An unknown key is no error. It returns what replaces the
// authorising token if that was rotated. It needs settings:grants:ssh, and counts as one
// other use. Errors are those of [Issuer.AccessToken]. After one of them, repeat the
// call: it deletes the rest.
func (i *Issuer) DeleteSSHKey(ctx context.Context, req SSHKeyDeletion) (*mytoken.Issued, error) {
	return again(ctx, req.Client, func() (*mytoken.Issued, error) { return i.deleteSSHKeyOnce(ctx, req) })
}

func (i *Issuer) deleteSSHKeyOnce(ctx context.Context, req SSHKeyDeletion) (*mytoken.Issued, error) {
	op := operation{kind: restriction.Other, needs: capability.SettingsGrantsSSH, client: req.Client}
	p, spent, err := i.presentAndCharge(ctx, req.Token, op)
	if err != nil {
		return nil, err
	}
	p.spent = spent
	owner, own := p.token.Owner(), false
	// The token goes first: the key cannot be used from then on, and whoever repeats the
	// call finds it.
	b, err := i.belongings(ctx, owner)
	if err != nil {
		return nil, p.afterCharge(err)
	}
	keys, err := openItems[sshKey](i, b)
	if err != nil {
		return nil, p.afterCharge(err)
	}
	var gone []store.ItemID
	for _, key := range keys {
		if key.contents.Fingerprint != req.Fingerprint {
			continue
		}
		gone = append(gone, key.id)
		if len(key.contents.Token) != len(mytoken.TokenID{}) {
			continue
		}
		id := mytoken.TokenID(key.contents.Token)
		own = own || id == p.id.ID
		if _, err := i.revoke(ctx, id, false, p, req.Client, "its SSH key was deleted"); err != nil {
			return nil, p.afterCharge(err)
		}
	}
	err = i.changeItems(ctx, owner, func(b *belongings, c *store.ItemChanges) error {
		keys, err := openItems[sshKey](i, b)
		for _, key := range keys {
			if slices.Contains(gone, key.id) { // not one that was stored since: its token is live
				c.Delete = append(c.Delete, key.id)
			}
		}
		if len(c.Delete) > 0 && !own {
			c.Token, c.Event = p.id.ID, i.newEvent(EventSSHKeyDeleted, "", req.Client)
		}
		return err
	})
	if err != nil || own {
		return nil, p.afterCharge(err)
	}
	return i.rotate(ctx, p, op.kind, spent.Key, req.Client), nil
}
