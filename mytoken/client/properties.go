package client

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
)

// properties are what [LoginRequest] and [DeriveRequest] say about the new token.
type properties struct {
	mytoken.Properties
	response         mytoken.Response
	restrictionsJSON []byte
	include          []string
}

// fill writes the properties into a request. It refuses lists without entries with
// [ErrEmptyList].
func (p properties) fill(req *wire.TokenRequest) (err error) {
	if err := checkText("Name", p.Name); err != nil {
		return err
	}
	req.Name, req.MaxTokenLen = p.Name, max(p.response.MaxLength, 0)
	req.ResponseType = string(cmp.Or(p.response.Type, mytoken.ResponseToken))
	if req.Capabilities, err = encodeList("Capabilities", p.Capabilities); err != nil {
		return err
	}
	if req.Restrictions, err = encodeList("Restrictions", p.Restrictions); err != nil {
		return err
	}
	if req.Include, err = encodeList("Include", p.include); err != nil {
		return err
	}
	if p.Rotation != nil {
		if req.Rotation, err = wire.Marshal(p.Rotation); err != nil {
			return fmt.Errorf("client: Rotation: %w", err)
		}
	}
	if req.Tags, err = encodeTags(p.Tags); err != nil {
		return err
	}
	if p.restrictionsJSON == nil {
		return nil
	}
	if p.Restrictions != nil {
		return errors.New("client: Restrictions and RestrictionsJSON are both set: set one of them")
	}
	req.Restrictions, err = checkRestrictionsJSON(p.restrictionsJSON)
	return err
}

// checkText refuses a text with control or format characters, as servers do.
func checkText(field, text string) error {
	if reason := legible.Refuse(text); reason != "" {
		return fmt.Errorf("client: %s: %s", field, reason)
	}
	return nil
}

// encodeList returns nil for a nil list.
func encodeList[L ~[]E, E any](name string, list L) (jsontext.Value, error) {
	switch {
	case list == nil:
		return nil, nil
	case len(list) == 0:
		return nil, fmt.Errorf("client: %s: %w", name, ErrEmptyList)
	}
	text, err := wire.Marshal(list)
	if err != nil {
		return nil, fmt.Errorf("client: %s: %w", name, err)
	}
	return text, nil
}

func checkRestrictionsJSON(text jsontext.Value) (jsontext.Value, error) {
	switch strings.Join(strings.Fields(string(text)), "") {
	case "", "[]", "null":
		return nil, fmt.Errorf("client: RestrictionsJSON: %w", ErrEmptyList)
	}
	if !text.IsValid() {
		return nil, errors.New("client: RestrictionsJSON is not valid JSON")
	}
	return text, nil
}
