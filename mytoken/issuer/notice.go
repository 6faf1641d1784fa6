package issuer

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/mytoken-go/sdk/internal/errtext"
	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/internal/rescue"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/requestid"
	"github.com/mytoken-go/sdk/mytoken/issuer/internal/refresh"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/store"
)

// NoticeKind is the kind of a [Notice].
type NoticeKind string

// The kinds of notices. Each event is told once, by the most precise kind.
const (
	NoticeIssued             NoticeKind = "issued"               // a token was created
	NoticeAccessToken        NoticeKind = "access_token"         // an access token was handed out
	NoticeRefused            NoticeKind = "refused"              // restrictions or capabilities refused a use
	NoticeRejected           NoticeKind = "rejected"             // a presented token is not valid. If the reason is malformed, forged or unknown, somebody may be guessing or forging, or still use a token that was deleted after its revocation
	NoticePolicyRefused      NoticeKind = "policy_refused"       // the policy refused a token
	NoticeLoginDeclined      NoticeKind = "login_declined"       // a user declined a login, on the consent page or at the provider
	NoticeLoginFailed        NoticeKind = "login_failed"         // a login ended without a token, for a reason that no other kind tells
	NoticeProviderFailed     NoticeKind = "provider_failed"      // a provider could not be asked, or gave no usable answer; a failed revocation is NoticeRevokedAtProvider
	NoticeRotated            NoticeKind = "rotated"              // a mytoken was rotated
	NoticeReused             NoticeKind = "reused"               // an outdated mytoken was presented after its grace
	NoticeRevoked            NoticeKind = "revoked"              // a mytoken was revoked
	NoticeRevokedAtProvider  NoticeKind = "revoked_at_provider"  // a refresh token was revoked there; if that failed, Err says why
	NoticeRefreshTokenStored NoticeKind = "refresh_token_stored" // the store has a new refresh token of the provider
	NoticeUnexpectedRotation NoticeKind = "unexpected_rotation"  // a provider replaced a refresh token, although its operator states that it never does
	NoticeSpillFailed        NoticeKind = "spill_failed"         // the spill directory did not take a refresh token
	NoticeCommitFailed       NoticeKind = "commit_failed"        // the store did not take a refresh token; the issuer tries again
	NoticeGrantSuspect       NoticeKind = "grant_suspect"        // the provider refused the refresh token; it is asked again after Config.SuspectPause
	NoticeGrantDead          NoticeKind = "grant_dead"           // the provider refused the refresh token again: the user has to log in
	NoticeInDoubt            NoticeKind = "refresh_in_doubt"     // another node was interrupted while it refreshed a login, which waits for that node; Detail names it for [Issuer.Abandon]
	NoticeForeignAnswer      NoticeKind = "foreign_answer"       // an answer of the provider was about somebody else, and was discarded
	NoticeBroaderAnswer      NoticeKind = "broader_answer"       // an access token was withheld: it was broader than its clause
	NoticeLongAccessToken    NoticeKind = "long_access_token"    // an access token expires after the clause that admitted it
	NoticeRefundFailed       NoticeKind = "refund_failed"        // a use stays charged although nothing was handed out
	NoticeReconnected        NoticeKind = "reconnected"          // a new login replaced a refresh token
	NoticeMixUp              NoticeKind = "mix_up"               // a login was answered by another provider than the one that was asked
)

// Notice is something that happened. It holds no secret. Detail says more in words for
// humans.
type Notice struct {
	Kind NoticeKind
	// Reason is a word from a fixed set, so that a metric can have it as a label. It is
	// empty for kinds that are not listed here.
	//
	//   - issued: login, adopt, derive.
	//   - rejected, reused: malformed, forged (it is signed with another key, or it is no
	//     copy that was issued), unknown, early, expired, revoked, outdated, reused.
	//   - refused: capability, restrictions, provider (the request names another one), id
	//     (see [ErrRepeatedID]), other.
	//   - policy_refused: consent, login, adopt, derive; see [PolicyKind].
	//   - login_declined: consent, provider.
	//   - login_failed: provider (it answered with an error), code (it refused the
	//     authorization code), redirect, scopes, refresh_token (it gave none), user,
	//     revoked, store, other.
	//   - provider_failed: discover, authorize, redirect, exchange, refresh, userinfo.
	Reason string
	Token  mytoken.TokenID // zero if it is about none
	Grant  GrantID         // zero if it is not known
	Client Client
	Detail string
	Err    error // the cause; nil if nothing failed
}

// The reasons of a [NoticeIssued].
const (
	issuedByLogin  = "login"
	issuedByAdopt  = "adopt"
	issuedByDerive = "derive"
)

// linesAMinute is how many notices of a kind the log mentions in a minute, if strangers
// can cause any number of them. The observer hears of each.
const linesAMinute = 10

