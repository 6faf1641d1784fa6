package mytoken

import (
	"slices"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
)

// MaxNameLength is how many characters the name of a token may have (protocol section
// 5.4).
const MaxNameLength = 100

// Properties are what a token is requested with (protocol section 5.4).
//
// nil and empty differ: nil stands for what is said below, a list without
// entries is refused, because it is most likely what was left of a longer one.
// An HTTP edge, where absent and empty mean the same, passes nil for both.
type Properties struct {
	// Name is a name for humans, at most MaxNameLength characters, none of
	// them a control character.
	Name string
	// Capabilities: nil means capability.Default() for a first token, and all
	// of the parent's for a child.
	Capabilities capability.Set
	// Restrictions: nil means unrestricted for a first token, and the parent's
	// for a child.
	Restrictions restriction.List
	// Rotation: nil means that the token is not rotated. It is not inherited.
	Rotation *Rotation
}

// Clone returns a copy that shares nothing with p. Empty lists stay empty, and nil stays
// nil.
func (p Properties) Clone() Properties {
	p.Capabilities = slices.Clone(p.Capabilities)
	p.Restrictions = p.Restrictions.Clone()
	p.Rotation = p.Rotation.clone()
	return p
}

// ResponseType is the form in which a new token is handed out (protocol
// section 1.12).
type ResponseType string

// The response types. Every other value behaves as ResponseToken.
const (
	ResponseToken        ResponseType = "token"
	ResponseShortToken   ResponseType = "short_token"
	ResponseTransferCode ResponseType = "transfer_code"
)

// Response says in which form a new token is wanted.
type Response struct {
	Type ResponseType
	// MaxLength, if positive, overrides Type: the token if it is not longer,
	// in bytes; else a short token if that is not longer; else a transfer
	// code.
	MaxLength int
}
