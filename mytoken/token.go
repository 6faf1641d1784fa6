package mytoken

import (
	"fmt"
	"slices"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/internal/jws"
	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/restriction"
)

// MaxTokenBytes is the size of the longest compact token that is read or issued, in
// bytes. It leaves room for 1,000 clauses of ordinary size.
const MaxTokenBytes = 256 << 10

// Token is a mytoken whose signature and claims were checked, or that was just issued.
// Only a [Verifier] makes one. The zero value is no token: it has no capability, and every
// check refuses it. A Token does not contain the compact token.
//
// A verified token may have expired since. Only its issuer knows whether it was revoked,
// rotated or used up.
//
// A Token is immutable and safe for concurrent use. The caller owns the slices and
// pointers that its methods return.
type Token struct {
	claims   claims
	compiled *restriction.Policy
	key      jws.Fingerprint // what the token was verified or signed with
	keyID    string
	size     int // of the compact token, in bytes
}

// tokenOf returns a token of a key, which says nothing yet.
func tokenOf(key *jws.PublicKey) *Token {
	return &Token{key: key.Fingerprint(), keyID: key.ID()}
}

// ID returns the id of the token over all its generations. Its text is the mom_id
// (protocol section 1.3).
func (t *Token) ID() TokenID { return t.claims.JTI.TokenID() }

// JTI returns the random identity, from which [Token.ID] is derived.
func (t *Token) JTI() JTI { return t.claims.JTI }

// Seq returns the generation: 1 for a new token, and 1 more for each rotation.
func (t *Token) Seq() uint64 { return t.claims.Seq }

// Name returns the name that the user gave, or "". Control and format characters, which
// old tokens may have in it, are escaped: \u202e for U+202E.
func (t *Token) Name() string { return legible.Show(t.claims.Name) }

// Issuer returns the URL of the service that issued the token. It is also the audience.
func (t *Token) Issuer() string { return t.claims.Issuer }

// Subject returns the "sub" claim: the text of [Token.Owner].
func (t *Token) Subject() string { return t.claims.subject }

// Owner returns the id of the user, derived from [Token.OIDCIssuer] and
// [Token.OIDCSubject].
func (t *Token) Owner() OwnerID { return Owner(t.claims.OIDCIssuer, t.claims.OIDCSubject) }

// OIDCIssuer returns the issuer URL of the provider at which the user logged in.
func (t *Token) OIDCIssuer() string { return t.claims.OIDCIssuer }

// OIDCSubject returns the id of the user at that provider.
func (t *Token) OIDCSubject() string { return t.claims.OIDCSubject }

// Capabilities returns what the holder may do with the token.
func (t *Token) Capabilities() capability.Set { return slices.Clone(t.claims.Capabilities) }

// Allows reports whether the token has a capability. It does not look at restrictions;
// see [Verifier.Check].
func (t *Token) Allows(c capability.Capability) bool {
	return t != nil && t.claims.Capabilities.Allows(c)
}

// Claims returns a copy of everything that the token says. To make another token, such as
// the next generation of this one, change the copy and call [Keys.Sign].
func (t *Token) Claims() Claims {
	c := t.claims.Claims
	c.Capabilities, c.Restrictions, c.Rotation = t.Capabilities(), t.Restrictions(), t.Rotation()
	return c
}

// Clause returns a copy of clause n of [Token.Restrictions], counted from 0. It returns
// nil if there is no such clause.
func (t *Token) Clause(n int) *restriction.Clause {
	if n < 0 || n >= len(t.claims.Restrictions) {
		return nil
	}
	return &t.claims.Restrictions[n : n+1].Clone()[0]
}

// Restrictions returns the clauses of the token, or nil if it is unrestricted.
func (t *Token) Restrictions() restriction.List { return t.claims.Restrictions.Clone() }

// Policy returns the restrictions, compiled with the options of the verifier. For the
// zero Token it is nil, which admits nothing.
func (t *Token) Policy() *restriction.Policy { return t.compiled }

// Rotation says when the next generation replaces the token. It is nil if that never
// happens.
func (t *Token) Rotation() *Rotation { return t.claims.Rotation.clone() }

// AuthTime returns when the user logged in at the provider, or the zero time if the token
// does not say.
func (t *Token) AuthTime() time.Time { return claimTime(t.claims.AuthTime) }

// IssuedAt returns when this generation was issued.
func (t *Token) IssuedAt() time.Time { return claimTime(t.claims.IssuedAt) }

// NotBefore returns the first second in which the token is valid.
func (t *Token) NotBefore() time.Time { return claimTime(t.claims.NotBefore) }

// ExpiresAt returns the last second in which this generation is valid (protocol section
// 1.5), or the zero time if it never expires.
func (t *Token) ExpiresAt() time.Time { return claimTime(t.claims.ExpiresAt) }

// Version returns the version of the token format ("ver"), such as "0.7".
func (t *Token) Version() string { return t.claims.version }

// KeyID returns the id of the key that verified or signed the token.
func (t *Token) KeyID() string { return t.keyID }

// String returns the mom_id and the generation.
func (t *Token) String() string {
	if t == nil || t.claims.JTI.IsZero() {
		return "mytoken.Token(none)"
	}
	return fmt.Sprintf("mytoken.Token(%s #%d)", t.ID(), t.Seq())
}

// claimTime converts Unix seconds to a time in UTC, and 0 to the zero time.
func claimTime(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}
