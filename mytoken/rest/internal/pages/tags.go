package pages

import (
	"net/url"
	"slices"
	"strings"

	"github.com/mytoken-go/sdk/internal/clip"
	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/mytoken"
)

// tagViews describes the tags of a token.
func (p *Pages) tagViews(tags []mytoken.Tag) []tagView {
	var out []tagView
	for _, tag := range tags {
		query := url.Values{"tag": {tag.Name}}.Encode()
		out = append(out, tagView{
			Name: legible.Show(tag.Name), Color: tag.Color, Children: tag.Children,
			Link: p.cfg.Base + "/manage?" + query, RevokeLink: p.cfg.Base + "/manage/revoke-tagged?" + query,
		})
	}
	return out
}

// tagsOf returns the tags of all tokens, each once, in the order of their names.
func tagsOf(records []*mytoken.Record) []mytoken.Tag {
	seen := make(map[string]mytoken.Tag)
	var walk func([]*mytoken.Record)
	walk = func(records []*mytoken.Record) {
		for _, r := range records {
			for _, tag := range r.Tags {
				seen[tag.Name] = mytoken.Tag{Name: tag.Name, Color: tag.Color}
			}
			walk(r.Children)
		}
	}
	walk(records)
	out := make([]mytoken.Tag, 0, len(seen))
	for _, tag := range seen {
		out = append(out, tag)
	}
	slices.SortFunc(out, func(a, b mytoken.Tag) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func hasTag(r *mytoken.Record, name string) bool {
	return slices.ContainsFunc(r.Tags, func(tag mytoken.Tag) bool { return tag.Name == name })
}

// RevokeTagged renders revoketagged.html, which asks whether to revoke all tokens with a
// tag. ok is false if no live token has it.
func (p *Pages) RevokeTagged(session *mytoken.Token, records *mytoken.Records, name string) (page []byte, ok bool, err error) {
	l := &lister{pages: p, current: session.ID()}
	data := revokeTaggedPage{frame: p.managing("")}
	var walk func(records []*mytoken.Record, below bool)
	walk = func(records []*mytoken.Record, below bool) {
		for _, r := range records {
			has := hasTag(r, name)
			switch {
			case r.Revoked:
			case has:
				if data.Count++; data.Count <= maxNamed {
					data.Tokens = append(data.Tokens, l.view(r))
				}
			case below:
				data.Below++
			}
			data.Current = data.Current || (has || below) && r.ID == l.current
			walk(r.Children, below || has && !r.Revoked)
		}
	}
	walk(records.Roots, false)
	at := slices.IndexFunc(tagsOf(records.Roots), func(tag mytoken.Tag) bool { return tag.Name == name })
	if data.Count == 0 || at < 0 {
		return nil, false, nil
	}
	data.Tag = p.tagViews(tagsOf(records.Roots)[at : at+1])[0]
	page, err = p.render("revoketagged.html", data)
	return page, true, err
}

// maxNamed is how many tokens the page names that asks whether to revoke them.
const maxNamed = 20

// readTags reads which of the tags that were asked for the user keeps. A page that does not
// show them keeps all: they are never dropped unseen.
func (f *ConsentForm) readTags(values url.Values) {
	if !values.Has("tags-shown") {
		return
	}
	f.Properties.Tags = slices.DeleteFunc(slices.Clone(f.Properties.Tags), func(tag mytoken.Tag) bool {
		return !slices.Contains(values["tags"], tag.Name)
	})
}

// askedTags describes the tags that were asked for, and marks those that are kept.
func askedTags(p *Pages, asked, kept []mytoken.Tag) []tagView {
	out := p.tagViews(asked)
	for n := range out {
		out[n].Link, out[n].RevokeLink = "", ""
		out[n].Checked = slices.ContainsFunc(kept, func(tag mytoken.Tag) bool { return tag.Name == asked[n].Name })
	}
	return out
}

// maxTagLines bounds the lines of a field for tags. The issuer bounds their number further.
const maxTagLines = 200

// readTags reads the two fields of create.html: one name per line.
func (f *CreateForm) readTags(values url.Values) {
	for _, field := range []string{"tags", "tags-below"} {
		for _, line := range strings.SplitN(values.Get(field), "\n", maxTagLines) {
			if name := strings.TrimSpace(line); name != "" {
				f.Properties.Tags = append(f.Properties.Tags, mytoken.Tag{Name: name, Children: field == "tags-below"})
			}
		}
	}
}

// tagLines writes tags with or without the flag as a field of create.html has them.
func tagLines(tags []mytoken.Tag, children bool) string {
	var lines []string
	for _, tag := range tags {
		if tag.Children == children {
			lines = append(lines, legible.Show(clip.Bytes(tag.Name, 1<<10)))
		}
	}
	return strings.Join(lines, "\n")
}
