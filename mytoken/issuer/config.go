package issuer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/internal/weburl"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/requestid"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/seal"
)

// Config configures an [Issuer]. Issuer, Store, Seal, Keys and Providers are required.
// Any other field has the named default if it is zero.
type Config struct {
	// Issuer is the issuer URL of the mytokens, exactly as clients know it. It is an https
	// URL, or http with a loopback address such as 127.0.0.1, unless InsecureHTTP is set.
	Issuer string
	// InsecureHTTP accepts plain http in Issuer for every host. Everybody on the way can
	// read the tokens then. Public clients and browsers expect https.
	InsecureHTTP bool
	// Store keeps the state. Several issuers, in several processes, may share one store
	// if they share the other required fields too.
	Store store.Store
	// Seal holds the server keys that protect the store.
	Seal *seal.Ring
	// Keys sign the mytokens.
	Keys *mytoken.Keys
	// Providers are where users log in.
	Providers []Provider

	// Restrictions configures how restrictions are evaluated: resolver, locator,
	// conditions of your own, supported keys.
	Restrictions restriction.Options
	// Policy may narrow or refuse every token before it is issued. Nil: the rules of the
	// protocol alone apply.
	Policy Policy
	// Observer is called for each [Notice], on the goroutine of the request or of a
	// refresh, after the step was stored. It should return quickly. A panic goes to the
	// log alone. Nil: nobody is told.
	Observer func(context.Context, Notice)

	// Clock tells the time. Nil: time.Now. Its instants should keep their monotonic
	// reading, as those of time.Now do: it shows that the wall clock was set back.
	Clock func() time.Time
	// Logger gets what an operator has to know, and never a secret. Nil: slog.Default().
	Logger *slog.Logger

	// SpillDir is a directory that keeps new refresh tokens, sealed, until the store has
	// them. There they survive a crash; see [Issuer.Recover]. The issuer makes a missing
	// directory, for its owner alone. It refuses one in which other users may remove or
	// plant files. In a volume of Kubernetes name a directory that does not exist yet, and
	// let fsGroup be the id of the user, because it gets access to all files.
	//
	// If the provider answers with the refresh token of somebody else, that is set aside
	// there as well, in a file *.quarantined that nothing uses; at most 64 of them.
	//
	// Give each machine a directory of its own that survives its restarts. A file in it
	// names the node, and goes with the directory. Processes may share a directory if
	// locks (flock) work there. If a process dies while the provider answers, the others
	// wait for its directory; see InDoubtWait. What another machine has left in it is
	// settled after 20 s and MaxClockSkew: locks alone do not prove a death there.
	//
	// Empty: they stay in memory. A crash before the store has one then ends the login,
	// if the provider accepts each refresh token only once.
	SpillDir string

	// CodeLifetime is how long logins, polling codes and transfer codes are valid, 1 s to
	// 1 h. 0: 5 minutes.
	CodeLifetime time.Duration
	// PollInterval is the pause that polling clients are asked for, 1 s to 15 s in whole
	// seconds (protocol section 6.1). 0: 5 s.
	PollInterval time.Duration
	// TransferCodeLength is the number of letters of transfer and consent codes, 12 to
	// 30. 0: 14.
	TransferCodeLength int
	// ShortTokenLength is the number of letters of short tokens, 32 to 512. 0: 64.
	ShortTokenLength int

	// RotationGrace is how long an outdated generation still gets its stored successor,
	// at most 30 s. A lost response can be repeated within that time. 0: 30 s. Negative:
	// not at all; a lost response then costs the token.
	RotationGrace time.Duration
	// Lease is how long one process may keep a login to itself while it refreshes. It
	// must exceed the timeout of every provider by more than MaxClockSkew. 0: the timeout
	// of the provider, MaxClockSkew and 2 s.
	Lease time.Duration
	// MaxClockSkew bounds the difference between the clocks of processes that share the
	// store. At most 5 minutes. 0: 2 s. It is also the tolerance for iat and nbf of
	// tokens.
	MaxClockSkew time.Duration
	// WaitLimit is how long a request waits for other refreshes of the same login before
	// it returns a [*BusyError]. A request that would wait longer gets that error at
	// once, and so does one beyond 8 refreshes of a token or 1,024 of a login. Public
	// clients stop waiting after 20 s. 0: 18 s.
	WaitLimit time.Duration
	// InDoubtWait is how long a refresh waits if another process was interrupted while it
	// refreshed the same login. That process may still store a refresh token. 0: 2 s.
	// Negative: not at all.
	//
	// If it is still not known then whether that process got a new refresh token, the old
	// one may only be tried at a provider that tolerates it ([oidcupstream.Config].Reuse).
	// At any other provider the request gets a [*BusyError], until the other node has
	// restarted, an operator gives it up ([Issuer.Abandon]), or AbandonAfter is over. If the
	// other process lives and has got no refresh token, it says so within a few seconds.
	InDoubtWait time.Duration
	// AbandonAfter is how long after the end of an interrupted refresh the issuer gives up
	// waiting for the node that made it, and asks the provider. 0: 1 h.
	AbandonAfter time.Duration

	// SuspectPause is how long the issuer waits before it asks again for a login that the
	// provider has refused, 1 s to 10 minutes. Providers also refuse while a user is
	// disabled. Only a second refusal ends the login. If the provider gives no answer, the
	// pause doubles each time, up to 10 minutes. 0: 10 s.
	SuspectPause time.Duration

	// Limits bound what one token, one user or one request may cost.
	Limits Limits
	// MaxDepth is how many ancestors a token may have, at most 16. 0: 16.
	MaxDepth int
	// IndependentBudgets gives each child counters of its own, as the reference server
	// does. A holder who can derive can then multiply a limit. False: a use of a child
	// also counts against each limited ancestor clause.
	IndependentBudgets bool
	// ChildRotation says what the rotation of a token means for its children. 0:
	// [ChildrenInherit].
	ChildRotation ChildRotation
	// WithholdLongAccessTokens refuses an access token that expires after the clause that
	// admitted it, or after the window of its schedule. Access tokens cannot be shortened.
	WithholdLongAccessTokens bool
	// TokenCacheSize is how many tokens the issuer remembers, by hash, once it has issued
	// them or checked their signatures. See [mytoken.VerifierConfig].
	// 0: 4096. Negative: none.
	TokenCacheSize int
	// Retention is how long expired and revoked tokens stay listed. 0: 30 days.
	Retention time.Duration
}

