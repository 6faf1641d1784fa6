package guest

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
)

// The kinds of sealed texts. A text of one kind does not open as another kind.
const (
	kindCode    = "code"
	kindRefresh = "refresh"
	kindSession = "session"
)

// seal encrypts v under the provider's key and binds it to its kind.
func (p *Provider) seal(kind string, v any) (string, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("guest: %w", err)
	}
	nonce := make([]byte, p.aead.NonceSize())
	rand.Read(nonce)
	return base64.RawURLEncoding.EncodeToString(p.aead.Seal(nonce, nonce, plain, []byte(kind))), nil
}

var errSealed = errors.New("guest: not a text that this provider has sealed")

// open decrypts a text that seal returned for this kind.
func (p *Provider) open(kind, text string, into any) error {
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(data) < p.aead.NonceSize() {
		return errSealed
	}
	n := p.aead.NonceSize()
	plain, err := p.aead.Open(nil, data[:n], data[n:], []byte(kind))
	if err != nil {
		return errSealed
	}
	return json.Unmarshal(plain, into)
}
