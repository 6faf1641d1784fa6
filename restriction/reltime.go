package restriction

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/internal/clip"
)

// localLayout is the form of a local time in requests.
const localLayout = "2006-01-02 15:04"

// readTime reads a string that stands for a time in requests (protocol section 2.2). It
// may be integer seconds, "+N" for N seconds after now, "+1d12h" for a duration after
// now, or "2006-01-02 15:04" for a local time. The result is Unix time in seconds.
func readTime(text string, now time.Time, location *time.Location) (int64, error) {
	if after, relative := strings.CutPrefix(text, "+"); relative {
		return readRelative(after, now)
	}
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return seconds, nil
	}
	at, err := time.ParseInLocation(localLayout, text, location)
	if err != nil {
		return 0, badValue(ErrSyntax, "%q is not a time", clip.Name(text))
	}
	return present(at.Unix(), text)
}

func readRelative(after string, now time.Time) (int64, error) {
	if now.IsZero() {
		return 0, badValue(ErrSyntax, "a time must be an integer here")
	}
	if isDigits(after) {
		seconds, err := strconv.ParseInt(after, 10, 64)
		if err != nil || seconds > math.MaxInt64-max(now.Unix(), 0) {
			return 0, badValue(ErrSyntax, "%q is too far away", clip.Name("+"+after))
		}
		return present(now.Unix()+seconds, "+"+after)
	}
	d, err := readDuration(after)
	if err != nil {
		return 0, err
	}
	return present(now.Add(d).Unix(), "+"+after)
}

// present returns seconds. It refuses times before 1970, and also 0: on the wire, 0 means
// that no time was stated.
func present(seconds int64, text string) (int64, error) {
	if seconds <= 0 {
		return 0, badValue(ErrInvalid, "%q is before 1970", clip.Name(text))
	}
	return seconds, nil
}

// readDuration reads a sequence of decimal numbers with units, such as "1d12h". The units
// are those of [time.ParseDuration], a day of 24 hours (d), a week of 7 days (w) and a
// year of 365 days (y).
func readDuration(text string) (time.Duration, error) {
	var total time.Duration
	for rest := text; ; {
		n := strings.IndexFunc(rest, func(r rune) bool { return !('0' <= r && r <= '9' || r == '.') })
		if n <= 0 {
			return 0, badValue(ErrSyntax, "%q is not a duration", clip.Name(text))
		}
		number := rest[:n]
		rest = rest[n:]
		if n = strings.IndexAny(rest, "0123456789."); n < 0 {
			n = len(rest)
		}
		part, err := readPart(number, rest[:n])
		if err != nil {
			return 0, badValue(ErrSyntax, "%q is not a duration, or too long", clip.Name(text))
		}
		if total > math.MaxInt64-part {
			return 0, badValue(ErrSyntax, "%q is too long", clip.Name(text))
		}
		total += part
		if rest = rest[n:]; rest == "" {
			return total, nil
		}
	}
}

// readPart reads one number with its unit. It converts units that [time.ParseDuration]
// does not know to hours.
func readPart(number, unit string) (time.Duration, error) {
	const day = 24
	hours := map[string]time.Duration{"d": day, "w": 7 * day, "y": 365 * day}[unit]
	if hours == 0 {
		return time.ParseDuration(number + unit)
	}
	d, err := time.ParseDuration(number + "h")
	if err != nil {
		return 0, err
	}
	if d > math.MaxInt64/hours {
		return 0, strconv.ErrRange
	}
	return d * hours, nil
}

func isDigits(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}
