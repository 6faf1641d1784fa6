package rest

import (
	"cmp"

	"github.com/mytoken-go/sdk/mytoken/internal/profile"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
)

// profileGroups lists the groups that have profiles or templates (protocol section
// 5.14).
func profileGroups(c *call) (*answer, error) { return ok(c.templates.Groups()), nil }

// profileList lists what a group has of one type, expanded, so that relative times
// are absolute.
func profileList(c *call) (*answer, error) {
	t, known := profile.ParseType(c.r.PathValue("type"))
	if !known {
		return notFound(c)
	}
	group := cmp.Or(c.r.PathValue("group"), profile.DefaultGroup)
	entries, err := c.templates.List(group, t, profile.TimesAt(c.issuer.Now(), c.opts.Location))
	if err != nil {
		return nil, err
	}
	var list []wire.Template
	for _, e := range entries {
		list = append(list, wire.Template{ID: e.ID, Name: e.Name, Payload: e.Payload})
	}
	return ok(list), nil
}
