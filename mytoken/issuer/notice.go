package issuer

import (
	"context"
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
)

// NoticeKind is the kind of a [Notice].
type NoticeKind string

// The kinds of notices.
const (
	NoticeIssued             NoticeKind = "issued"               // a token was created
	NoticeAccessToken        NoticeKind = "access_token"         // an access token was handed out
	NoticeRefused            NoticeKind = "refused"              // restrictions or capabilities refused a use
	NoticeRejected           NoticeKind = "rejected"             // a presented token is malformed, or not known here: somebody may be guessing or forging, or still use a token that was deleted after its revocation
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
	Kind   NoticeKind
	Token  mytoken.TokenID // zero if it is about none
	Grant  GrantID         // zero if it is not known
	Client Client
	Detail string
	Err    error // nil if nothing failed
}

// rejectionsLogged is how many rejected tokens the log mentions in a minute. Anybody can
// send any number of them. The observer hears of each.
const rejectionsLogged = 10

// rejections counts what the log mentions.
type rejections struct {
	mu         sync.Mutex
	since      time.Time // when the minute began
	logged     int       // in this minute
	suppressed int       // since the last line
}

// admit reports whether the log may mention another rejected token, and how many it has
// kept silent about since the last one.
func (r *rejections) admit(now time.Time) (logged bool, suppressed int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if age := now.Sub(r.since); age < 0 || age >= time.Minute {
		r.since, r.logged = now, 0
	}
	if r.logged == rejectionsLogged {
		r.suppressed++
		return false, 0
	}
	suppressed, r.suppressed = r.suppressed, 0
	r.logged++
	return true, suppressed
}

// notify tells the observer, and writes to the log what an operator should look at.
func (i *Issuer) notify(ctx context.Context, n Notice) {
	level, logged := n.level()
	suppressed := 0
	if n.Kind == NoticeRejected {
		logged, suppressed = i.rejections.admit(i.Now())
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
		cause := errtext.ForLog(n.Err)
		if n.Detail != "" && !strings.Contains(cause, n.Detail) { // else the cause says it
			attrs = append(attrs, slog.String("detail", legible.Show(n.Detail)))
		}
		if cause != "" && !n.toldByEdge(ctx) {
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

// toldByEdge reports whether the caller gets the error of the notice and logs it with the
// id of the request. So the log tells the cause once.
func (n *Notice) toldByEdge(ctx context.Context) bool {
	switch n.Kind {
	case NoticeRejected, NoticeReused, NoticeBroaderAnswer, NoticeForeignAnswer:
		return requestid.Of(ctx) != ""
	}
	return false
}

func (n *Notice) level() (slog.Level, bool) {
	switch n.Kind {
	case NoticeCommitFailed, NoticeRefundFailed:
		return levelOf(slog.LevelError, n.Err), true
	case NoticeSpillFailed, NoticeForeignAnswer, NoticeInDoubt:
		return slog.LevelError, true
	case NoticeReused, NoticeRejected, NoticeUnexpectedRotation, NoticeGrantSuspect, NoticeGrantDead, NoticeBroaderAnswer, NoticeMixUp:
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
