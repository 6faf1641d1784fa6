package issuer

import (
	"context"
	"errors"
	"slices"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/internal/clip"
	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/internal/rescue"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer/internal/refresh"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
)

// operation is what a presented token is used for.
type operation struct {
	id       UseID
	kind     restriction.Kind
	needs    capability.Capability // empty: possession is enough
	provider string                // issuer that the client named; empty: any
	client   Client

	scopes, audiences []string // for access tokens

	event   string
	comment string
	tickets store.TicketChanges

	// brief says that a repetition is answered anew, so that it may come only for a while.
	brief bool

	// wish is the lease that the use takes along, for an access token. It may be nil.
	wish *refresh.Wish
	// state says that the use returns the state of the token.
	state bool

	// verdict names the ticket that says whether an access token was handed out for the
	// use, or the use was called off. It is zero if no other call can have the same id.
	verdict store.TicketRef
	// kept names the ticket that holds that access token, and request is the id that
	// opens it. Only the caller knows that id.
	kept    store.TicketRef
	request UseID
	// cache names the ticket for an access token that is handed out again. It is zero if
	// none is. cached names it if the use may get the one that it holds; the comment of
	// the use is cachedComment then.
	cache, cached store.TicketRef
	cachedComment string
}

// use is the operation as the store sees it.
func (i *Issuer) use(op operation, candidates []int) store.Use {
	u := store.Use{
		ID: op.id, Kind: op.kind, Candidates: candidates, Tickets: op.tickets,
		Lease: op.wish.Lease(), Fetch: op.kept, State: op.state,
		Event: i.newEvent(op.event, op.comment, op.client), Now: i.ledger.now(),
	}
	if op.cached != (store.TicketRef{}) {
		u.Fetch, u.FetchedComment = op.cached, clip.Runes(op.cachedComment, MaxCommentLength)
	}
	return u
}

// restrictionRequest is the operation as restrictions see it.
func (i *Issuer) restrictionRequest(op operation) *restriction.Request {
	return &restriction.Request{
		Now: i.Now(), Kind: op.kind, Address: op.client.Address,
		Scopes: op.scopes, Audiences: op.audiences, Values: op.client.Values,
	}
}

func (i *Issuer) newEvent(name, comment string, c Client) store.Event {
	return store.Event{
		Name: name, Comment: clip.Runes(comment, MaxCommentLength), UserAgent: agentText(c),
		Address: addressText(c), Time: i.ledger.now(),
	}
}

// agentText returns what a client says about itself, without control and format
// characters.
func agentText(c Client) string {
	return clip.Bytes(legible.Replace(clip.Bytes(c.UserAgent, MaxAgentLength), "\uFFFD"), MaxAgentLength)
}

// addressText is empty if the address is not known.
func addressText(c Client) string {
	if !c.Address.IsValid() {
		return ""
	}
	return c.Address.Unmap().String()
}

// admit makes the checks that need no store: capability, restrictions, provider. It
// returns the clauses that admit the operation; an uncounted operation has none.
func (i *Issuer) admit(ctx context.Context, p *presented, op operation) ([]int, *Provider, error) {
	if op.needs != "" && !p.token.Allows(op.needs) {
		return nil, nil, &mytoken.CapabilityError{Needed: op.needs}
	}
	decision := p.token.Policy().Decide(ctx, i.restrictionRequest(op))
	if !decision.Admitted() {
		explanation := decision.Explanation()
		i.logPanic(ctx, explanation)
		return nil, nil, &RefusedError{Explanation: explanation}
	}
	var candidates []int
	if op.kind != restriction.Uncounted {
		candidates = slices.Collect(decision.Candidates())
	}
	provider, err := i.provider(p.token.OIDCIssuer())
	if err != nil {
		return nil, nil, err
	}
	return candidates, provider, checkProvider(op.provider, p.token)
}

// logPanic writes down the first panic that made a clause refuse: of a look-up or of a
// condition of the embedding program.
func (i *Issuer) logPanic(ctx context.Context, e *restriction.Explanation) {
	for _, clause := range e.Clauses {
		for _, o := range clause.Objections {
			if isA[*rescue.Panic](o.Err) {
				rescue.Log(ctx, i.cfg.Logger, "restriction "+o.Key, o.Err)
				return
			}
		}
	}
}

// charge makes every check and spends the use.
func (i *Issuer) charge(ctx context.Context, p *presented, op operation) (store.Spent, error) {
	candidates, _, err := i.admit(ctx, p, op)
	if err != nil {
		return store.Spent{}, i.refusedUse(ctx, p, op, err)
	}
	for n := range maxAttempts {
		if op.brief {
			op.tickets.Put = []store.Ticket{i.window(p, op)}
		}
		spent, err := i.spend(ctx, p, op, candidates)
		if !errors.Is(err, errCalledOff) {
			p.charged = err == nil && !p.free(op.kind)
			switch {
			case err != nil:
			case elsewhere(spent, candidates):
				err = i.refuseID(ctx, p, op)
			case spent.Repeated && op.brief:
				err = i.stillOpen(ctx, p, op)
			}
			return spent, err
		}
		// An earlier call with this id did not learn whether it had charged, and called
		// the use off.
		sum := derived("mytoken: use of a request that was called off", op.id, n)
		op.id = UseID(sum[:len(op.id)])
	}
	return store.Spent{}, i.refuseID(ctx, p, op)
}

