package mytoken

import (
	"slices"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
)

// MaxNameLength is how many characters the name of a token may have (protocol section
// 5.4).
const MaxNameLength = 100

// Properties describe the token that a request asks for (protocol section 5.4).
//
// nil and empty differ. nil means what the field's comment says. An empty list is
// refused, because most likely it is what was left of a longer one. In JSON requests
// absent and empty mean the same, so an HTTP server passes nil for both.
type Properties struct {
	// Name is a name for humans: at most MaxNameLength characters, and no control and
	// format characters (protocol section 5.4).
	Name string
	// Capabilities: nil means capability.Default() for a first token, and all of the
	// parent's for a child.
	Capabilities capability.Set
	// Restrictions: nil means unrestricted for a first token, and the parent's for a
	// child.
	Restrictions restriction.List
	// Rotation: nil means that a first token never rotates, and that a child rotates as
	// its parent does. A child rotates at least like its parent; see the issuer's
	// Config.ChildRotation. So derive a token that is copied to several holders from one
	// that does not rotate.
	Rotation *Rotation
	// Tags are put on the token beside those that it inherits from its parent. A tag that
	// the user does not have yet is made. nil and empty both mean none.
	Tags []Tag
}

// Tag is a word by which users sort their tokens (protocol section 5.21). Tags are data of
// the user. They are not in the token itself.
type Tag struct {
	// Name has 1 to 64 characters: no control and format characters, and none of / ? # % \.
	// Spaces at its ends do not count. It is neither "." nor "..".
	Name string `json:"tag"`
	// Color is six hexadecimal digits. In a request it is the colour of a tag that is made,
	// and empty means the default colour of the name.
	Color string `json:"color,omitzero"`
	// Children says of the tag of a token that all its descendants have it, too: those
	// that exist, and those that are made later.
	Children bool `json:"include_children,omitzero"`
}

// Clone returns a copy that shares nothing with p. Empty lists stay empty, and nil stays
// nil.
func (p Properties) Clone() Properties {
	p.Capabilities = slices.Clone(p.Capabilities)
	p.Restrictions = p.Restrictions.Clone()
	p.Rotation, p.Tags = p.Rotation.clone(), slices.Clone(p.Tags)
	return p
}

// ResponseType is the form of a new token in an answer (protocol section 1.12).
type ResponseType string

// The response types. Empty means ResponseToken. Any other value is refused.
const (
	ResponseToken        ResponseType = "token"
	ResponseShortToken   ResponseType = "short_token"
	ResponseTransferCode ResponseType = "transfer_code"
)

// Response says which form of a new token the caller wants.
type Response struct {
	Type ResponseType
	// MaxLength, if not 0, overrides Type. It is a length in bytes and never negative. The
	// answer is the token if that fits, otherwise a short token if that fits, otherwise a
	// transfer code.
	MaxLength int
}
