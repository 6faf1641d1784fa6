package rest

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/restriction"
)

// clauseField says how a key of a clause is written into a field and read from
// it.
type clauseField struct {
	key   string
	write func(*restriction.Clause) string
	read  func(*restriction.Clause, string) error
}

var clauseFields = []clauseField{
	timeField(restriction.KeyNotBefore, func(c *restriction.Clause) *int64 { return &c.NotBefore }),
	timeField(restriction.KeyExpires, func(c *restriction.Clause) *int64 { return &c.Expires }),
	listField(restriction.KeyScope, " ", strings.Fields, func(c *restriction.Clause) *[]string { return &c.Scopes }),
	listField(restriction.KeyAudience, "\n", textLines, func(c *restriction.Clause) *[]string { return &c.Audiences }),
	listField(restriction.KeyHosts, " ", words, func(c *restriction.Clause) *[]string { return &c.Hosts }),
	listField(restriction.KeyGeoIPAllow, " ", words, func(c *restriction.Clause) *[]string { return &c.GeoIPAllow }),
	listField(restriction.KeyGeoIPDisallow, " ", words, func(c *restriction.Clause) *[]string { return &c.GeoIPDisallow }),
	countField(restriction.KeyUsagesAT, func(c *restriction.Clause) **int64 { return &c.UsagesAT }),
	countField(restriction.KeyUsagesOther, func(c *restriction.Clause) **int64 { return &c.UsagesOther }),
}

// fieldTime is how a browser writes a local time (HTML, "local date and time
// string"); here it is UTC. It leaves out seconds that are 0.
const fieldTime = "2006-01-02T15:04:05"

var readTimes = []string{fieldTime, "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04"}

func timeField(key string, of func(*restriction.Clause) *int64) clauseField {
	return clauseField{key,
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
			return errors.New("not a date and time like 2030-01-31 18:00")
		}}
}

func listField(key, separator string, split func(string) []string, of func(*restriction.Clause) *[]string) clauseField {
	return clauseField{key,
		func(c *restriction.Clause) string { return strings.Join(*of(c), separator) },
		func(c *restriction.Clause, text string) error {
			*of(c) = split(text)
			return nil
		}}
}

func countField(key string, of func(*restriction.Clause) **int64) clauseField {
	return clauseField{key,
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
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' || r == '\r' })
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

// fieldProblem is what is wrong with the field of a key; the key is empty if the
// whole clause is meant.
type fieldProblem struct{ key, text string }

// read reads a clause. Fields without a text say nothing.
func (d draft) read(asked restriction.List) (restriction.Clause, []fieldProblem) {
	c := restriction.Clause{Extra: extraOf(d, asked)}
	var problems []fieldProblem
	for _, f := range clauseFields {
		text := strings.TrimSpace(d.texts[f.key])
		if text == "" {
			continue
		}
		if err := f.read(&c, text); err != nil {
			problems = append(problems, fieldProblem{f.key, err.Error()})
		}
	}
	if len(problems) > 0 {
		return c, problems
	}
	return c, validClause(c)
}

// validClause reports what makes no sense.
func validClause(c restriction.Clause) []fieldProblem {
	err := restriction.List{c}.Validate()
	var located *restriction.ClauseError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, restriction.ErrEmptyClause):
		return []fieldProblem{{"", "says nothing, and would allow everything. Fill in a field, or remove the clause."}}
	case errors.As(err, &located):
		return []fieldProblem{{located.Key, reason(located.Err)}}
	}
	return []fieldProblem{{"", reason(err)}}
}

// reason is what an error of package restriction says to a user.
func reason(err error) string {
	text := strings.TrimPrefix(err.Error(), "restriction: ")
	return strings.TrimPrefix(text, "invalid: ")
}
