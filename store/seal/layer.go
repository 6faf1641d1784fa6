package seal

import (
	"crypto/aes"
	"crypto/cipher"
)

// format is the first byte of a sealed value.
type format byte

const (
	oneLayer  format = 1
	twoLayers format = 2
	boxed     format = 3
)

const (
	headerSize = 1 + len(KeyID{})
	gcmSize    = 12 + 16 // nonce and tag
)

// outerKey is what a ring or a box keeps of a server key.
type outerKey struct {
	id  KeyID
	key material // the outer keys of places or rows are derived from it
}

// aead returns the cipher for one place or row.
func (k outerKey) aead(binding []byte) cipher.AEAD {
	return gcm(expand(k.key(), string(binding), keySize))
}

// gcm returns AES-256-GCM. It puts a random nonce in front of each ciphertext.
func gcm(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("seal: " + err.Error()) // a key of another length
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("seal: " + err.Error()) // another cipher than AES
	}
	return aead
}

// outerKeys are the keys of a ring or a box, the active one first.
type outerKeys []outerKey

// seal adds the outer layer, under the active key.
func (ks outerKeys) seal(f format, binding, plaintext []byte) ([]byte, error) {
	if len(ks) == 0 {
		return nil, ErrNoKey
	}
	active := ks[0]
	out := make([]byte, 0, headerSize+gcmSize+len(plaintext))
	out = append(out, byte(f))
	out = append(out, active.id[:]...)
	return active.aead(binding).Seal(out, nil, plaintext, additional(out, binding)), nil
}

// open removes the outer layer of a value of the given format.
func (ks outerKeys) open(f format, binding, sealed []byte) ([]byte, error) {
	got, k, err := ks.find(sealed)
	if err != nil {
		return nil, err
	}
	if got != f {
		return nil, malformed("another kind of sealed value")
	}
	plaintext, err := k.aead(binding).Open(nil, nil, sealed[headerSize:], additional(sealed[:headerSize], binding))
	if err != nil {
		return nil, ErrOpen
	}
	return plaintext, nil
}

// reseal puts a value of any format under the active key. If the value is under that key
// already, reseal does not open it and returns false.
func (ks outerKeys) reseal(binding, sealed []byte) ([]byte, bool, error) {
	f, k, err := ks.find(sealed)
	if err != nil || k.id == ks[0].id {
		return nil, false, err
	}
	plaintext, err := ks.open(f, binding, sealed)
	if err != nil {
		return nil, false, err
	}
	out, err := ks.seal(f, binding, plaintext)
	return out, err == nil, err
}

// find reads the header of a value and returns its format and its key.
func (ks outerKeys) find(sealed []byte) (format, outerKey, error) {
	if len(ks) == 0 {
		return 0, outerKey{}, ErrNoKey
	}
	if len(sealed) < headerSize+gcmSize {
		return 0, outerKey{}, malformed("too short")
	}
	f := format(sealed[0])
	if f < oneLayer || f > boxed {
		return 0, outerKey{}, malformed("unknown first byte")
	}
	id := KeyID(sealed[1:headerSize])
	for _, k := range ks {
		if k.id == id {
			return f, k, nil
		}
	}
	return 0, outerKey{}, &KeyUnknownError{ID: id}
}

// additional returns what the outer layer authenticates besides its content.
func additional(header, binding []byte) []byte {
	return append(append(make([]byte, 0, len(header)+len(binding)), header...), binding...)
}
