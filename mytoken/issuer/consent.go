package issuer

import (
	"context"
	"time"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/seal"
)

// NativeLogin is a login on a page of the issuer, in a browser on any device (protocol
// section 6.1).
type NativeLogin struct {
	// ConsentCode is part of the address of the consent page.
	ConsentCode mytoken.Secret
	// PollingCode fetches the token when the user has finished. It is empty if nobody
	// polls.
	PollingCode mytoken.Secret
	Expires     time.Time     // of both codes
	Interval    time.Duration // between two polls
}

// ConsentRequest is what a user is asked to agree to.
type ConsentRequest struct {
	// Provider is the issuer of the provider at which the user will log in.
	Provider string
	// Application is the name of the program that asks.
	Application string
	Properties  mytoken.Properties
	Response    mytoken.Response
	// SSHKey is the fingerprint of the SSH key that will stand for the token. Nobody else
	// gets the token then. Empty: the token is for none.
	SSHKey string
	// Address is where the login was started. Empty: not known.
	Address  string
	ReturnTo string
	// Polled says that the token goes to the program that started the login, possibly on
	// another device.
	Polled  bool
	Expires time.Time
}

// Declined is a login that the user declined. Its fields are those of the
// [ConsentRequest].
type Declined struct {
	Application string
	ReturnTo    string
	Polled      bool
}

// StartNative begins a login that waits for the consent of the user. Meanwhile the
// program that asked polls for the token. Errors are [ErrUnknownProvider],
// [*RequestError], [*BusyError] and [*StoreError]. A request beyond Limits.LoginBytes is
// a [*RequestError].
func (i *Issuer) StartNative(ctx context.Context, req LoginRequest) (*NativeLogin, error) {
	return i.startConsent(ctx, req, true)
}

// StartConsent is [Issuer.StartNative] for a login that ends in the browser that
// consents. There is no polling code; [Issuer.FinishLogin] returns the token. Errors are
// those of StartNative.
func (i *Issuer) StartConsent(ctx context.Context, req LoginRequest) (*NativeLogin, error) {
	return i.startConsent(ctx, req, false)
}

func (i *Issuer) startConsent(ctx context.Context, req LoginRequest, polled bool) (*NativeLogin, error) {
	req.CountFrom = earlier(req.CountFrom, i.Now())
	pending, err := i.newPending(req)
	if err != nil {
		return nil, err
	}
	return i.beginConsent(ctx, pending, polled)
}

// beginConsent stores a login that waits for the consent of the user.
func (i *Issuer) beginConsent(ctx context.Context, pending *pendingLogin, polled bool) (*NativeLogin, error) {
	key := seal.NewDataKey()
	out := &NativeLogin{
		ConsentCode: mytoken.NewSecret(randomLetters(i.cfg.TransferCodeLength)), Expires: pending.Expires.Time(), Interval: i.cfg.PollInterval,
	}
	var changes store.TicketChanges
	if polled {
		out.PollingCode = mytoken.NewSecret(randomURLSafe(pollingCodeBytes))
		ref := i.codeRef(store.TicketPolling, pending.pollingPrefix()+out.PollingCode.Reveal())
		pending.Polling = ref.ID[:]
		t, err := i.keyTicket(ref, out.PollingCode.Reveal(), key, pending.Expires)
		if err != nil {
			return nil, err
		}
		changes.Put = append(changes.Put, t)
	}
	t, err := i.loginTicket(i.codeRef(store.TicketConsent, out.ConsentCode.Reveal()), out.ConsentCode.Reveal(), key, pending)
	if err != nil {
		return nil, err
	}
	if err := i.storeLogin(ctx, t, changes); err != nil {
		return nil, err
	}
	return out, nil
}

// Consent returns what the user is asked to agree to. Errors are [*CodeError] and
// [*StoreError].
func (i *Issuer) Consent(ctx context.Context, code mytoken.Secret) (*ConsentRequest, error) {
	_, _, p, err := i.resolveLogin(ctx, store.TicketConsent, code.Reveal())
	if err != nil {
		return nil, err
	}
	_, polled := p.polling()
	return &ConsentRequest{
		SSHKey:   p.fingerprint(),
		Provider: p.Provider, Application: p.Application, Properties: p.Properties.properties(), Response: p.Response,
		Address: p.Address, ReturnTo: p.ReturnTo, Polled: polled, Expires: p.Expires.Time(),
	}, nil
}

