package jws

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// Message is a compact signature, split into its parts. Nobody has checked the signature
// yet.
type Message struct {
	Header  Header
	Payload []byte // decoded; the caller must not change it

	signed    []byte // what the signature covers: header "." payload, as sent
	signature []byte
}

// Parse splits a compact signature into its parts and decodes them. It decodes nothing of
// a string longer than maxBytes.
//
// Parse accepts only one spelling of a message: three parts in base64url, without
// padding, white space or line breaks. The unused bits of the last character must be zero
// (RFC 4648 section 3.5). Parse refuses a header that repeats a name, has "crit", brings
// a key of its own, or names an algorithm that this package does not support.
//
// The header's "typ" must equal typ. It names a media type, so case does not matter (RFC
// 7515 section 4.1.9). Parse refuses the long form with "application/", because no issuer
// writes it.
//
// Parse returns [ErrTooLarge], [ErrMalformed], [ErrHeader], [ErrAlgorithm] or [ErrType].
func Parse(compact, typ string, maxBytes int) (*Message, error) {
	m, err := parse(compact, maxBytes, MaxHeaderBytes, decodeHeader)
	if err == nil && !equalFoldASCII(m.Header.Type, typ) {
		return nil, fmt.Errorf("%w: typ %.32q, need %q", ErrType, m.Header.Type, typ)
	}
	return m, err
}

// parse splits a compact signature. header decodes the first part.
func parse(compact string, maxBytes, maxHeader int, header func([]byte) (Header, error)) (*Message, error) {
	if len(compact) > maxBytes {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrTooLarge, len(compact), maxBytes)
	}
	head := strings.IndexByte(compact, '.')
	last := strings.LastIndexByte(compact, '.')
	switch {
	case head < 0 || head == last || strings.IndexByte(compact[head+1:last], '.') >= 0:
		return nil, fmt.Errorf("%w: a token has three parts with dots between them", ErrMalformed)
	case head == 0 || head+1 == last || last+1 == len(compact):
		return nil, fmt.Errorf("%w: one of its parts is empty", ErrMalformed)
	case head > maxHeader:
		return nil, fmt.Errorf("%w: header of %d bytes, at most %d are allowed", ErrTooLarge, head, maxHeader)
	case strings.IndexByte(compact, '\n') >= 0 || strings.IndexByte(compact, '\r') >= 0:
		// The base64 decoder would skip it.
		return nil, fmt.Errorf("%w: it holds a line break", ErrMalformed)
	}

	text := []byte(compact)
	rawHeader, err := decodePart("header", text[:head])
	if err != nil {
		return nil, err
	}
	m := &Message{signed: text[:last]}
	if m.Header, err = header(rawHeader); err != nil {
		return nil, err
	}
	if !m.Header.Algorithm.Supported() {
		return nil, fmt.Errorf("%w: %.16q", ErrAlgorithm, string(m.Header.Algorithm))
	}
	if m.Payload, err = decodePart("payload", text[head+1:last]); err != nil {
		return nil, err
	}
	if m.signature, err = decodePart("signature", text[last+1:]); err != nil {
		return nil, err
	}
	return m, nil
}

// decodePart decodes a part. It accepts only the canonical spelling.
func decodePart(name string, part []byte) ([]byte, error) {
	out := make([]byte, base64.RawURLEncoding.DecodedLen(len(part)))
	n, err := base64.RawURLEncoding.Strict().Decode(out, part)
	if err != nil {
		return nil, fmt.Errorf("%w: %s is not canonical base64url", ErrMalformed, name)
	}
	return out[:n], nil
}

// equalFoldASCII compares media types. [strings.EqualFold] would also fold letters
// outside ASCII, such as the Kelvin sign.
func equalFoldASCII(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
