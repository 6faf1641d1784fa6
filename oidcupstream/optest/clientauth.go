package optest

import (
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	methodBasic = "client_secret_basic"
	methodPost  = "client_secret_post"
	methodJWT   = "private_key_jwt"
	methodNone  = "none"
)

var assertionAlgs = []jose.SignatureAlgorithm{
	jose.ES256, jose.ES384, jose.ES512, jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.EdDSA,
}

// authenticate identifies the client of a request whose form is parsed (OpenID Connect
// Core section 9). The request must use one method, and the method must suit the
// registration.
func (s *Server) authenticate(r *http.Request) (Client, bool) {
	form := r.PostForm
	id, method := form.Get("client_id"), methodNone
	basicID, basicSecret, basic := r.BasicAuth()
	used := 0
	if basic {
		var err1, err2 error
		basicID, err1 = url.QueryUnescape(basicID)
		basicSecret, err2 = url.QueryUnescape(basicSecret)
		if err1 != nil || err2 != nil || id != "" && id != basicID {
			return Client{}, false
		}
		id, method = basicID, methodBasic
		used++
	}
	if form.Has("client_secret") {
		method = methodPost
		used++
	}
	assertion := form.Get("client_assertion")
	if assertion != "" {
		method = methodJWT
		used++
	}
	s.mu.Lock()
	client, known := s.clients[id]
	if assertion != "" {
		s.secrets = append(s.secrets, assertion)
	}
	s.mu.Unlock()
	if !known || used > 1 || client.AuthMethod != "" && client.AuthMethod != method {
		return Client{}, false
	}
	switch method {
	case methodBasic:
		return client, sameSecret(client, basicSecret)
	case methodPost:
		return client, sameSecret(client, form.Get("client_secret"))
	case methodJWT:
		return client, s.verifyAssertion(client, form.Get("client_assertion_type"), assertion)
	default:
		return client, client.Secret == "" && len(client.PublicKeys) == 0
	}
}

func sameSecret(c Client, secret string) bool {
	return c.Secret != "" && subtle.ConstantTimeCompare([]byte(c.Secret), []byte(secret)) == 1
}

// verifyAssertion verifies a client assertion (RFC 7523 section 3): one of the client's
// keys signed it, it is about the client and for this server, it has not expired, and it
// was not seen before.
func (s *Server) verifyAssertion(c Client, assertionType, assertion string) bool {
	if assertionType != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
		return false
	}
	jws, err := jose.ParseSignedCompact(assertion, assertionAlgs)
	if err != nil {
		return false
	}
	for _, key := range c.PublicKeys {
		payload, err := jws.Verify(key)
		if err != nil {
			continue
		}
		var claims struct {
			Issuer   string `json:"iss"`
			Subject  string `json:"sub"`
			Audience any    `json:"aud"`
			ID       string `json:"jti"`
			Expires  int64  `json:"exp"`
		}
		if json.Unmarshal(payload, &claims) != nil {
			return false
		}
		var audiences []string
		switch aud := claims.Audience.(type) {
		case string:
			audiences = []string{aud}
		case []any:
			for _, a := range aud {
				if text, ok := a.(string); ok {
					audiences = append(audiences, text)
				}
			}
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		ok := claims.Issuer == c.ID && claims.Subject == c.ID && claims.ID != "" && !s.seen[claims.ID] &&
			(slices.Contains(audiences, s.issuer) || slices.Contains(audiences, s.issuer+"/token")) &&
			s.opts.Clock().Before(time.Unix(claims.Expires, 0))
		s.seen[claims.ID] = true
		return ok
	}
	return false
}
