package pages

import (
	"strconv"
	"time"

	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/internal/plain"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
)

// clauses says in words what each clause demands. With counters it also says what is left
// of the limits.
func (p *Pages) clauses(list restriction.List, counters []mytoken.Counter) []clauseText {
	var texts []clauseText
	conditions := p.cfg.Issuer.RestrictionOptions().Conditions
	for i := range list {
		text := clauseText{Lines: clauseLines(&list[i], conditions)}
		if i < len(counters) {
			text.Left = leftLines(counters[i])
		}
		texts = append(texts, text)
	}
	return texts
}

// phrases begin the lines about the keys of a clause, and join the last two entries. The
// lines about other keys begin with the words of package restriction.
var phrases = map[string]struct{ text, last string }{
	restriction.KeyScope:         {"Only with the rights", " and "},
	restriction.KeyAudience:      {"Only for", " or "},
	restriction.KeyHosts:         {"Only from", " or "},
	restriction.KeyGeoIPAllow:    {"Only from the countries", " or "},
	restriction.KeyGeoIPDisallow: {"Not from the countries", " or "},
}

// clauseLines says in words what a clause demands. The service knows the conditions.
func clauseLines(c *restriction.Clause, conditions map[string]restriction.Factory) []line {
	var lines []line
	if c.NotBefore != 0 {
		lines = append(lines, line{Text: "From", Time: time.Unix(c.NotBefore, 0)})
	}
	if c.Expires != 0 {
		lines = append(lines, line{Text: "Until", Time: time.Unix(c.Expires, 0)})
	}
	if c.Schedule != nil {
		lines = append(lines, line{Text: "Only at these times: " + legible.Show(c.Schedule.String())})
	}
	for _, term := range c.Terms() {
		phrase, known := phrases[term.Key]
		if !known {
			phrase.text, phrase.last = "Only with "+term.What, " or "
		}
		lines = append(lines, listed(phrase.text, term.Entries, phrase.last))
	}
	if c.UsagesAT != nil {
		lines = append(lines, line{Text: atMost(*c.UsagesAT, "access token")})
	}
	if c.UsagesOther != nil {
		lines = append(lines, line{Text: atMost(*c.UsagesOther, "other use")})
	}
	for _, extra := range c.Extra {
		l := listed("Only if this condition holds:", []string{extra.Key + ": " + string(extra.Value)}, "")
		if conditions[extra.Key] == nil {
			l.More = ". This service does not know the condition, and refuses every use in this case"
		}
		lines = append(lines, l)
	}
	return lines
}

// listed returns a line with entries. The text last separates the last two of them.
func listed(text string, entries []string, last string) line {
	l := line{Text: text}
	if len(entries) == 0 {
		l.Text += " none"
	}
	for i, entry := range entries {
		before := ", "
		switch {
		case i == 0:
			before = " "
		case i == len(entries)-1:
			before = last
		}
		l.Items = append(l.Items, item{before, legible.Show(entry)})
	}
	return l
}

func atMost(n int64, what string) string {
	if n <= 0 {
		return "No " + what + "s"
	}
	return "At most " + plain.Count(n, what)
}

// leftLines says how often a clause was used and what is left of its limits. The limits
// of the ancestors count too.
func leftLines(c mytoken.Counter) []string {
	return []string{
		leftLine(c.ATUsed, c.ATLeft, "access token"),
		leftLine(c.OtherUsed, c.OtherLeft, "other use"),
	}
}

func leftLine(used int64, left mytoken.Limit, what string) string {
	text := plain.Count(used, what) + " so far"
	if left == mytoken.Unlimited {
		return text + ", without limit"
	}
	return text + ", " + strconv.FormatInt(int64(left), 10) + " left"
}
