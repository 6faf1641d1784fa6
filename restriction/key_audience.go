package restriction

import (
	"strings"
	"unicode/utf8"

	"github.com/mytoken-go/sdk/internal/clip"
	"github.com/mytoken-go/sdk/internal/legible"
)

// KeyAudience is the key that limits the audiences of access tokens (protocol section
// 2.1).
const KeyAudience = "audience"

var keyAudience = &wordsKey{
	listKey{anyKey{KeyAudience}, func(c *Clause) *[]string { return &c.Audiences }, checkAudience, "audiences"},
	func(c *clause) *words { return &c.audiences },
	func(r *Request) []string { return r.Audiences },
	func(p *Policy, g *gate) (*markedWords, *marks) { return &p.audiences, &g.audiences },
}

func checkAudience(audience string) error {
	switch {
	case audience == "":
		return badValue(ErrInvalid, "an entry is empty")
	case !utf8.ValidString(audience):
		return badValue(ErrInvalid, "%q is not UTF-8", clip.Name(audience))
	case strings.TrimSpace(audience) != audience, legible.Refuse(audience) != "":
		return badValue(ErrInvalid, "%q begins or ends with white space, or holds a control or format character", clip.Name(audience))
	}
	return nil
}

// Audiences allows access tokens for these audiences only.
func (p Phase) Audiences(audiences ...string) Phase {
	p.clause.Audiences = stated(audiences)
	return p
}
