package plan

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/restriction"
)

// String returns lines with the answer, the break, what to ask for instead, and what
// nobody can know.
func (v *Verdict) String() string {
	var text strings.Builder
	text.WriteString(map[Answer]string{
		Breaks:  "The token does not carry the plan.",
		Perhaps: "The token may not carry the plan.",
		Carries: "The token carries the plan.",
	}[v.Answer])
	if v.Break != nil {
		text.WriteString("\n" + v.Break.String())
	}
	if len(v.AskCapabilities) > 0 {
		fmt.Fprintf(&text, "\nAsk for the capabilities: %v", v.AskCapabilities)
	}
	for i := range v.Ask {
		if clause, err := v.Ask[i].MarshalJSON(); err == nil {
			fmt.Fprintf(&text, "\nAsk for: %s", clause)
		}
	}
	for _, d := range v.Doubts {
		text.WriteString("\nNot known: " + d.String())
	}
	return text.String()
}

// String names the phase, the instant, the keys in the way and the closest clause.
func (b *Break) String() string {
	text := fmt.Sprintf("Phase %d%s may be refused an %v use at %s", b.Phase, quoted(b.Name), b.Kind, b.At.Format(time.RFC3339))
	if b.Host != anywhere {
		text += " from " + strconv.Quote(b.Host)
	}
	switch {
	case b.Capability != "":
		text += fmt.Sprintf(" because the token lacks the capability %s", b.Capability)
	case b.Clause != restriction.NoClause:
		text += fmt.Sprintf(" because of %s (clause %d comes closest)", strings.Join(b.Keys, ", "), b.Clause)
	case len(b.Keys) > 0:
		text += " because of " + strings.Join(b.Keys, ", ")
	}
	return text + "."
}

// String names the doubt, the clause and the key.
func (d Doubt) String() string {
	switch {
	case d.Clause == restriction.NoClause:
		return d.What.String()
	case d.Key == "":
		return fmt.Sprintf("%v (clause %d)", d.What, d.Clause)
	}
	return fmt.Sprintf("%v (clause %d, %q)", d.What, d.Clause, d.Key)
}
