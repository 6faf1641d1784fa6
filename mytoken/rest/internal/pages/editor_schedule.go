package pages

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/internal/clip"
	"github.com/mytoken-go/sdk/restriction"
)

// scheduleKey edits a schedule in the words in which pages show it.
func scheduleKey() editedKey {
	return editedKey{restriction.KeySchedule,
		func(c *restriction.Clause) string {
			if c.Schedule == nil {
				return ""
			}
			return c.Schedule.String()
		},
		func(c *restriction.Clause, text string) (err error) {
			c.Schedule, err = readSchedule(text)
			return err
		}}
}

// scheduleExample says how to write a schedule.
const scheduleExample = "Mondays to Fridays from 22:00 to 06:00, Europe/Berlin"

// readSchedule reads what [restriction.Schedule.String] writes, and shorter forms such as
// "Mon-Fri 22:00-06:00". The result is in normal form. It may lack the anchor that it
// needs, and its values may be out of range.
func readSchedule(text string) (*restriction.Schedule, error) {
	r := scheduleReader{words: strings.FieldsFunc(text, func(c rune) bool { return strings.ContainsRune(", \t\r\n", c) })}
	for len(r.words) > 0 {
		if !r.next() {
			return nil, fmt.Errorf("'%s' is not understood; write something like %s", clip.Name(r.words[0]), scheduleExample)
		}
	}
	return restriction.List{{Schedule: &r.schedule}}.Normalize(time.Time{})[0].Schedule, nil
}

// scheduleReader reads words from left to right.
type scheduleReader struct {
	words    []string
	schedule restriction.Schedule
}

// fillers say nothing by themselves.
var fillers = []string{"and", "on", "the", "only", "at", "of", "month", "each", "every", "day", "days"}

// next reads the next words. It returns false if it does not understand them.
func (r *scheduleReader) next() bool {
	return r.weekdays() || r.clocks() || r.interval() || r.monthDay() || r.filler() || r.zone()
}

// word returns a word in lower case, or "" after the last one.
func (r *scheduleReader) word(i int) string {
	if i >= len(r.words) {
		return ""
	}
	return strings.ToLower(r.words[i])
}

// phrase takes words if they come next.
func (r *scheduleReader) phrase(words ...string) bool {
	for i, word := range words {
		if r.word(i) != word {
			return false
		}
	}
	r.words = r.words[len(words):]
	return true
}

// weekdays reads "Mondays", "Mondays to Fridays" or "Mon-Fri".
func (r *scheduleReader) weekdays() bool {
	first, last, ranged := cutRange(r.word(0))
	from, ok := weekdayOf(first)
	if !ok {
		return false
	}
	to, taken := from, 1
	switch {
	case ranged:
		if to, ok = weekdayOf(last); !ok {
			return false
		}
	case r.word(1) == "to" || r.word(1) == "-" || r.word(1) == "–":
		if to, ok = weekdayOf(r.word(2)); !ok {
			return false
		}
		taken = 3
	}
	r.words = r.words[taken:]
	for day := from; ; day = day%7 + 1 {
		r.schedule.Days = append(r.schedule.Days, day)
		if day == to {
			return true
		}
	}
}

// cutRange cuts "a-b" in two.
func cutRange(word string) (first, last string, ranged bool) {
	if first, last, ranged = strings.Cut(word, "–"); !ranged {
		first, last, ranged = strings.Cut(word, "-")
	}
	return first, last, ranged
}

// weekdayOf reads a day of the week, such as "mondays", "monday" or "mon": 1 is Monday.
func weekdayOf(word string) (day int, ok bool) {
	const short = 2 // letters
	for day := 1; day <= 7; day++ {
		name := strings.ToLower(time.Weekday(day % 7).String())
		if word == name+"s" || len(word) >= short && strings.HasPrefix(name, word) {
			return day, true
		}
	}
	return 0, false
}

// clocks reads "from 22:00 to 06:00" or "22:00-06:00".
func (r *scheduleReader) clocks() bool {
	from, to, ranged := cutRange(r.word(0))
	taken := 1
	switch {
	case ranged:
	case r.word(0) == "from" && (r.word(2) == "to" || r.word(2) == "-" || r.word(2) == "–"):
		from, to, taken = r.word(1), r.word(3), 4
	default:
		return false
	}
	if !strings.Contains(from, ":") || !strings.Contains(to, ":") || r.schedule.From != "" {
		return false
	}
	r.schedule.From, r.schedule.To = from, to
	r.words = r.words[taken:]
	return true
}

// interval reads "every 2 days from 2030-01-31".
func (r *scheduleReader) interval() bool {
	n, err := strconv.Atoi(r.word(1))
	if r.word(0) != "every" || err != nil || r.word(2) != "days" || r.schedule.Every != 0 {
		return false
	}
	r.schedule.Every = n
	r.words = r.words[3:]
	if r.word(0) == "from" && strings.Count(r.word(1), "-") == 2 {
		r.schedule.Anchor = r.word(1)
		r.words = r.words[2:]
	}
	return true
}

// monthDay reads "15", "2 from the end" or "last day".
func (r *scheduleReader) monthDay() bool {
	if r.phrase("last", "day") {
		r.schedule.DaysOfMonth = append(r.schedule.DaysOfMonth, -1)
		return true
	}
	n, err := strconv.Atoi(r.word(0))
	if err != nil {
		return false
	}
	r.words = r.words[1:]
	if r.phrase("from", "the", "end") {
		n = -n
	}
	r.schedule.DaysOfMonth = append(r.schedule.DaysOfMonth, n)
	return true
}

// filler reads a word that says nothing. A number after "every" would read as a day of the
// month.
func (r *scheduleReader) filler() bool {
	_, err := strconv.Atoi(r.word(1))
	if !slices.Contains(fillers, r.word(0)) || r.word(0) == "every" && err == nil {
		return false
	}
	r.words = r.words[1:]
	return true
}

// zone reads a time zone, which comes last.
func (r *scheduleReader) zone() bool {
	if len(r.words) != 1 {
		return false
	}
	r.schedule.Timezone = r.words[0]
	r.words = nil
	return true
}
