package issuer

import (
	"cmp"
	"context"
	"fmt"

	"github.com/mytoken-go/sdk/internal/words"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
)

// Limits bound what one token, one user or one request may cost. A field has the named
// default if it is zero. Tokens that were issued under wider limits stay usable.
type Limits struct {
	// Clauses is how many clauses the restrictions of a new token may have, 1 to
	// [restriction.MaxClauses]. 0: 256.
	Clauses int
	// RestrictionBytes is how many bytes of JSON text the restrictions of a new token may
	// have, 1 KiB to 140 KiB. 0: 64 KiB. A child may have the restrictions of its parent
	// unchanged, whatever their number and size.
	RestrictionBytes int
	// TokensPerUser is how many tokens may be stored for a user when a child is created.
	// Expired and revoked tokens count until Config.Retention is over. 0: 100,000.
	// Negative: any number.
	//
	// This bounds resources and is not exact: processes count apart for a minute. First
	// tokens are counted and never refused, because otherwise the holder of a stolen
	// token could keep its user from logging in to revoke it.
	TokensPerUser int
	// ListBytes is about how many bytes of memory the descriptions in one list may take,
	// 1 MiB to 1 GiB. Further tokens are listed without their description; see
	// [mytoken.Record.Brief]. 0: 8 MiB.
	ListBytes int

	// LoginBytes bounds what a login makes the store keep while it waits: the JSON text,
	// before it is sealed, of everything that was asked for. Often anybody can start a
	// login. 1 KiB to 1 MiB. 0: 8 KiB.
	LoginBytes int
	// PendingLogins is how many logins may wait at once that this process started. Each
	// process of a service counts its own. A login stops waiting when it comes back, is
	// declined or expires; the process that started it learns of an end in another
	// process only when the login expires. 1 to 1,000,000. 0: 10,000.
	PendingLogins int
}

// maxRestrictionBytes bounds Limits.RestrictionBytes. The rest of [mytoken.MaxTokenBytes]
// is for the other claims, for the end that a maximum lifetime adds to each clause, and
// for base64.
const maxRestrictionBytes = 140 << 10

func (l Limits) withDefaults() Limits {
	l.Clauses = cmp.Or(l.Clauses, 256)
	l.RestrictionBytes = cmp.Or(l.RestrictionBytes, 64<<10)
	l.TokensPerUser = cmp.Or(l.TokensPerUser, 100_000)
	l.ListBytes = cmp.Or(l.ListBytes, 8<<20)
	l.LoginBytes = cmp.Or(l.LoginBytes, 8<<10)
	l.PendingLogins = cmp.Or(l.PendingLogins, 10_000)
	return l
}

// check returns an error that names the field to change.
func (l Limits) check() error {
	return cmp.Or(
		within("Limits.Clauses", l.Clauses, 1, restriction.MaxClauses),
		within("Limits.RestrictionBytes", l.RestrictionBytes, 1<<10, maxRestrictionBytes),
		within("Limits.ListBytes", l.ListBytes, 1<<20, 1<<30),
		within("Limits.LoginBytes", l.LoginBytes, 1<<10, 1<<20),
		within("Limits.PendingLogins", l.PendingLogins, 1, 1_000_000),
	)
}

// checkAccess bounds the scopes and audiences of a request, before anything else looks at
// them.
func checkAccess(scopes, audiences []string) error {
	if err := words.Check(scopes); err != nil {
		return requestError("scope", err)
	}
	if err := words.Check(audiences); err != nil {
		return requestError("audience", err)
	}
	return nil
}

// admitChild returns a [*RequestError] if the user has too many tokens for another child.
func (i *Issuer) admitChild(ctx context.Context, owner mytoken.OwnerID) error {
	most := i.cfg.Limits.TokensPerUser
	if most < 0 {
		return nil
	}
	tokens, err := i.population.Of(owner, most, i.Now(), func() (int, error) { return i.ledger.count(ctx, owner, most) })
	if err == nil && tokens >= most {
		err = &RequestError{Field: "mytoken", Code: RequestTooManyTokens, Reason: fmt.Sprintf(
			"the user has %d tokens, and no more are stored; expired and revoked tokens count until they are deleted", most)}
	}
	return err
}

// Limits returns the limits of this issuer, with the defaults filled in.
func (i *Issuer) Limits() Limits { return i.cfg.Limits }
