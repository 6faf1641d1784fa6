package rest

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/internal/clip"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/profile"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/restriction"
)

// expandProfiles expands the names of profiles and templates in a request.
func expandProfiles(c *call, request []byte) ([]byte, error) {
	return c.templates.set(c.ctx()).Request(request)
}

// profileGroups lists the groups that have profiles or templates (protocol section 5.14).
func profileGroups(c *call) (*answer, error) {
	return ok(c.templates.set(c.ctx()).Groups()), nil
}

// profileList lists the profiles or the templates of one type in a group. It expands them
// and makes relative times absolute.
func profileList(c *call) (*answer, error) {
	group, t, id, known := c.templatePath()
	if !known || id != "" {
		return notFound(c)
	}
	entries, err := c.templates.set(c.ctx()).List(group, t, c.times())
	if err != nil {
		return nil, err
	}
	var list []wire.Template
	for _, e := range entries {
		list = append(list, wire.Template{ID: e.ID, Name: e.Name, Payload: e.Payload})
	}
	return ok(list), nil
}

// times returns what the texts of times in templates mean now.
func (c *call) times() profile.Times { return profile.TimesAt(c.issuer.Now(), c.opts.Location) }

// exampleAddress stands for the address of a client when a template is checked (RFC
// 5737).
var exampleAddress = netip.MustParseAddr("192.0.2.1")

// checkTemplate refuses templates that no request could use.
func (h *Handler) checkTemplate(t profile.Type, payload []byte) error {
	switch t {
	case profile.Capabilities:
		set, err := capability.Parse(payload)
		if unknown := set.Unknown(); err == nil && len(unknown) > 0 {
			return &profile.Error{Reason: fmt.Sprintf("unknown capability %q", clip.Name(string(unknown[0])))}
		}
		return err
	case profile.Tags:
		_, err := readTags(payload)
		return err
	case profile.Rotation:
		return new(mytoken.Rotation).UnmarshalJSON(payload)
	}
	list, err := restriction.ParseRequest(payload, restriction.RequestOptions{
		Now: h.issuer.Now(), Address: exampleAddress, Location: h.opts.Location,
	})
	if err != nil && !errors.Is(err, restriction.ErrPast) {
		return err
	}
	// Check only the embedding program's own keys. Built-in templates may use keys of the
	// protocol that this issuer does not support. It refuses requests with such keys.
	for i := range list {
		for _, extra := range list[i].Extra {
			if !slices.Contains(h.issuer.RestrictionKeys(), extra.Key) {
				return &profile.Error{Reason: fmt.Sprintf("unknown restriction key %q", clip.Name(extra.Key))}
			}
		}
	}
	return nil
}
