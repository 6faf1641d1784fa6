package issuer

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/oauth2"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
)

// AccessTokenRequest asks for an access token (protocol section 5.5).
type AccessTokenRequest struct {
	// Token is the mytoken: compact or short.
	Token mytoken.Secret
	// ID names the request, so that it can be repeated: after a lost answer,
	// after any error, and while an earlier call may still be running. However
	// often that happens, and on however many nodes, it counts once if an
	// access token was handed out, and not at all if none was and the outcome
	// is known. An ID belongs to one token and is remembered for a day; within
	// it the use can be called off and taken up again 32 times. Zero: a new
	// one, and each call counts.
	ID store.UseID
	// Provider is the issuer that the client expects; empty: any.
	Provider string
	// Scopes and Audiences are what is asked for. Empty: what the clause that
	// admits the request allows. Audiences that the login did not ask for are
	// refused without asking a provider that would end the login over them
	// ([oidcupstream.AudienceParameter].LoginOnly): *UpstreamError with the code
	// invalid_target, not charged.
	Scopes    []string
	Audiences []string
	// Comment is recorded in the history.
	Comment string
	Client  Client
}

// AccessToken is an access token of the provider.
type AccessToken struct {
	mytoken.AccessToken
}

// OAuth2 returns the token in the form of golang.org/x/oauth2.
func (t *AccessToken) OAuth2() *oauth2.Token {
	return &oauth2.Token{AccessToken: t.Token.Reveal(), TokenType: t.TokenType, Expiry: t.Expires}
}

// AccessToken obtains an access token for a mytoken. It fails with
// *TokenError, *CapabilityError, *RefusedError, *UpstreamError,
// *ReconnectError, *BusyError, *StoreError, ErrWrongProvider,
// ErrUnknownProvider, ErrRepeatedID, ErrClosed, or the error of the context.
//
// Each call counts as one use of a clause; see AccessTokenRequest.ID for
// repeated calls. It is not counted if nothing was handed out, unless the
// provider may have acted (UpstreamError.Charged). The use of a caller who
// goes away while the provider is asked is settled when the provider has
// answered: it is given back unless nobody can tell what the provider did.
//
// An access token is handed out only if the mytoken is still live after the
// provider has answered, and only with scopes and audiences inside the clause.
// If the store does not say whether the mytoken was rotated, the call fails
// with a *StoreError: repeat it at once, because the successor of a rotated
// token can be fetched only as long as the grace lasts.
func (i *Issuer) AccessToken(ctx context.Context, req AccessTokenRequest) (*AccessToken, error) {
	// 1: verify, evaluate
	p, err := i.present(ctx, req.Token.Reveal())
	if err != nil {
		return nil, err
	}
	op := operation{
		id: NewUseID(), kind: restriction.AT, needs: capability.AT, provider: req.Provider, client: req.Client,
		scopes: dedup(req.Scopes), audiences: dedup(req.Audiences),
		event: mytoken.EventATCreated, comment: atComment(req.Comment),
	}
	candidates, provider, err := i.admit(ctx, p, op)
	if err != nil {
		return nil, i.refusedUse(ctx, p, op, err)
	}
	if req.ID.IsZero() {
		return i.accessToken(ctx, p, op, candidates, provider)
	}
	for n := range maxAttempts {
		out, err := i.accessToken(ctx, p, i.attempt(op, req.ID, n), candidates, provider)
		if !errors.Is(err, errCalledOff) {
			return out, err
		}
	}
	i.notify(ctx, Notice{Kind: NoticeRefused, Token: p.id.ID, Client: op.client, Err: ErrRepeatedID})
	return nil, ErrRepeatedID
}

// accessToken performs steps 2 to 8 for one use.
func (i *Issuer) accessToken(ctx context.Context, p *presented, op operation, candidates []int, provider *Provider) (*AccessToken, error) {
	// 2: charge
	spent, err := i.spend(ctx, p, op, candidates)
	if err != nil {
		return nil, err
	}
	if spent.Repeated && len(candidates) > 0 && !slices.Contains(candidates, spent.Clause) {
		return nil, i.chargeElsewhere(ctx, p, op)
	}
	clause := p.token.Clause(spent.Clause)
	asked := restriction.Ask(clause, restriction.Access{Scopes: op.scopes, Audiences: op.audiences}, restriction.Access{})

	// 3, 4, 5: one refresh, kept before anything else
	tokens, unsettled, err := i.ask(ctx, p, op, spent, provider, asked)
	if err != nil {
		if !unsettled {
			i.callOff(ctx, p, op)
		}
		return nil, i.revokedInstead(ctx, p, provider, spent, err)
	}

	// 7: still live, not more than the clause allows, and still charged
	if err := i.deliverable(ctx, p, provider, spent, clause, asked, tokens); err != nil {
		i.callOff(ctx, p, op)
		i.notify(ctx, Notice{Kind: NoticeRefused, Token: p.id.ID, Grant: spent.Grant, Client: op.client, Err: err})
		return nil, err
	}
	if err := i.claim(ctx, p, op); err != nil {
		return nil, err
	}
	out := &AccessToken{mytoken.AccessToken{
		Token: mytoken.NewSecret(tokens.AccessToken), TokenType: tokens.TokenType, Expires: tokens.Expiry,
		Scopes: slices.Clone(tokens.Scopes), Audiences: slices.Clone(tokens.Audiences), // others share the answer
	}}

	// 8: rotate
	if r := p.token.Rotation(); r != nil && r.OnAT {
		if out.Update, err = i.rotateOrFail(ctx, p, spent.Key, op.client); err != nil {
			i.callOff(ctx, p, op)
			return nil, err
		}
	}
	i.notify(ctx, Notice{Kind: NoticeAccessToken, Token: p.id.ID, Grant: spent.Grant, Client: op.client})
	return out, nil
}

