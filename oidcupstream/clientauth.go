package oidcupstream

import (
	"crypto"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/cryptosigner"
)

// ClientAuth is a way for the client to authenticate itself at the provider's endpoints (OpenID Connect Core 9). Make one
// with [ClientSecretBasic], [ClientSecretPost], [PrivateKeyJWT] or [PublicClient]; the zero value is refused by [New].
// It never prints its secret.
type ClientAuth struct {
	hidden

	reveal func() clientAuth // a function: fmt follows pointers into unexported fields, but cannot look into a closure
}

func (a clientAuth) hide() ClientAuth { return ClientAuth{reveal: func() clientAuth { return a }} }

type clientAuth struct {
	method   string
	secret   string
	signer   crypto.Signer
	alg      string
	kid      string
	audience string
}

const (
	authNone  = "none"
	authBasic = "client_secret_basic"
	authPost  = "client_secret_post"
	authJWT   = "private_key_jwt"
)

// ClientSecretBasic authenticates with HTTP Basic; identifier and secret are form-encoded first, as RFC 6749 2.3.1
// requires.
func ClientSecretBasic(secret string) ClientAuth {
	return clientAuth{method: authBasic, secret: secret}.hide()
}

// ClientSecretPost authenticates with client_id and client_secret in the body (RFC 6749 2.3.1).
func ClientSecretPost(secret string) ClientAuth {
	return clientAuth{method: authPost, secret: secret}.hide()
}

// PrivateKeyJWT authenticates with an assertion signed by the client's key (RFC 7523 2.2), valid for one minute and for one
// call. The algorithm is a JOSE name that suits the key, for example ES256 or PS256; kid names the key to the provider and
// may be empty. The assertion's audience is the provider's issuer identifier; see [ClientAuth.WithAudience].
func PrivateKeyJWT(signer crypto.Signer, alg, kid string) ClientAuth {
	return clientAuth{method: authJWT, signer: signer, alg: alg, kid: kid}.hide()
}

// PublicClient sends the client identifier and nothing to prove it (RFC 6749 2.1).
func PublicClient() ClientAuth {
	return clientAuth{method: authNone}.hide()
}

// WithAudience returns a copy whose assertions carry the given audience, for providers that expect the address of their
// token endpoint instead of their issuer identifier. It has no effect on other methods.
func (c ClientAuth) WithAudience(audience string) ClientAuth {
	if c.reveal == nil {
		return c
	}
	a := c.reveal()
	a.audience = audience
	return a.hide()
}

// Method returns the method's registered name, such as client_secret_basic, or the empty string for the zero value.
func (c ClientAuth) Method() string {
	if c.reveal == nil {
		return ""
	}
	return c.reveal().method
}

func (c ClientAuth) check() error {
	if c.reveal == nil {
		return errors.New("missing; a client without credentials says PublicClient()")
	}
	switch a := c.reveal(); a.method {
	case authBasic, authPost:
		if a.secret == "" {
			return errors.New("the client secret is empty")
		}
	case authJWT:
		if a.signer == nil {
			return errors.New("the signer is nil")
		}
		opaque := cryptosigner.Opaque(a.signer)
		if !slices.Contains(opaque.Algs(), jose.SignatureAlgorithm(a.alg)) {
			return fmt.Errorf("the key cannot sign with algorithm %q", a.alg)
		}
	}
	return nil
}

// apply adds what the method needs to a request's form and header, and returns what must not appear in errors.
func (c ClientAuth) apply(clientID, issuer string, now time.Time, form url.Values, header http.Header) (secrets []string, err error) {
	a := c.reveal()
	switch a.method {
	case authBasic:
		id, secret := url.QueryEscape(clientID), url.QueryEscape(a.secret)
		r := http.Request{Header: header}
		r.SetBasicAuth(id, secret)
		return []string{a.secret, secret, header.Get("Authorization")}, nil
	case authPost:
		form.Set("client_id", clientID)
		form.Set("client_secret", a.secret)
		return []string{a.secret}, nil
	case authJWT:
		assertion, err := a.assertion(clientID, issuer, now)
		if err != nil {
			return nil, err
		}
		form.Set("client_id", clientID)
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", assertion)
		return []string{assertion}, nil
	default:
		form.Set("client_id", clientID)
		return nil, nil
	}
}

// assertionLifetime is how long an assertion is valid, whatever the clocks of both sides do in a minute.
const assertionLifetime = time.Minute

func (a clientAuth) assertion(clientID, issuer string, now time.Time) (string, error) {
	options := (&jose.SignerOptions{}).WithType("JWT")
	if a.kid != "" {
		options = options.WithHeader(jose.HeaderKey("kid"), a.kid)
	}
	signer, err := jose.NewSigner(jose.SigningKey{
		Algorithm: jose.SignatureAlgorithm(a.alg),
		Key:       cryptosigner.Opaque(a.signer),
	}, options)
	if err != nil {
		return "", err
	}
	audience := a.audience
	if audience == "" {
		audience = issuer
	}
	payload, err := json.Marshal(map[string]any{
		"iss": clientID,
		"sub": clientID,
		"aud": audience,
		"jti": rand.Text(),
		"iat": now.Unix(),
		"exp": now.Add(assertionLifetime).Unix(),
	})
	if err != nil {
		return "", err
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return jws.CompactSerialize()
}
