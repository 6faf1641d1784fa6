package client

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/restriction"
)

// Properties are what a mytoken is asked for with (protocol section 5.4).
//
// nil and empty differ: nil stands for what is said below, and a list without entries
// is refused before anything is sent, with [ErrEmptyList], because it is most likely
// what was left of a longer one.
type Properties struct {
	Name string
	// Capabilities; nil: the server's default for a login, those of the parent
	// for a derived token.
	Capabilities capability.Set
	// Restrictions; nil: none for a login, those of the parent for a derived
	// token.
	Restrictions restriction.List
	// RestrictionsJSON replaces Restrictions by what only requests may say:
	// relative times, the host "this", names of templates (protocol sections
	// 2.2, 2.3 and 2.10). nil: Restrictions; null and [] are lists without entries.
	RestrictionsJSON []byte
	// Rotation; nil: the token never rotates.
	Rotation *Rotation
	// Include names profiles of the server; nil: none.
	Include []string
	// Response is the form of the token; empty: a JWT.
	Response ResponseType
	// MaxTokenLength asks for a form of at most so many characters; 0: any.
	MaxTokenLength int
}

// Rotation says when a mytoken is replaced by its next generation (protocol section
// 4.1).
type Rotation struct {
	OnAT       bool   `json:"on_AT,omitzero"`       // after an access token was obtained
	OnOther    bool   `json:"on_other,omitzero"`    // after any other use
	Lifetime   uint64 `json:"lifetime,omitzero"`    // of each generation, in seconds; 0: no limit
	AutoRevoke bool   `json:"auto_revoke,omitzero"` // revoke the tree when an outdated generation is presented
}

// ResponseType is the form in which a mytoken is handed out (protocol section 1.12).
type ResponseType string

// The response types.
const (
	ResponseToken        ResponseType = "token"
	ResponseShortToken   ResponseType = "short_token"
	ResponseTransferCode ResponseType = "transfer_code"
)

// fill writes the properties into a request.
func (p *Properties) fill(req *wire.TokenRequest) error {
	switch {
	case p.Capabilities != nil && len(p.Capabilities) == 0:
		return fmt.Errorf("%w: Capabilities", ErrEmptyList)
	case p.Restrictions != nil && len(p.Restrictions) == 0:
		return fmt.Errorf("%w: Restrictions", ErrEmptyList)
	case p.RestrictionsJSON != nil && len(p.RestrictionsJSON) == 0:
		return fmt.Errorf("%w: RestrictionsJSON", ErrEmptyList)
	case p.Include != nil && len(p.Include) == 0:
		return fmt.Errorf("%w: Include", ErrEmptyList)
	}
	req.Name, req.ResponseType, req.MaxTokenLen = p.Name, string(orElse(p.Response, ResponseToken)), p.MaxTokenLength
	for _, part := range []struct {
		to    *jsontext.Value
		value any
		set   bool
	}{
		{&req.Capabilities, p.Capabilities, p.Capabilities != nil},
		{&req.Restrictions, p.Restrictions, p.Restrictions != nil},
		{&req.Rotation, p.Rotation, p.Rotation != nil},
		{&req.Include, p.Include, p.Include != nil},
	} {
		if !part.set {
			continue
		}
		text, err := wire.Marshal(part.value)
		if err != nil {
			return fmt.Errorf("client: %w", err)
		}
		*part.to = text
	}
	if p.RestrictionsJSON == nil {
		return nil
	}
	if p.Restrictions != nil {
		return errors.New("client: restrictions are given twice")
	}
	if req.Restrictions = jsontext.Value(p.RestrictionsJSON); !req.Restrictions.IsValid() {
		return errors.New("client: RestrictionsJSON is not JSON")
	}
	if text := strings.Join(strings.Fields(string(p.RestrictionsJSON)), ""); text == "[]" || text == "null" {
		return fmt.Errorf("%w: RestrictionsJSON", ErrEmptyList)
	}
	return nil
}
