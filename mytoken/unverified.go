package mytoken

import (
	"slices"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/internal/jws"
	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/restriction"
)

// UnverifiedToken is a token that nobody has checked. Anybody can write any claims into
// such a token. Use it to show a token or to find its issuer. To decide about access, use
// the [Token] that [Verifier.Verify] returns.
//
// Its methods return what the methods of [Token] with the same names return.
type UnverifiedToken struct {
	header jws.Header
	claims claims
}

// ParseUnverified reads a compact token without a key. It checks the form only: the
// limits, the encoding, the header, and the types of the claims. It returns an
// [InvalidTokenError] that wraps [ErrTokenTooLarge], [ErrTokenMalformed],
// [ErrTokenHeader], [ErrTokenType], [ErrTokenAlgorithm] or [ErrTokenRestrictions].
func ParseUnverified(compact string) (*UnverifiedToken, error) {
	m, err := jws.Parse(compact, tokenTyp, MaxTokenBytes)
	if err != nil {
		return nil, &InvalidTokenError{err}
	}
	t := &UnverifiedToken{header: m.Header}
	if err := t.claims.decode(m.Payload); err != nil {
		return nil, &InvalidTokenError{err}
	}
	return t, nil
}

// Algorithm returns the algorithm that the header names.
func (t *UnverifiedToken) Algorithm() Algorithm { return Algorithm(t.header.Algorithm) }

// KeyID returns the id of the key that the header names, or "".
func (t *UnverifiedToken) KeyID() string { return t.header.KeyID }

// Version returns the version of the token format.
func (t *UnverifiedToken) Version() string { return t.claims.version }

// ID returns the id that follows from the claimed jti.
func (t *UnverifiedToken) ID() TokenID { return t.claims.JTI.TokenID() }

// JTI returns the claimed jti.
func (t *UnverifiedToken) JTI() JTI { return t.claims.JTI }

// Seq returns the claimed generation.
func (t *UnverifiedToken) Seq() uint64 { return t.claims.Seq }

// Name returns the claimed name, escaped as by [Token.Name].
func (t *UnverifiedToken) Name() string { return legible.Show(t.claims.Name) }

// Issuer returns the claimed issuer.
func (t *UnverifiedToken) Issuer() string { return t.claims.Issuer }

// Audience returns the claimed audience.
func (t *UnverifiedToken) Audience() string { return t.claims.audience }

// Subject returns the claimed "sub". It may contradict the claimed provider and user.
func (t *UnverifiedToken) Subject() string { return t.claims.subject }

// OIDCIssuer returns the claimed provider.
func (t *UnverifiedToken) OIDCIssuer() string { return t.claims.OIDCIssuer }

// OIDCSubject returns the claimed user at the provider.
func (t *UnverifiedToken) OIDCSubject() string { return t.claims.OIDCSubject }

// Capabilities returns the claimed capabilities.
func (t *UnverifiedToken) Capabilities() capability.Set { return slices.Clone(t.claims.Capabilities) }

// Restrictions returns the claimed restrictions.
func (t *UnverifiedToken) Restrictions() restriction.List { return t.claims.Restrictions.Clone() }

// Rotation returns the claimed rotation, or nil.
func (t *UnverifiedToken) Rotation() *Rotation { return t.claims.Rotation.clone() }

// AuthTime returns the claimed time of the login, or the zero time.
func (t *UnverifiedToken) AuthTime() time.Time { return claimTime(t.claims.AuthTime) }

// IssuedAt returns the claimed time of issue.
func (t *UnverifiedToken) IssuedAt() time.Time { return claimTime(t.claims.IssuedAt) }

// NotBefore returns the claimed beginning.
func (t *UnverifiedToken) NotBefore() time.Time { return claimTime(t.claims.NotBefore) }

// ExpiresAt returns the claimed end, or the zero time.
func (t *UnverifiedToken) ExpiresAt() time.Time { return claimTime(t.claims.ExpiresAt) }
