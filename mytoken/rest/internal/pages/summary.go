package pages

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/internal/plain"
	"github.com/mytoken-go/sdk/internal/unique"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
)

// subject is what a summary and the other descriptions are about: a token, or properties
// that one would have.
type subject struct {
	mytoken.Properties
	counters []mytoken.Counter // nil: not known
	expires  time.Time         // of a token that exists; zero: its restrictions tell
}

// summary says what a token amounts to: until when, how often and from where it works,
// and what else it can do. It never understates. Several clauses allow together what it
// says, and perhaps less.
func (p *Pages) summary(s subject) []fact {
	var facts []fact
	f, err := p.forecast(s)
	if err != nil { // such as times beyond the year 9999
		p.cfg.Logger.Info("mytoken: restrictions not summarized", "error", err)
		facts = append(facts, fact{Label: "When", Lines: []line{{Text: "See below. There may be no end"}}, Warn: true})
	} else {
		open := openClauses(f)
		facts = append(facts, when(f, open), howOften(s, f.Counted, open), whence(open))
	}
	return append(facts, beyond(s.Capabilities)...)
}

// forecast returns what restrictions and rotation admit from now on.
func (p *Pages) forecast(s subject) (*forecast.Forecast, error) {
	now := p.cfg.Issuer.Now()
	t := p.cfg.Issuer.ForecastRestrictions(s.Restrictions, s.counters)
	t.Capabilities, t.Expires = append(capability.Set{}, s.Capabilities...), s.expires
	if r := s.Rotation; r != nil {
		t.Rotation = &forecast.Rotation{OnAT: r.OnAT, OnOther: r.OnOther, Lifetime: r.Lifetime}
		if s.expires.IsZero() {
			t.Rotation.Issued = now
		}
	}
	return forecast.New(t, now, time.Time{})
}

// openClauses returns the clauses that admit something at some time, or perhaps do.
func openClauses(f *forecast.Forecast) []*forecast.Clause {
	var open []*forecast.Clause
	for i := range f.Clauses {
		c := &f.Clauses[i]
		if c.Reopens || slices.ContainsFunc(c.Spans, func(s forecast.Span) bool { return s.State != forecast.Closed }) {
			open = append(open, c)
		}
	}
	return open
}

// when says from when and until when a token works.
func when(f *forecast.Forecast, open []*forecast.Clause) fact {
	out := fact{Label: "When"}
	if len(open) == 0 {
		out.Lines = []line{{Text: "At no time from now on"}}
		return out
	}
	begin, end, endless, differ := time.Time{}, time.Time{}, false, false
	for n, c := range open {
		var last time.Time
		for _, span := range c.Spans {
			if span.State == forecast.Closed {
				continue
			}
			if begin.IsZero() || span.From.Before(begin) {
				begin = span.From
			}
			last = span.Until
		}
		goesOn := c.After != forecast.Closed || c.Reopens
		differ = differ || n > 0 && (!last.Equal(end) && !(goesOn && endless) || endless != goesOn)
		endless = endless || goesOn
		if last.After(end) {
			end = last
		}
	}
	end = end.Add(-time.Second) // the last second that counts
	starts := begin.After(f.From)
	if endless {
		text := "Without an end, as long as your login lasts"
		if differ {
			text = "In some cases without an end, as long as your login lasts"
		}
		out.Lines, out.Warn = append(out.Lines, line{Text: text}), true
	} else {
		l := line{Text: "Until", Time: end}
		if differ {
			l.More = " at the latest"
		}
		if !starts {
			l.More += " (" + aboutWords(end.Sub(f.From)) + ")"
		}
		out.Lines = append(out.Lines, l)
	}
	if starts {
		out.Lines = append(out.Lines, line{Text: "Not before", Time: begin})
	}
	if text := recurs(open); text != "" {
		out.Lines = append(out.Lines, line{Text: text})
	}
	if !f.Life.Fixed() {
		out.Lines = append(out.Lines, line{Text: "It ends earlier if it is not used for " + aboutWords(f.Life.Idle.Sub(f.From))})
	}
	return out
}

// recurs says at which times clauses with schedules work. It returns "" if there is none.
func recurs(open []*forecast.Clause) string {
	var all []string
	for _, c := range open {
		if c.Limits.Schedule != nil {
			all = append(all, c.Limits.Schedule.String())
		}
	}
	switch few := len(unique.Strings(all)); {
	case few == 0:
		return ""
	case few == 1 && len(all) == len(open):
		return "Only at these times: " + all[0]
	case len(all) == len(open):
		return "Only at certain times, see below"
	}
	return "In some cases only at certain times, see below"
}

// howOften says how many uses a token has, or has left.
func howOften(s subject, counted bool, open []*forecast.Clause) fact {
	var parts []string
	if s.Capabilities.Allows(capability.AT) {
		parts = append(parts, uses(restriction.AT, "access token", counted, open))
	}
	for _, name := range s.Capabilities {
		if !capability.AT.Includes(name) {
			parts = append(parts, uses(restriction.Other, "other use", counted, open))
			break
		}
	}
	text := strings.Join(parts, "; ")
	if text == "" {
		text = "Not at all"
	}
	return fact{Label: "How often", Lines: []line{{Text: strings.ToUpper(text[:1]) + text[1:]}}}
}

