package pages

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/restriction"
)

// editedKey writes a key of a clause into a field, and reads it from there.
type editedKey struct {
	key   string
	write func(*restriction.Clause) string
	read  func(*restriction.Clause, string) error
}

var editedKeys = []editedKey{
	timeKey(restriction.KeyNotBefore, func(c *restriction.Clause) *int64 { return &c.NotBefore }),
	timeKey(restriction.KeyExpires, func(c *restriction.Clause) *int64 { return &c.Expires }),
	listKey(restriction.KeyScope, " ", strings.Fields, func(c *restriction.Clause) *[]string { return &c.Scopes }),
	listKey(restriction.KeyAudience, "\n", textLines, func(c *restriction.Clause) *[]string { return &c.Audiences }),
	listKey(restriction.KeyHosts, " ", words, func(c *restriction.Clause) *[]string { return &c.Hosts }),
	listKey(restriction.KeyGeoIPAllow, " ", words, func(c *restriction.Clause) *[]string { return &c.GeoIPAllow }),
	listKey(restriction.KeyGeoIPDisallow, " ", words, func(c *restriction.Clause) *[]string { return &c.GeoIPDisallow }),
	countKey(restriction.KeyUsagesAT, func(c *restriction.Clause) **int64 { return &c.UsagesAT }),
	countKey(restriction.KeyUsagesOther, func(c *restriction.Clause) **int64 { return &c.UsagesOther }),
	scheduleKey(),
}

// fieldTime is how a browser writes a local time (HTML, "local date and time string").
// Here it is UTC. Browsers leave out seconds that are 0.
const fieldTime = "2006-01-02T15:04:05"

// readTimes are the layouts of times that the editor reads. A browser without a field for
// times shows a field for text, and users write times as they see them on the pages.
var readTimes = []string{
	fieldTime, "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04",
	shownTime, "2 January 2006 15:04",
}

// shownTime is how pages show a time, which is in UTC.
const shownTime = "2 January 2006 15:04 UTC"

// reason says why restrictions are refused, with times as pages show them.
func reason(err error) string {
	return errorTime.ReplaceAllStringFunc(restriction.Reason(err), func(text string) string {
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return text
		}
		return t.Format(shownTime)
	})
}

// errorTime is how errors of package restriction write a time.
var errorTime = regexp.MustCompile(`\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)

func timeKey(key string, of func(*restriction.Clause) *int64) editedKey {
	return editedKey{key,
		func(c *restriction.Clause) string {
			if *of(c) == 0 {
				return ""
			}
			return time.Unix(*of(c), 0).UTC().Format(fieldTime)
		},
		func(c *restriction.Clause, text string) error {
			for _, layout := range readTimes {
				if t, err := time.Parse(layout, text); err == nil && t.Unix() != 0 {
					*of(c) = t.Unix()
					return nil
				}
			}
			return errors.New("not a date and time such as 31 January 2030 18:00")
		}}
}

func listKey(key, separator string, split func(string) []string, of func(*restriction.Clause) *[]string) editedKey {
	return editedKey{key,
		func(c *restriction.Clause) string { return strings.Join(*of(c), separator) },
		func(c *restriction.Clause, text string) error {
			*of(c) = split(text)
			return nil
		}}
}

func countKey(key string, of func(*restriction.Clause) **int64) editedKey {
	return editedKey{key,
		func(c *restriction.Clause) string {
			if *of(c) == nil {
				return ""
			}
			return strconv.FormatInt(**of(c), 10)
		},
		func(c *restriction.Clause, text string) error {
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil || n < 0 {
				return errors.New("not a whole number, 0 or more")
			}
			*of(c) = &n
			return nil
		}}
}

// words splits at white space and commas.
func words(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(", \t\r\n", r) })
}

// textLines splits into lines and leaves out empty ones.
func textLines(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// mistake says what is wrong with the field of a key. An empty key stands for the whole
// clause.
type mistake struct{ key, text string }

// read returns the clause of a draft and its mistakes. An empty field states nothing.
func (d draft) read(asked restriction.List) (restriction.Clause, []mistake) {
	c := restriction.Clause{Extra: extraOf(d, asked)}
	var mistakes []mistake
	for _, k := range editedKeys {
		text := strings.TrimSpace(d.texts[k.key])
		if text == "" {
			continue
		}
		if err := k.read(&c, text); err != nil {
			mistakes = append(mistakes, mistake{k.key, err.Error()})
		}
	}
	if len(mistakes) == 0 {
		mistakes = mistakesOf(c)
	}
	return c, mistakes
}

// mistakesOf reports what makes no sense in a clause.
func mistakesOf(c restriction.Clause) []mistake {
	err := restriction.List{c}.Validate()
	var located *restriction.ClauseError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, restriction.ErrEmptyClause):
		return []mistake{{"", "says nothing, and would allow everything. Fill in a field, or remove the case."}}
	case errors.As(err, &located):
		return []mistake{{located.Key, reason(err)}}
	}
	return []mistake{{"", reason(err)}}
}
