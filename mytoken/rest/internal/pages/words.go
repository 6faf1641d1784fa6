package pages

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
)

// clauseTexts says in words what each clause demands. With counters it also says what is
// left of the limits.
func clauseTexts(list restriction.List, counters []mytoken.Counter) []clauseText {
	var texts []clauseText
	for i := range list {
		text := clauseText{Lines: clauseLines(&list[i])}
		if i < len(counters) {
			text.Left = leftLines(counters[i])
		}
		texts = append(texts, text)
	}
	return texts
}

// phrases begin the lines about the keys of a clause. Other keys begin with the words of
// package restriction.
var phrases = map[string]string{
	restriction.KeyScope:         "only with the scopes",
	restriction.KeyAudience:      "only for",
	restriction.KeyHosts:         "only from",
	restriction.KeyGeoIPAllow:    "only from the countries",
	restriction.KeyGeoIPDisallow: "not from the countries",
}

// clauseLines says in words what a clause demands.
func clauseLines(c *restriction.Clause) []string {
	var lines []string
	if c.NotBefore != 0 {
		lines = append(lines, "from "+instant(c.NotBefore))
	}
	if c.Expires != 0 {
		lines = append(lines, "until "+instant(c.Expires))
	}
	for _, term := range c.Terms() {
		lines = append(lines, cmp.Or(phrases[term.Key], term.What)+" "+strings.Join(term.Entries, ", "))
	}
	if c.UsagesAT != nil {
		lines = append(lines, "at most "+count(*c.UsagesAT, "access token"))
	}
	if c.UsagesOther != nil {
		lines = append(lines, "at most "+count(*c.UsagesOther, "other use"))
	}
	for _, extra := range c.Extra {
		lines = append(lines, extra.Key+": "+string(extra.Value))
	}
	for i, line := range lines {
		lines[i] = legible.Show(line)
	}
	return lines
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
	text := count(used, what) + " so far"
	if left == mytoken.Unlimited {
		return text + ", without limit"
	}
	return text + ", " + strconv.FormatInt(int64(left), 10) + " left"
}

func instant(seconds int64) string {
	return time.Unix(seconds, 0).UTC().Format("2 January 2006 15:04 UTC")
}

func count(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.FormatInt(n, 10) + " " + what + "s"
}

// lifetimeWords says how long something lasts, in days if it lasts whole days.
func lifetimeWords(d time.Duration) string {
	if day := 24 * time.Hour; d%day == 0 {
		return count(int64(d/day), "day")
	}
	return d.String()
}

// rotationWords says in words when a token is replaced. It says nothing if it never is.
func rotationWords(r *mytoken.Rotation) string {
	if r == nil {
		return ""
	}
	var when []string
	if r.OnAT {
		when = append(when, "after each access token")
	}
	if r.OnOther {
		when = append(when, "after each other use")
	}
	var text string
	if len(when) > 0 {
		text = "The token is replaced by a new one " + strings.Join(when, " and ") + "."
	}
	if r.Lifetime > 0 {
		text += " Each one is good for " + (time.Duration(min(r.Lifetime, 1<<32)) * time.Second).String() + "."
	}
	if r.AutoRevoke {
		text += " If an old one is used again, all are revoked."
	}
	return strings.TrimSpace(text)
}