// uses adds up the uses of a kind over clauses.
func uses(kind restriction.Kind, what string, counted bool, open []*forecast.Clause) string {
	var total int64
	limited, unlimited := false, false
	for _, c := range open {
		n, has := c.Left.Of(kind)
		if !has {
			unlimited = true
			continue
		}
		limited = true
		if total += n; total < 0 { // more than fits
			unlimited = true
		}
	}
	left := ""
	if counted {
		left = " left"
	}
	switch {
	case unlimited && limited:
		return "in some cases " + what + "s without limit"
	case unlimited:
		return what + "s without limit"
	case total == 0:
		return "no " + what + "s" + left
	case counted && len(open) == 1:
		return plain.Count(total, what) + left
	}
	return "at most " + plain.Count(total, what) + left
}

// whence says from where a token can be used.
func whence(open []*forecast.Clause) fact {
	var places []string
	anywhere, bounded := false, false
	for _, c := range open {
		entries, limited := origins(c)
		if !limited {
			anywhere = true
			continue
		}
		bounded, places = true, append(places, entries...)
	}
	places = unique.Strings(places)
	const most = 6
	l := line{Text: "From anywhere"}
	switch {
	case len(open) == 0:
		l.Text = "From nowhere"
	case anywhere && bounded:
		l.Text = "In some cases from anywhere"
	case anywhere:
	case len(places) > most:
		l = listed("Only from", places[:most], ", ")
		l.More = " and " + strconv.Itoa(len(places)-most) + " more"
	default:
		l = listed("Only from", places, " or ")
	}
	return fact{Label: "From where", Lines: []line{l}}
}

// origins returns from where a clause admits uses, and whether it limits that. Of hosts
// and countries in one clause, the hosts are named.
func origins(c *forecast.Clause) (entries []string, limited bool) {
	l := &c.Limits
	if c.Facts == nil { // there are no restrictions
		return nil, false
	}
	v4, v6 := c.Facts.MatchHost("0.0.0.0/0") == restriction.Matches, c.Facts.MatchHost("::/0") == restriction.Matches
	switch {
	case l.Hosts != nil && !(v4 && v6):
		if v4 {
			entries = append(entries, "any IPv4 address")
		}
		if v6 {
			entries = append(entries, "any IPv6 address")
		}
		entries = append(entries, l.Hosts...)
	case l.GeoIPAllow != nil:
		for _, country := range l.GeoIPAllow {
			entries = append(entries, "the country "+strings.ToUpper(country))
		}
	case l.GeoIPDisallow != nil:
		entries = []string{"countries other than " + strings.ToUpper(strings.Join(l.GeoIPDisallow, ", "))}
	default:
		return nil, false
	}
	return entries, true
}

// beyond says what a token can do beyond its own uses: to itself, to other tokens and to
// the settings of the user.
func beyond(c capability.Set) []fact {
	further := "It cannot make any"
	if c.Allows(capability.CreateMytoken) {
		further = "It can make further mytokens, which can do no more than it"
	}
	others := "It can neither see nor revoke them"
	var may []string
	for _, can := range []struct {
		name capability.Capability
		verb string
	}{
		{capability.ManageMytokensList, "list"}, {capability.ManageMytokensRevoke, "revoke"},
		{capability.ManageMytokensHistory, "read the history of"},
		{capability.ManageMytokensNotify, "manage notifications of"}, {capability.ManageMytokensTags, "tag"},
	} {
		if c.Allows(can.name) {
			may = append(may, can.verb)
		}
	}
	if len(may) == 0 && c.Allows(capability.ReadManageMytokensNotify) {
		may = append(may, "read notifications of")
	}
	if c.Allows(capability.ManageMytokens) {
		others = "It can manage all of your mytokens: see and revoke them, and read their history"
	} else if len(may) > 0 {
		others = "It can " + joined(may, " and ") + " all of your mytokens"
	}
	facts := []fact{
		{Label: "Further tokens", Lines: []line{{Text: further}}},
		{Label: "Your other tokens", Lines: []line{{Text: others}}, Warn: len(may) > 0},
	}
	switch reads, writes := settings(c); {
	case writes:
		facts = append(facts, fact{Label: "Your settings", Lines: []line{{Text: "It can change them, or some of them"}}, Warn: true})
	case reads:
		facts = append(facts, fact{Label: "Your settings", Lines: []line{{Text: "It can read them, or some of them"}}})
	}
	return facts
}

// settings reports whether capabilities reach the settings of the user.
func settings(c capability.Set) (reads, writes bool) {
	for _, name := range capability.All() {
		if capability.Settings.Includes(name) && c.Allows(name) {
			reads, writes = true, writes || !name.ReadOnly()
		}
	}
	return reads, writes
}

// joined lists entries in a sentence. The text last separates the last two of them.
func joined(entries []string, last string) string {
	if n := len(entries); n > 1 {
		return strings.Join(entries[:n-1], ", ") + last + entries[n-1]
	}
	return strings.Join(entries, "")
}