// Client describes who makes a request. Method ClientOf of a rest.Handler makes one of an
// HTTP request.
type Client struct {
	// Address is the address of the client. The zero value satisfies no restriction on
	// hosts or countries.
	Address netip.Addr
	// UserAgent is recorded in histories without control and format characters, cut
	// to [MaxAgentLength] bytes.
	UserAgent string
	// Values are facts for restriction conditions of your own.
	Values map[string]any
	// Key is the SSH key that the client has proved to hold; see [Issuer.OpenSSHKey]. The
	// client then uses the token behind the key: leave the Token of its requests empty. Nil
	// for any other client.
	Key *SSHKey
}

// Limits of what requests may carry.
const (
	MaxCommentLength = 100 // characters of the comment of an event; a longer one is cut
	MaxAgentLength   = 256 // bytes of a recorded user agent; a longer one is cut
)

const (
	maxReturnLength  = 4 << 10 // bytes of LoginRequest.ReturnTo
	maxLabelLength   = 64      // bytes of LoginRequest.Label
	maxRotationGrace = 30 * time.Second
	maxClockSkew     = 5 * time.Minute
)

// withDefaults returns the configuration with every default filled in, or an error that
// names the field to change.
func (c Config) withDefaults() (Config, error) {
	if c.Clock == nil {
		c.Clock = time.Now
	}
	c.Logger = requestid.Logger(cmp.Or(c.Logger, slog.Default()))
	c.CodeLifetime = cmp.Or(c.CodeLifetime, 5*time.Minute)
	c.PollInterval = cmp.Or(c.PollInterval, 5*time.Second)
	c.TransferCodeLength = cmp.Or(c.TransferCodeLength, 14)
	c.ShortTokenLength = cmp.Or(c.ShortTokenLength, 64)
	c.RotationGrace = max(cmp.Or(c.RotationGrace, maxRotationGrace), 0)
	c.MaxClockSkew = cmp.Or(c.MaxClockSkew, 2*time.Second)
	c.WaitLimit = cmp.Or(c.WaitLimit, 18*time.Second)
	c.InDoubtWait = max(cmp.Or(c.InDoubtWait, 2*time.Second), 0)
	c.SuspectPause = cmp.Or(c.SuspectPause, 10*time.Second)
	c.AbandonAfter = cmp.Or(c.AbandonAfter, time.Hour)
	c.MaxDepth = cmp.Or(c.MaxDepth, store.MaxDepth)
	c.Retention = cmp.Or(c.Retention, 30*24*time.Hour)
	c.TokenCacheSize = cmp.Or(c.TokenCacheSize, 4096)
	c.Limits = c.Limits.withDefaults()
	if err := c.checkRequired(); err != nil {
		return c, err
	}
	return c, c.checkLimits()
}