// ask obtains the provider's answer for a charged use. An error that is
// unsettled leaves the charge alone: the provider may have acted, or the use
// is settled when it has answered.
func (i *Issuer) ask(ctx context.Context, p *presented, op operation, spent store.Spent, provider *Provider, asked restriction.Access) (tokens *oidcupstream.Tokens, unsettled bool, err error) {
	key, err := i.dataKey(p, spent.Key)
	if err != nil {
		return nil, false, err
	}
	return i.refresher.refresh(ctx, refreshRequest{
		token: p.id.ID, grant: spent.Grant, key: key, provider: provider, subject: p.token.OIDCSubject(),
		scopes: asked.Scopes, audiences: asked.Audiences,
		abandoned: func(ctx context.Context, err error) {
			if err == nil {
				// The answer is discarded; here it matters that a login that
				// nobody can use any more is revoked at the provider.
				_ = i.stillLive(ctx, p, provider, spent)
			}
			if !isCharged(err) {
				i.callOff(ctx, p, op)
			}
		},
	})
}

// deliverable is step 7.
func (i *Issuer) deliverable(ctx context.Context, p *presented, provider *Provider, spent store.Spent, clause *restriction.Clause, asked restriction.Access, tokens *oidcupstream.Tokens) error {
	if err := i.stillLive(ctx, p, provider, spent); err != nil {
		return err
	}
	if clause == nil {
		return nil
	}
	return i.insideClause(ctx, p, provider, clause, asked, tokens)
}

// stillLive refuses the answer for a token that was revoked while the provider
// was asked, and revokes at the provider what nobody can use any more. It does
// not present the token again: one that was rotated meanwhile is live.
func (i *Issuer) stillLive(ctx context.Context, p *presented, provider *Provider, spent store.Spent) error {
	info, err := i.ledger.token(ctx, p.id.ID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return &TokenError{Reason: TokenUnknown, cause: err}
	case err != nil:
		return err
	case info.Live:
		return nil
	}
	if key, err := i.dataKey(p, spent.Key); err == nil {
		i.revokeOrphan(ctx, p.id.ID, provider, key)
	}
	return &TokenError{Reason: TokenRevoked}
}

// revokedInstead replaces the error of a login that the provider has ended by
// that of the token, if that is why: both were revoked meanwhile.
func (i *Issuer) revokedInstead(ctx context.Context, p *presented, provider *Provider, spent store.Spent, err error) error {
	var ended *ReconnectError
	if errors.As(err, &ended) {
		if dead := i.stillLive(ctx, p, provider, spent); isTokenError(dead) {
			return dead
		}
	}
	return err
}

// insideClause refuses an answer that is broader than the clause, whatever was
// asked for (D14). The scope offline_access opens nothing that an access token
// is shown to, and some providers always name it.
func (i *Issuer) insideClause(ctx context.Context, p *presented, provider *Provider, clause *restriction.Clause, asked restriction.Access, tokens *oidcupstream.Tokens) error {
	withhold := func(kind NoticeKind, text string, cause error) error {
		err := &UpstreamError{Status: http.StatusBadGateway, Description: text, cause: cause}
		i.notify(ctx, Notice{Kind: kind, Token: p.id.ID, Detail: text, Err: err})
		return err
	}
	answer := restriction.Access{}
	if tokens.Scopes != nil || tokens.ScopeReturned {
		answer.Scopes = slices.DeleteFunc(append([]string{}, tokens.Scopes...), func(s string) bool { return s == "offline_access" })
	}
	if tokens.AudienceKnown {
		answer.Audiences = append([]string{}, tokens.Audiences...)
	} else if clause.Audiences != nil && !provider.InsecureOpaqueAudience {
		return withhold(NoticeBroaderAnswer, "the audience of the access token is not known", nil)
	}
	if err := restriction.CheckAnswer(clause, asked, answer); err != nil {
		return withhold(NoticeBroaderAnswer, "the access token is broader than the restrictions allow", err)
	}
	if clause.Expires != 0 && (tokens.Expiry.IsZero() || tokens.Expiry.Unix() > clause.Expires) {
		const text = "the access token outlives the restriction that admits it"
		if i.cfg.WithholdLongAccessTokens {
			return withhold(NoticeLongAccessToken, text, nil)
		}
		i.notify(ctx, Notice{Kind: NoticeLongAccessToken, Token: p.id.ID, Detail: text})
	}
	return nil
}

// dedup returns the strings without repetitions and empty ones, in a new slice.
func dedup(in []string) []string {
	out := make([]string, 0, len(in))
	for _, s := range in {
		if s = strings.TrimSpace(s); s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func atComment(comment string) string {
	if comment == "" {
		return "Used grant_type mytoken"
	}
	return "Used grant_type mytoken: " + comment
}