// quotas bounds what the log mentions.
type quotas struct {
	mu     sync.Mutex
	byKind map[NoticeKind]*quota
}

type quota struct {
	since      time.Time // when the minute began
	logged     int       // in this minute
	suppressed int       // since the last line
}

// admit reports whether the log may mention another notice of a kind, and how many it has
// kept silent about since the last one.
func (q *quotas) admit(kind NoticeKind, now time.Time) (logged bool, suppressed int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.byKind == nil {
		q.byKind = make(map[NoticeKind]*quota)
	}
	of := q.byKind[kind]
	if of == nil {
		of = new(quota)
		q.byKind[kind] = of
	}
	if age := now.Sub(of.since); age < 0 || age >= time.Minute {
		of.since, of.logged = now, 0
	}
	if of.logged == linesAMinute {
		of.suppressed++
		return false, 0
	}
	suppressed, of.suppressed = of.suppressed, 0
	of.logged++
	return true, suppressed
}

// notify tells the observer, and writes to the log what an operator should look at.
func (i *Issuer) notify(ctx context.Context, n Notice) {
	n.Reason = cmp.Or(n.Reason, reasonOf(&n))
	level, logged := n.level()
	told := n.toldByEdge(ctx)
	if told && n.isTheError() {
		level = slog.LevelDebug
	}
	suppressed := 0
	if logged && level > slog.LevelDebug && n.byStrangers() {
		logged, suppressed = i.quotas.admit(n.Kind, i.Now())
	}
	if logged {
		attrs := []slog.Attr{slog.String("kind", string(n.Kind))}
		if suppressed > 0 {
			attrs = append(attrs, slog.Int("suppressed", suppressed))
		}
		if n.Client.Address.IsValid() {
			attrs = append(attrs, slog.String("address", n.Client.Address.String()))
		}
		if !n.Token.IsZero() {
			attrs = append(attrs, slog.String("mom_id", n.Token.String()))
		}
		if n.Reason != "" {
			attrs = append(attrs, slog.String("reason", n.Reason))
		}
		attrs = append(attrs, answerAttrs(n.Err)...)
		cause := errtext.ForLog(n.Err)
		if n.Detail != "" && !strings.Contains(cause, n.Detail) { // else the cause says it
			attrs = append(attrs, slog.String("detail", legible.Show(n.Detail)))
		}
		if cause != "" && !told {
			attrs = append(attrs, slog.String("error", cause))
		}
		i.cfg.Logger.LogAttrs(ctx, level, "mytoken", attrs...)
	}
	if i.cfg.Observer != nil {
		// It may run on a goroutine of a refresh, and has nothing to decide.
		err := rescue.Do(func() { i.cfg.Observer(ctx, n) })
		rescue.Log(ctx, i.cfg.Logger, "the observer", err)
	}
}

// reasonOf returns the reason that the cause of a notice tells, or "".
func reasonOf(n *Notice) string {
	switch n.Kind {
	case NoticeRejected, NoticeReused:
		return rejectedFor(n.Err)
	case NoticeRefused:
		return refusedFor(n.Err)
	case NoticeProviderFailed:
		if up, ok := errors.AsType[*oidcupstream.Error](n.Err); ok {
			return up.Op
		}
	}
	return ""
}

func rejectedFor(err error) string {
	token, known := errors.AsType[*TokenError](err)
	switch {
	case errors.Is(err, mytoken.ErrTokenSignature), errors.Is(err, mytoken.ErrTokenKey), errors.Is(err, store.ErrForged):
		return "forged"
	case known:
		return token.Reason.String()
	}
	return TokenReused.String()
}

func refusedFor(err error) string {
	switch {
	case isA[*mytoken.CapabilityError](err):
		return "capability"
	case isA[*RefusedError](err):
		return "restrictions"
	case errors.Is(err, ErrWrongProvider), errors.Is(err, ErrUnknownProvider):
		return "provider"
	case errors.Is(err, ErrRepeatedID):
		return "id"
	}
	return "other"
}

// LogAttrs returns what a log of requests tells about an error beside its text, as
// attributes that can be searched and counted. The attribute reason is that of the
// [Notice] of a failed login or of a provider's failure. If a provider answered,
// provider_status is the HTTP status and provider_error the error code of its answer. The
// attribute claim names the claim of an unacceptable ID token. An attribute without a
// value is left out. None holds a secret.
func LogAttrs(err error) []slog.Attr {
	reason := ""
	up, asked := errors.AsType[*oidcupstream.Error](err)
	gave, gaveNothing := errors.AsType[*UpstreamError](err)
	switch {
	case asked && isProvidersFailure(up):
		reason = up.Op
	case isA[*LoginError](err):
		reason = failedFor(err)
	case gaveNothing:
		reason = gave.Op
	default:
		return nil
	}
	return append([]slog.Attr{slog.String("reason", reason)}, answerAttrs(err)...)
}