func (c *Config) checkRequired() error {
	switch err := c.checkIssuer(); {
	case err != nil:
		return fmt.Errorf("issuer: Config.Issuer: %w", err)
	case c.Store == nil:
		return errors.New("issuer: Config.Store is missing")
	case c.Seal == nil:
		return errors.New("issuer: Config.Seal is missing")
	case c.Seal.Active() == seal.KeyID{}:
		return fmt.Errorf("issuer: Config.Seal cannot seal: %w", seal.ErrNoKey)
	case c.Keys == nil:
		return errors.New("issuer: Config.Keys is missing")
	case c.Keys.ActiveID() == "":
		return fmt.Errorf("issuer: Config.Keys cannot sign: %w", mytoken.ErrNoSigningKey)
	case len(c.Providers) == 0:
		return errors.New("issuer: Config.Providers is empty")
	}
	return nil
}

// checkIssuer returns an error for an issuer URL that clients or browsers would spell in
// another way, or must not send tokens to.
func (c *Config) checkIssuer() error {
	if c.Issuer == "" {
		return errors.New("it is empty: set it to the URL of this service, such as https://mytoken.example.org")
	}
	u, err := weburl.Parse(c.Issuer)
	switch {
	case err != nil:
		return err
	case u.RawQuery != "" || u.ForceQuery:
		return fmt.Errorf("%.200q has a query: remove the part from ?", c.Issuer)
	case u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("the scheme of %.200q is not https", c.Issuer)
	case !strings.HasPrefix(c.Issuer, u.Scheme):
		return fmt.Errorf("%.200q has capital letters in its scheme: write %s", c.Issuer, u.Scheme)
	case !weburl.Secure(u) && !c.InsecureHTTP:
		return fmt.Errorf("%.200q is plain http: use https, or a loopback address such as 127.0.0.1 for tests, or Config.InsecureHTTP", c.Issuer)
	}
	return weburl.CheckSpelling(u)
}

func (c *Config) checkLimits() error {
	switch {
	case c.PollInterval%time.Second != 0:
		return fmt.Errorf("issuer: Config.PollInterval is %s; it must be in whole seconds", c.PollInterval)
	case c.WaitLimit < 0 || c.Retention < 0:
		return fmt.Errorf("issuer: Config.WaitLimit is %s and Config.Retention is %s; they must not be negative", c.WaitLimit, c.Retention)
	}
	if err := cmp.Or(
		within("CodeLifetime", c.CodeLifetime, time.Second, time.Hour),
		within("PollInterval", c.PollInterval, time.Second, 15*time.Second),
		within("TransferCodeLength", c.TransferCodeLength, 12, 30),
		within("ShortTokenLength", c.ShortTokenLength, minTokenLength, 512),
		within("RotationGrace", c.RotationGrace, 0, maxRotationGrace),
		within("MaxClockSkew", c.MaxClockSkew, 0, maxClockSkew),
		within("AbandonAfter", c.AbandonAfter, time.Second, 30*24*time.Hour),
		within("SuspectPause", c.SuspectPause, time.Second, 10*time.Minute),
		within("MaxDepth", c.MaxDepth, 1, store.MaxDepth),
		within("ChildRotation", c.ChildRotation, ChildrenInherit, ChildrenFree),
		c.Limits.check(),
	); err != nil {
		return err
	}
	if _, err := restriction.Compile(nil, c.Restrictions); err != nil {
		return fmt.Errorf("issuer: Config.Restrictions: %w", err)
	}
	return nil
}

func within[T cmp.Ordered](field string, value, low, high T) error {
	if value < low || value > high {
		return fmt.Errorf("issuer: Config.%s is %v; it must be %v to %v", field, value, low, high)
	}
	return nil
}
