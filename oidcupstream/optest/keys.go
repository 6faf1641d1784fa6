package optest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/go-jose/go-jose/v4"
)

const signingAlg = "ES256"

type signingKey struct {
	id      string
	private *ecdsa.PrivateKey
}

// RotateKeys makes a new signing key. The earlier keys stay published.
func (s *Server) RotateKeys() error {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("optest: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = append(s.keys, signingKey{id: fmt.Sprintf("key-%d", len(s.keys)+1), private: private})
	return nil
}

// WithdrawKeys makes a new signing key and stops publishing all others. Nobody can verify
// their signatures any more.
func (s *Server) WithdrawKeys() error {
	if err := s.RotateKeys(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.keys[:len(s.keys)-1] {
		s.keys[i].private = nil
	}
	return nil
}

func (s *Server) serveKeys(w http.ResponseWriter, r *http.Request) {
	var set jose.JSONWebKeySet
	s.mu.Lock()
	for _, key := range s.keys {
		if key.private != nil {
			set.Keys = append(set.Keys, jose.JSONWebKey{Key: key.private.Public(), KeyID: key.id, Algorithm: signingAlg, Use: "sig"})
		}
	}
	s.mu.Unlock()
	s.serveDocument(w, r, EndpointKeys, map[string]any{"keys": set.Keys})
}

// sign signs the claims with the current key. The caller must not hold the lock. edit may
// change header and claims, and may be nil. If it sets alg to none, the signature is
// empty.
func (s *Server) sign(typ string, claims map[string]any, edit func(header, claims map[string]any)) (string, error) {
	s.mu.Lock()
	key := s.keys[len(s.keys)-1]
	s.mu.Unlock()
	header := map[string]any{"alg": signingAlg, "kid": key.id, "typ": typ}
	if edit != nil {
		edit(header, claims)
	}
	var parts [2]string
	for i, part := range []map[string]any{header, claims} {
		raw, err := json.Marshal(part)
		if err != nil {
			return "", err
		}
		parts[i] = base64.RawURLEncoding.EncodeToString(raw)
	}
	input := parts[0] + "." + parts[1]
	if header["alg"] == "none" {
		return input + ".", nil
	}
	digest := sha256.Sum256([]byte(input))
	x, y, err := ecdsa.Sign(rand.Reader, key.private, digest[:])
	if err != nil {
		return "", err
	}
	signature := make([]byte, 64)
	x.FillBytes(signature[:32])
	y.FillBytes(signature[32:])
	return input + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// halfHash returns the at_hash of a token for ES256 (OpenID Connect Core section
// 3.1.3.6).
func halfHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}
