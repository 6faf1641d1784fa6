package pages

import (
	"slices"
	"strings"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
)

// about describes properties of a token for a user who logs in at a provider. The flag
// child says that the token is made from another one, whose login happened before.
func (p *Pages) about(iss string, props mytoken.Properties, child bool) description {
	d := description{
		Summary: p.summary(subject{Properties: props}), Clauses: p.clauses(props.Restrictions, nil),
		RotationText: rotationWords(props.Rotation), Timeline: p.timeline(props.Restrictions, nil),
	}
	_, bounded := props.Restrictions.ScopeUnion()
	if props.Capabilities.Allows(capability.AT) && (bounded || !child) {
		d.Scopes = p.scopes(iss, props.Restrictions)
	}
	d.Summary = append(whatFor(d.Scopes), d.Summary...)
	return d
}

// describe describes what the service would issue for a form, and what it changes. It
// puts notes beside the fields of the editor.
func (f *Form) describe(iss string) description {
	if f.issued == nil {
		return f.pages.about(iss, f.Properties, false)
	}
	d := f.pages.about(iss, *f.issued, false)
	d.Changes = f.changes()
	f.noteFields()
	return d
}

// changes says what the service makes of the properties of a form.
func (f *Form) changes() []line {
	wanted, issued := f.Properties, *f.issued
	var out []line
	var lost []string
	for _, name := range wanted.Capabilities {
		if !issued.Capabilities.Allows(name) {
			lost = append(lost, string(name))
		}
	}
	if len(lost) > 0 {
		what := "It leaves out the capability"
		if len(lost) > 1 {
			what = "It leaves out the capabilities"
		}
		out = append(out, listed(what, lost, " and "))
	}
	now := f.pages.cfg.Issuer.Now()
	_, before := wanted.Restrictions.Bounds(now)
	switch _, after := issued.Restrictions.Bounds(now); {
	case after == before:
	case after != 0 && (before == 0 || after < before):
		out = append(out, line{Text: "It shortens the life of the token to " + f.lasts(after)})
	default:
		out = append(out, line{Text: "It changes the life of the token"})
	}
	if !withoutEnds(wanted.Restrictions).Equal(withoutEnds(issued.Restrictions)) {
		out = append(out, line{Text: "It changes when, where or how often the token works"})
	}
	switch was, is := wanted.Rotation, issued.Rotation; {
	case was == nil && is == nil, was != nil && is != nil && *was == *is:
	case !rotates(was) && rotates(is):
		out = append(out, line{Text: "It makes the token rotate"})
	case rotates(was) && !rotates(is):
		out = append(out, line{Text: "It does not let the token rotate"})
	default:
		out = append(out, line{Text: "It changes how the token rotates"})
	}
	if lost := tagsLost(wanted.Tags, issued.Tags); len(lost) > 0 {
		out = append(out, listed("It leaves out the tags", lost, " and "))
	}
	if wanted.Name != issued.Name {
		out = append(out, listed("It names the token", []string{issued.Name}, ""))
	}
	return out
}

// tagsLost names the wanted tags that are not issued.
func tagsLost(wanted, issued []mytoken.Tag) (lost []string) {
	for _, tag := range wanted {
		name := strings.TrimSpace(tag.Name)
		if !slices.ContainsFunc(issued, func(has mytoken.Tag) bool { return has.Name == name }) {
			lost = append(lost, name)
		}
	}
	return lost
}

// lasts says how long it is until a second.
func (f *Form) lasts(second int64) string { return aboutWords(until(f.pages.cfg.Issuer.Now(), second)) }

// withoutEnds returns a list as it would be if no clause ended.
func withoutEnds(list restriction.List) restriction.List {
	var out restriction.List
	for _, c := range list.Clone() {
		c.Expires = 0
		if !c.IsEmpty() {
			out = append(out, c)
		}
	}
	return restriction.Merge(out)
}

// noteFields says beside each field what the service makes of it. It says nothing if
// clauses were added, removed or merged.
func (f *Form) noteFields() {
	wanted, issued := f.Properties.Restrictions, f.issued.Restrictions
	if f.editor == nil || len(wanted) != len(issued) || len(wanted) != len(f.editor.Clauses) {
		return
	}
	for i, c := range f.editor.Clauses {
		for _, k := range editedKeys {
			field, value := c.Fields[k.key], k.write(&issued[i])
			switch was := k.write(&wanted[i]); {
			case field == nil || value == was:
			case value == "":
				field.Note = "The service removes this."
			case k.key == restriction.KeyExpires && (was == "" || issued[i].Expires < wanted[i].Expires):
				field.Note = "The service shortens this to " + f.lasts(issued[i].Expires) + "."
			default:
				field.Note = "The service changes this to " + legible.Show(value) + "."
			}
		}
	}
}

// mark marks the capabilities that the service does not give.
func (f *Form) mark(all []choice) {
	for i := range all {
		f.markOne(&all[i])
	}
}

func (f *Form) markOne(c *choice) {
	name := capability.Capability(c.Name)
	c.Refused = f.issued != nil && slices.Contains(f.Properties.Capabilities, name) && !f.issued.Capabilities.Allows(name)
}

func (f *Form) markTree(nodes []capabilityNode) {
	for i := range nodes {
		f.markOne(&nodes[i].choice)
		if nodes[i].Read != nil {
			f.markOne(nodes[i].Read)
		}
		f.markTree(nodes[i].Children)
	}
}
