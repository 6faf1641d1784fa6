package restriction

import (
	"strings"

	"github.com/mytoken-go/sdk/internal/clip"
)

// KeyScope is the key that limits the scopes of access tokens (protocol section 2.1).
const KeyScope = "scope"

var keyScope = &scopes{wordsKey{
	listKey{anyKey{KeyScope}, func(c *Clause) *[]string { return &c.Scopes }, checkScope, "scopes"},
	func(c *clause) *words { return &c.scopes },
	func(r *Request) []string { return r.Scopes },
	func(p *Policy, g *gate) (*markedWords, *marks) { return &p.scopes, &g.scopes },
}}

// scopes is the key scope. On the wire its value is one string with spaces between
// scopes.
type scopes struct{ wordsKey }

func (k *scopes) read(d *decoder, c *Clause) (err error) {
	c.Scopes, err = d.words()
	return err
}

func (k *scopes) write(e *encoder, c *Clause) {
	for _, word := range c.Scopes {
		if word == "" || strings.Contains(word, " ") {
			e.fail(KeyScope, badValue(ErrInvalid, "%q is empty or holds a space", clip.Name(word)))
			return
		}
	}
	e.words(KeyScope, c.Scopes)
}

// checkScope accepts a scope-token of RFC 6749, section 3.3.
func checkScope(scope string) error {
	if scope == "" {
		return badValue(ErrInvalid, "an entry is empty")
	}
	for i := range len(scope) {
		if c := scope[i]; c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return badValue(ErrInvalid, "%q holds a character that a scope must not have (RFC 6749, section 3.3)", clip.Name(scope))
		}
	}
	return nil
}

// Scopes allows access tokens with these scopes only.
func (p Phase) Scopes(scopes ...string) Phase {
	p.clause.Scopes = stated(scopes)
	return p
}
