package issuer

import (
	"context"
	"log/slog"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/store"
)

// NoticeKind tells what a [Notice] is about.
type NoticeKind string

// What an observer is told.
const (
	NoticeIssued             NoticeKind = "issued"               // a token was created
	NoticeAccessToken        NoticeKind = "access_token"         // an access token was handed out
	NoticeRefused            NoticeKind = "refused"              // restrictions or capabilities refused a use
	NoticeRotated            NoticeKind = "rotated"              // a mytoken was rotated
	NoticeReused             NoticeKind = "reused"               // an outdated mytoken was presented after its grace
	NoticeRevoked            NoticeKind = "revoked"              // a mytoken was revoked
	NoticeRevokedAtProvider  NoticeKind = "revoked_at_provider"  // a refresh token was revoked, or that failed: Err
	NoticeRefreshTokenStored NoticeKind = "refresh_token_stored" // the provider rotated its refresh token
	NoticeUnexpectedRotation NoticeKind = "unexpected_rotation"  // it did so although the operator states it never does
	NoticeSpillFailed        NoticeKind = "spill_failed"         // the spill directory refused a refresh token
	NoticeCommitFailed       NoticeKind = "commit_failed"        // the store did not take a refresh token; it is tried again
	NoticeGrantDead          NoticeKind = "grant_dead"           // the provider refused the refresh token for good
	NoticeBroaderAnswer      NoticeKind = "broader_answer"       // an access token was withheld: more than was asked for
	NoticeLongAccessToken    NoticeKind = "long_access_token"    // an access token outlives the clause that admitted it
	NoticeRefundFailed       NoticeKind = "refund_failed"        // a use stays charged although nothing was handed out
	NoticeReconnected        NoticeKind = "reconnected"          // a new login replaced a refresh token
)

// Notice is something that happened. It holds no secret.
type Notice struct {
	Kind   NoticeKind
	Token  mytoken.TokenID // zero where it concerns none
	Grant  store.GrantID   // zero where it is not known
	Client Client
	Detail string
	Err    error // nil where nothing failed
}

// notify tells the observer, and the log where an operator should look.
func (i *Issuer) notify(ctx context.Context, n Notice) {
	if level, logged := n.level(); logged {
		attrs := []slog.Attr{slog.String("kind", string(n.Kind))}
		if !n.Token.IsZero() {
			attrs = append(attrs, slog.String("mom_id", n.Token.String()))
		}
		if n.Detail != "" {
			attrs = append(attrs, slog.String("detail", n.Detail))
		}
		if n.Err != nil {
			attrs = append(attrs, slog.String("error", n.Err.Error()))
		}
		i.cfg.Logger.LogAttrs(ctx, level, "mytoken", attrs...)
	}
	if i.cfg.Observer != nil {
		i.cfg.Observer(ctx, n)
	}
}

func (n *Notice) level() (slog.Level, bool) {
	switch n.Kind {
	case NoticeSpillFailed, NoticeCommitFailed, NoticeRefundFailed:
		return slog.LevelError, true
	case NoticeReused, NoticeUnexpectedRotation, NoticeGrantDead, NoticeBroaderAnswer:
		return slog.LevelWarn, true
	case NoticeRevokedAtProvider:
		return slog.LevelWarn, n.Err != nil
	}
	return 0, false
}
