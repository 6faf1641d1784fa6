package oidcupstream

import (
	"cmp"
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

// ClientAuth is how the client authenticates at the provider (OpenID Connect Core section
// 9). Make one with [ClientSecretBasic], [ClientSecretPost], [PrivateKeyJWT] or
// [PublicClient]. [New] returns an error for the zero value. A ClientAuth prints as
// "[redacted]". It is safe for concurrent use if its signer is.
type ClientAuth struct {
	hidden

	// reveal is a function because fmt prints unexported fields, but not the variables of
	// a closure.
	reveal func() clientAuth
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

// ClientSecretBasic authenticates with HTTP Basic authentication. It encodes identifier
// and secret like form values first, as RFC 6749 section 2.3.1 requires.
func ClientSecretBasic(secret string) ClientAuth {
	return clientAuth{method: authBasic, secret: secret}.hide()
}

// ClientSecretPost authenticates with client_id and client_secret in the body (RFC 6749
// section 2.3.1).
func ClientSecretPost(secret string) ClientAuth {
	return clientAuth{method: authPost, secret: secret}.hide()
}

// PrivateKeyJWT authenticates with a JWT that the client's key signs (RFC 7523 section
// 2.2). Each request has an assertion of its own, valid for one minute.
//
// alg is the JOSE name of an algorithm that suits the key, for example ES256 or PS256.
// kid is the id under which the provider knows the key. It may be empty. The audience of
// the assertion is the provider's issuer identifier; [ClientAuth.WithAudience] changes
// it.
func PrivateKeyJWT(signer crypto.Signer, alg, kid string) ClientAuth {
	return clientAuth{method: authJWT, signer: signer, alg: alg, kid: kid}.hide()
}

// PublicClient sends the client identifier without proof (RFC 6749 section 2.1).
func PublicClient() ClientAuth {
	return clientAuth{method: authNone}.hide()
}

// WithAudience returns a copy whose assertions have the given audience. Some providers
// expect the address of their token endpoint. Only [PrivateKeyJWT] uses the audience.
func (c ClientAuth) WithAudience(audience string) ClientAuth {
	if c.reveal == nil {
		return c
	}
	a := c.reveal()
	a.audience = audience
	return a.hide()
}

// Method returns the registered name of the method, such as client_secret_basic. It is
// empty for the zero value.
func (c ClientAuth) Method() string {
	if c.reveal == nil {
		return ""
	}
	return c.reveal().method
}

func (c ClientAuth) check() error {
	if c.reveal == nil {
		return errors.New("it is missing; use PublicClient() for a client without credentials")
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

// apply adds the credentials to the form or header of a request. It returns the secrets
// that must not appear in errors.
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

// assertionLifetime is long enough for clocks that differ a little.
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
	payload, err := json.Marshal(map[string]any{
		"iss": clientID,
		"sub": clientID,
		"aud": cmp.Or(a.audience, issuer),
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