// Approve replaces the requested properties with those that the user agreed to, and
// returns where to send the browser. A consent code can be approved or declined once. The
// token gets what [Issuer.PreviewConsent] returns for the same properties, or less.
//
// Errors are [*CodeError], [*RequestError], [*PolicyError], [*UpstreamError] and
// [*StoreError]. After a [*RequestError], a [*PolicyError] or an [*UpstreamError] the code
// can still be used.
func (i *Issuer) Approve(ctx context.Context, code mytoken.Secret, agreed mytoken.Properties) (*Login, error) {
	t, key, pending, err := i.resolveLogin(ctx, store.TicketConsent, code.Reveal())
	if err != nil {
		return nil, err
	}
	if err := i.agree(ctx, pending, agreed); err != nil {
		i.policyRefused(ctx, PolicyConsent, mytoken.TokenID{}, pending.client(), err)
		return nil, err
	}
	return i.authorize(ctx, pending, key, store.TicketChanges{By: NewUseID(), Consume: []store.TicketRef{t.TicketRef}})
}

// agree replaces the properties of a login with those that the user agreed to, as far as
// they may be issued.
func (i *Issuer) agree(ctx context.Context, pending *pendingLogin, agreed mytoken.Properties) error {
	if len(agreed.Capabilities) == 0 { // the default would add to what the user saw
		return &RequestError{Field: "capabilities", Reason: "a token without capabilities is of no use"}
	}
	from := pending.countFrom(i.Now())
	agreed, err := i.firstProperties(agreed, from)
	if err != nil {
		return err
	}
	pending.Properties = toStored(agreed)
	pending.CountFrom = store.At(from)
	return i.foresee(ctx, pending, pending.client())
}

// Decline ends a login because the user did not agree. [Issuer.Poll] then returns a
// [*CodeError] with [CodeDeclined]. Errors are [*CodeError] and [*StoreError].
func (i *Issuer) Decline(ctx context.Context, code mytoken.Secret) (*Declined, error) {
	t, _, pending, err := i.resolveLogin(ctx, store.TicketConsent, code.Reveal())
	if err != nil {
		return nil, err
	}
	changes := store.TicketChanges{By: NewUseID(), Consume: []store.TicketRef{t.TicketRef}}
	if err := i.rememberEnd(&changes, code.Reveal(), pending, endedRecord{Declined: true}); err != nil {
		return nil, err
	}
	polling, polled := pending.polling()
	if polled {
		changes.Complete = []store.Completion{{TicketRef: polling, Status: store.TicketDeclined}}
	}
	if err := i.changeTickets(ctx, changes); err != nil {
		return nil, err
	}
	i.waiting.Leave(t.TicketRef)
	i.notify(ctx, Notice{Kind: NoticeLoginDeclined, Reason: "consent", Client: pending.client()})
	return &Declined{Application: pending.Application, ReturnTo: pending.ReturnTo, Polled: polled}, nil
}

// PollRequest asks whether a native login is finished.
type PollRequest struct {
	Code   mytoken.Secret
	Client Client
}

// Poll redeems a polling code (protocol section 5.4.2). The token is handed out once.
// Errors are [*CodeError], with [CodePending] until the user has finished, and
// [*StoreError].
func (i *Issuer) Poll(ctx context.Context, req PollRequest) (*mytoken.Issued, error) {
	t, key, err := i.resolvePolled(ctx, "", req.Code.Reveal())
	if err != nil {
		return nil, err
	}
	issued, err := i.openRecord(ctx, store.TicketPayloadPlace(t.TicketRef), key, t.Payload)
	if err != nil {
		return nil, err
	}
	if err := i.take(ctx, t.TicketRef, req.Client); err != nil {
		return nil, err
	}
	return issued, nil
}

// resolvePolled finds the ticket of a login that has led to a token. A prefix tells logins
// for SSH keys from others.
func (i *Issuer) resolvePolled(ctx context.Context, prefix, code string) (store.Ticket, seal.DataKey, error) {
	t, key, err := i.resolveNamed(ctx, store.TicketPolling, prefix, code)
	if err != nil {
		return t, key, err
	}
	switch t.Status {
	case store.TicketPending:
		err = &CodeError{Reason: CodePending}
	case store.TicketDeclined:
		err = &CodeError{Reason: CodeDeclined}
	case store.TicketFailed:
		err = &CodeError{Reason: CodeFailed, Login: i.openFailure(t, key)}
	}
	return t, key, err
}

func (i *Issuer) openFailure(t store.Ticket, key seal.DataKey) *LoginError {
	var rec failureRecord
	if err := i.openJSON(store.TicketPayloadPlace(t.TicketRef), key, t.Payload, &rec); err != nil {
		return &LoginError{Code: "server_error", cause: err}
	}
	return rec.failure()
}

// take redeems a code. Exactly one of several takers succeeds.
func (i *Issuer) take(ctx context.Context, ref store.TicketRef, client Client) error {
	return codeError(i.ledger.takeTicket(ctx, ref, NewUseID(), i.newEvent(EventTransferCodeUsed, "", client)))
}