// answerAttrs returns the attributes about the answer of a provider.
func answerAttrs(err error) (attrs []slog.Attr) {
	up, asked := errors.AsType[*oidcupstream.Error](err)
	if !asked {
		return nil
	}
	if up.Status != 0 {
		attrs = append(attrs, slog.Int("provider_status", up.Status))
	}
	if up.Code != "" {
		attrs = append(attrs, slog.String("provider_error", up.Code))
	}
	if up.Claim != "" {
		attrs = append(attrs, slog.String("claim", up.Claim))
	}
	return attrs
}

// failedFor returns the reason of a [NoticeLoginFailed].
func failedFor(err error) string {
	login, ours := errors.AsType[*LoginError](err)
	up, upstream := errors.AsType[*oidcupstream.Error](err)
	switch {
	case ours && login.Reason != LoginFailed && login.Reason != LoginRefused:
		return login.Reason.String()
	case isA[*CodeError](err):
		return LoginRevoked.String()
	case isA[*StoreError](err):
		return LoginNotStored.String()
	case errors.Is(err, oidcupstream.ErrRedirect):
		return "redirect"
	case upstream && up.InvalidGrant() && up.Op != "redirect":
		return "code"
	case upstream && up.Op == "redirect", ours && login.Reason == LoginRefused:
		return LoginRefused.String()
	}
	return LoginFailed.String()
}

// byStrangers reports whether somebody without a token can cause any number of such
// notices.
func (n *Notice) byStrangers() bool {
	switch n.Kind {
	case NoticeRejected, NoticePolicyRefused, NoticeLoginDeclined, NoticeLoginFailed, NoticeProviderFailed, NoticeMixUp:
		return true
	}
	return false
}

// toldByEdge reports whether the caller gets the error of the notice and logs it with the
// id of the request. So the log tells the cause once.
func (n *Notice) toldByEdge(ctx context.Context) bool {
	switch n.Kind {
	case NoticeRejected, NoticeReused, NoticeBroaderAnswer, NoticeForeignAnswer, NoticePolicyRefused, NoticeLoginFailed, NoticeProviderFailed:
		return requestid.Of(ctx) != ""
	case NoticeLoginDeclined: // the consent page is no error
		return n.Err != nil && requestid.Of(ctx) != ""
	}
	return false
}

// isTheError reports whether the notice says nothing that [LogAttrs] does not say about
// its error. The line of the edge then stands for both.
func (n *Notice) isTheError() bool {
	switch n.Kind {
	case NoticeLoginDeclined, NoticeLoginFailed, NoticeProviderFailed:
		return true
	}
	return false
}

func (n *Notice) level() (slog.Level, bool) {
	switch n.Kind {
	case NoticeCommitFailed, NoticeRefundFailed:
		return levelOf(slog.LevelError, n.Err), true
	case NoticeIssued:
		return slog.LevelInfo, n.Reason == issuedByLogin
	case NoticeReconnected, NoticeLoginDeclined:
		return slog.LevelInfo, true
	case NoticeSpillFailed, NoticeForeignAnswer, NoticeInDoubt:
		return slog.LevelError, true
	case NoticeRejected: // a token that has merely ended is no attack
		return slog.LevelWarn, n.Reason == "malformed" || n.Reason == "forged" || n.Reason == "unknown"
	case NoticePolicyRefused:
		if isA[*attributesError](n.Err) { // the policy could not decide
			return slog.LevelWarn, true
		}
		return slog.LevelInfo, true
	case NoticeLoginFailed, NoticeProviderFailed:
		return levelOf(slog.LevelWarn, n.Err), true
	case NoticeReused, NoticeUnexpectedRotation, NoticeGrantSuspect, NoticeGrantDead, NoticeBroaderAnswer, NoticeMixUp:
		return slog.LevelWarn, true
	case NoticeRevokedAtProvider:
		return slog.LevelWarn, n.Err != nil
	}
	return 0, false
}

// levelOf returns the level of a line about a failed step. While the store is away, the
// ledger tells so once, and what fails for that reason is of the level Debug.
func levelOf(level slog.Level, err error) slog.Level {
	if isA[*StoreError](err) {
		return slog.LevelDebug
	}
	return level
}

// refreshEvent passes an event of the refresher to the observer.
func (i *Issuer) refreshEvent(ctx context.Context, e refresh.Event) {
	i.notify(ctx, Notice{Kind: NoticeKind(e.Kind), Token: e.Token, Grant: e.Grant, Detail: e.Detail, Err: e.Err})
}
