package oidcupstream

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// maxAhead bounds how far in the future an ID token may have been issued, because clocks
// differ.
const maxAhead = 5 * time.Minute

// verifyIDToken verifies the ID token (OpenID Connect Core sections 3.1.3.7 and 3.1.3.8)
// and copies its claims about the user into t. The library checks iss, aud, exp, nbf and
// the algorithm, which must be in the metadata and neither none nor symmetric. [keySet]
// checks the signature.
func (p *Provider) verifyIDToken(ctx context.Context, m *metadata, t *Tokens, nonce string) error {
	bad := func(err error) error {
		return fmt.Errorf("%w: %w", ErrIDToken, cause(err, t.idToken, t.AccessToken, t.RefreshToken, nonce))
	}
	switch {
	case t.idToken == "":
		return bad(errors.New("the answer has none"))
	case encrypted(t.idToken):
		return bad(errEncrypted)
	}
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	verified, err := m.verifier(oidc.Config{ClientID: p.cfg.ClientID, Now: p.cfg.Clock}).Verify(ctx, t.idToken)
	if err != nil {
		return bad(aboutClaim(claimOf(err), err))
	}
	var claims struct {
		AuthorizedParty *string      `json:"azp"`
		AuthTime        *json.Number `json:"auth_time"`
	}
	if err := verified.Claims(&claims); err != nil {
		return bad(err)
	}
	switch {
	case verified.Subject == "":
		return bad(aboutClaim("sub", errors.New("it has no subject")))
	case subtle.ConstantTimeCompare([]byte(verified.Nonce), []byte(nonce)) != 1:
		return bad(aboutClaim("nonce", errors.New("its nonce is not that of the request")))
	case claims.AuthorizedParty != nil && *claims.AuthorizedParty != p.cfg.ClientID:
		return bad(aboutClaim("azp", errors.New("its azp names another client")))
	case claims.AuthorizedParty == nil && len(verified.Audience) > 1:
		return bad(aboutClaim("azp", errors.New("it has several audiences and no azp")))
	case verified.IssuedAt.After(p.cfg.Clock().Add(maxAhead)):
		return bad(aboutClaim("iat", errors.New("its iat is in the future")))
	}
	if verified.AccessTokenHash != "" {
		if err := verified.VerifyAccessToken(t.AccessToken); err != nil {
			return bad(aboutClaim("at_hash", err))
		}
	}
	if err := verified.Claims(&t.IDTokenClaims); err != nil {
		return bad(err)
	}
	t.Subject = verified.Subject
	if claims.AuthTime != nil {
		if seconds, err := claims.AuthTime.Float64(); err == nil && seconds > 0 {
			t.AuthTime = time.Unix(int64(seconds), 0)
		}
	}
	return nil
}

// claimError says which claim is not acceptable.
type claimError struct {
	claim string
	err   error
}

func (e *claimError) Error() string { return e.err.Error() }
func (e *claimError) Unwrap() error { return e.err }

// aboutClaim adds to an error the claim that it is about. An empty claim adds nothing.
func aboutClaim(claim string, err error) error {
	if claim == "" {
		return err
	}
	return &claimError{claim, err}
}

// libraryTexts are how the errors of the library about one claim begin.
var libraryTexts = map[string]string{
	"iss": "oidc: id token issued by a different provider",
	"aud": "oidc: expected audience",
	"nbf": "oidc: current time",
}

// claimOf returns the claim that an error of the library is about, or the empty string.
func claimOf(err error) string {
	if _, expired := errors.AsType[*oidc.TokenExpiredError](err); expired {
		return "exp"
	}
	for claim, text := range libraryTexts {
		if strings.HasPrefix(err.Error(), text) {
			return claim
		}
	}
	return ""
}

var errEncrypted = errors.New("it is encrypted, which is not supported: let the provider only sign it")

// encrypted reports whether a token is a compact JWE (RFC 7516 section 3.1).
func encrypted(token string) bool { return strings.Count(token, ".") == 4 }

// sameIssuer compares an iss claim with the provider's issuer. Google leaves the scheme
// out of its claims.
func sameIssuer(iss, issuer string) bool {
	return iss == issuer || issuer == googleIssuer && iss == "accounts.google.com"
}