// presentAndCharge does what present and charge do, for operations that need nothing in
// between.
func (i *Issuer) presentAndCharge(ctx context.Context, token mytoken.Secret, op operation) (*presented, store.Spent, error) {
	p, err := i.present(ctx, token, op.client)
	if err != nil {
		return nil, store.Spent{}, err
	}
	op.id = p.useID(op.id)
	spent, err := i.charge(ctx, p, op)
	return p, spent, err
}

// spend charges an admitted use. It returns errCalledOff if a use with this id was
// refunded.
//
// If nobody knows whether the use was charged, spend calls it off before the refresher ends
// the lease that the use may have taken. So a step that is still on its way does not take
// the lease after its end. A use whose request has an ID stays, because a repetition takes
// it over; see Lost in [refresh.Wish].
func (i *Issuer) spend(ctx context.Context, p *presented, op operation, candidates []int) (store.Spent, error) {
	spent, unsure, err := i.ledger.spend(ctx, p.id, i.use(op, candidates))
	switch {
	case err == nil:
		op.wish.Charged(ctx, spent.Grant, spent.Refresh)
		return spent, nil
	case unsure:
		defer op.wish.Lost(ctx)
	default:
		op.wish.Refused()
	}
	if errors.Is(err, store.ErrRefunded) {
		return store.Spent{}, errCalledOff
	}
	if unsure && !isA[*StoreError](err) && !errors.Is(err, store.ErrExists) && !mayReply(op) {
		_, _ = i.callOff(ctx, p, op) // it reports a failure itself
	}
	return store.Spent{}, i.useFailed(ctx, p, op, err)
}

// refused reports a refusal that came before the store was asked, and returns the error
// for the caller. If the token is not live, that is the error, whatever else objects.
func (i *Issuer) refused(ctx context.Context, p *presented, client Client, err error) error {
	return i.refusedUse(ctx, p, operation{kind: restriction.Uncounted, client: client}, err)
}

// refusedUse is refused for a counted use: the explanation must not promise a clause
// whose counters are spent.
func (i *Issuer) refusedUse(ctx context.Context, p *presented, op operation, err error) error {
	state, lerr := i.lookup(ctx, p)
	switch {
	case isA[*TokenError](lerr):
		return lerr
	case lerr == nil && isA[*RefusedError](err) && op.kind != restriction.Uncounted:
		// If the counters cannot be read, the explanation stays as it is.
		if counted, cerr := i.explainSpent(ctx, p, op, state); counted != nil && cerr == nil {
			err = counted
		}
	}
	i.notify(ctx, Notice{Kind: NoticeRefused, Token: p.id.ID, Client: op.client, Err: err})
	return err
}

// useFailed translates the error of a step that charges.
//
// If the outcome of the step is not known, useFailed calls the use off. But if the step
// may have stored a reply, the use stays: a repetition finds the reply.
func (i *Issuer) useFailed(ctx context.Context, p *presented, op operation, err error) error {
	if unanswered, ok := errors.AsType[*StoreError](err); ok {
		if unanswered.Repeatable() || mayReply(op) {
			return err
		}
		return i.giveBack(ctx, p, op, err)
	}
	exhausted, spent := errors.AsType[*store.ExhaustedError](err)
	switch {
	case spent:
		err = i.explainExhausted(ctx, p.token, op, exhausted)
	case errors.Is(err, store.ErrRefunded), errors.Is(err, store.ErrExists):
		err = ErrRepeatedID
	default:
		return i.tokenError(ctx, p, err)
	}
	i.notify(ctx, Notice{Kind: NoticeRefused, Token: p.id.ID, Client: op.client, Err: err})
	return err
}

// mayReply reports whether the step that charges the operation stores a reply to it.
func mayReply(op operation) bool {
	return op.verdict.ID.IsZero() && !op.brief && slices.ContainsFunc(op.tickets.Put, func(t store.Ticket) bool { return t.Kind == store.TicketReply })
}

// refund gives a use back. Call it in an errand.
func (i *Issuer) refund(ctx context.Context, p *presented, id UseID) error {
	err := i.ledger.refund(ctx, id)
	if err != nil {
		i.notify(ctx, Notice{Kind: NoticeRefundFailed, Token: p.id.ID, Err: err})
	}
	return err
}

// giveBack calls off a use of a request that failed with err. It returns the error for
// the caller, which must not say that the use does not count if it still does.
func (i *Issuer) giveBack(ctx context.Context, p *presented, op operation, err error) error {
	if _, late := i.callOff(ctx, p, op); late == nil || p.free(op.kind) {
		return asRepeatable(err, true)
	}
	if isA[*BusyError](err) {
		return &StoreError{cause: errors.New(err.Error())} // it is no BusyError any more
	}
	if upstream, ok := errors.AsType[*UpstreamError](err); ok {
		charged := *upstream
		charged.Charged, charged.RetryAfter = true, 0
		return &charged
	}
	return asRepeatable(err, false)
}

// free reports whether a use of this kind spends no counter of the token, nor of an
// ancestor: those are counters of clauses, and a token without clauses has none above it.
func (p *presented) free(kind restriction.Kind) bool {
	return kind == restriction.Uncounted || len(p.token.Restrictions()) == 0
}

// afterCharge returns the error of a step that came after the charge. The use stays
// charged.
func (p *presented) afterCharge(err error) error {
	if p.charged {
		return asRepeatable(err, false)
	}
	return err
}
