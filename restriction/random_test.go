package restriction

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"
)

// The random tests live in a small world, in which clauses often meet. It has a few
// addresses, names, countries and scopes, and times within horizon seconds.
const horizon = 30

var (
	worldDNS = fakeDNS{
		names: map[string][]string{
			"192.0.2.1": {"a.example.org."}, "192.0.2.2": {"b.a.example.org."}, "2001:db8::1": {"six.example.org.", "a.example.org."},
		},
		addrs: map[string][]string{
			"a.example.org.": {"192.0.2.1", "2001:db8::1"}, "b.a.example.org.": {"192.0.2.2"}, "six.example.org.": {"2001:db8::1"},
		},
	}
	worldGeo       = fakeGeo{"192.0.2.1": "DE", "192.0.2.2": "FR", "2001:db8::1": "DE"}
	worldAddresses = []string{"192.0.2.1", "192.0.2.2", "192.0.2.3", "::ffff:192.0.2.1", "2001:db8::1", "10.0.0.1", "127.0.0.1"}
	worldHosts     = []string{
		"192.0.2.1", "::ffff:192.0.2.1", "192.0.2.0/24", "192.0.2.2/31", "0.0.0.0/0", "::/0", "2001:db8::/32", "10.0.0.0/8",
		"a.example.org", "A.Example.Org.", "*.a.example.org", "*.example.org", "*.org", "six.example.org", "*", "no host",
	}
	worldCountries = []string{"DE", "de", "FR", "AT", "nowhere"}
	worldScopes    = []string{"a", "b", "c"}

	// worldSchedules admit at epoch or a minute later, or never. Epoch is Friday, 15 January
	// 2027, 08:00 UTC.
	worldSchedules = []Schedule{
		{From: "08:00", To: "08:01"}, {From: "08:01", To: "08:02"}, {Days: []int{5}}, {Days: []int{4, 5}, From: "22:00", To: "08:01"},
		{DaysOfMonth: []int{15}}, {DaysOfMonth: []int{-17}, From: "07:00", To: "09:00"}, {Every: 2, Anchor: "2027-01-01"}, {Every: 4, Anchor: "2027-01-03"},
		{Timezone: "Europe/Berlin", From: "09:01", To: "09:30"}, {Timezone: "Europe/Berlin", Days: []int{5, 6}}, {Every: 2}, {From: "25:00", To: "26:00"},
	}
)

func worldOptions() Options {
	return Options{Resolver: worldDNS, Locator: worldGeo, PrivateCountry: "AT", Conditions: worldConditions()}
}

// worldConditions has one own key with a small language of conditions.
func worldConditions() map[string]Factory {
	return map[string]Factory{"own": func(value []byte) (Condition, error) {
		var expression any
		if err := json.Unmarshal(value, &expression); err != nil {
			return nil, err
		}
		return condition(expression)
	}}
}

func condition(expression any) (Condition, error) {
	fields, ok := expression.(map[string]any)
	if !ok {
		return nil, errors.New("need an object")
	}
	for name, value := range fields {
		switch name {
		case "window":
			bounds := value.([]any)
			at := func(i int) time.Time { return epoch.Add(time.Duration(bounds[i].(float64)) * time.Second) }
			return Window(at(0), at(1)), nil
		case "network":
			prefix, err := netip.ParsePrefix(value.(string))
			return Network(prefix), err
		case "mute":
			return muteUntil{epoch.Add(time.Duration(value.(float64)) * time.Second)}, nil
		case "not":
			part, err := condition(value)
			return Not(part), err
		}
		var parts []Condition
		for _, part := range value.([]any) {
			c, err := condition(part)
			if err != nil {
				return nil, err
			}
			parts = append(parts, c)
		}
		if name == "all" {
			return All(parts...), nil
		}
		return Any(parts...), nil
	}
	return nil, errors.New("need a condition")
}

func drawExpression(t *rapid.T, depth int, mute bool) string {
	kinds := []string{"window", "network", "mute", "not", "all", "any"}
	if depth == 0 {
		kinds = kinds[:3]
	}
	kind := rapid.SampledFrom(kinds).Draw(t, "condition")
	if kind == "mute" && !mute {
		kind = "window"
	}
	switch kind {
	case "window":
		from := rapid.IntRange(0, horizon).Draw(t, "from")
		return fmt.Sprintf(`{"window":[%d,%d]}`, from, from+rapid.IntRange(0, 12).Draw(t, "for"))
	case "network":
		return fmt.Sprintf(`{"network":%q}`, rapid.SampledFrom([]string{"192.0.2.0/24", "192.0.2.2/31", "::/0"}).Draw(t, "network"))
	case "mute":
		return fmt.Sprintf(`{"mute":%d}`, rapid.IntRange(0, horizon).Draw(t, "mute until"))
	case "not":
		return `{"not":` + drawExpression(t, depth-1, mute) + `}`
	}
	var parts []string
	for range rapid.IntRange(0, 3).Draw(t, "parts") {
		parts = append(parts, drawExpression(t, depth-1, mute))
	}
	return fmt.Sprintf(`{%q:[%s]}`, kind, strings.Join(parts, ","))
}

// drawList draws some of the entries. It often draws nil, and rarely an empty list.
func drawList(t *rapid.T, name string, from []string) []string {
	switch rapid.IntRange(0, 19).Draw(t, name+"?") {
	case 0:
		return []string{}
	case 1, 2, 3, 4, 5, 6, 7, 8, 9, 10:
		return nil
	}
	return rapid.SliceOfN(rapid.SampledFrom(from), 1, 3).Draw(t, name)
}

func drawClause(t *rapid.T, mute bool) Clause {
	var c Clause
	sometimes := func(name string) bool { return rapid.IntRange(0, 2).Draw(t, name+"?") == 0 }
	if sometimes("nbf") {
		c.NotBefore = epoch.Unix() + int64(rapid.IntRange(0, horizon).Draw(t, "nbf"))
	}
	if sometimes("exp") {
		c.Expires = epoch.Unix() + int64(rapid.IntRange(0, horizon).Draw(t, "exp"))
	}
	c.Scopes = drawList(t, "scopes", worldScopes)
	c.Audiences = drawList(t, "audiences", worldScopes)
	c.Hosts = drawList(t, "hosts", worldHosts)
	c.GeoIPAllow = drawList(t, "allow", worldCountries)
	c.GeoIPDisallow = drawList(t, "disallow", worldCountries)
	if sometimes("usages_AT") {
		c.UsagesAT = Usages(int64(rapid.IntRange(0, 3).Draw(t, "usages_AT")))
	}
	if sometimes("usages_other") {
		c.UsagesOther = Usages(int64(rapid.IntRange(0, 3).Draw(t, "usages_other")))
	}
	c.Schedule = drawWorldSchedule(t)
	if rapid.IntRange(0, 3).Draw(t, "own?") == 0 {
		c.Extra = append(c.Extra, Extra{"own", []byte(drawExpression(t, 2, mute))})
	}
	if rapid.IntRange(0, 9).Draw(t, "unknown?") == 0 {
		c.Extra = append(c.Extra, Extra{"unknown", []byte("1")})
	}
	if c.IsEmpty() {
		c.Scopes = []string{"a"}
	}
	return c
}

// drawWorldSchedule often draws none.
func drawWorldSchedule(t *rapid.T) *Schedule {
	if rapid.IntRange(0, 4).Draw(t, "schedule?") > 0 {
		return nil
	}
	s := rapid.SampledFrom(worldSchedules).Draw(t, "schedule")
	return s.clone()
}

func drawClauses(t *rapid.T, name string, least int, mute bool) List {
	list := make(List, rapid.IntRange(least, 3).Draw(t, name))
	for i := range list {
		list[i] = drawClause(t, mute)
	}
	return list
}

// drawChild draws a variation of the parent's clause, which is usually within it.
func drawChild(t *rapid.T, parent Clause) Clause {
	c := parent.Clone()
	other := drawClause(t, true)
	fewer := func(list []string) []string {
		if len(list) > 1 && rapid.Bool().Draw(t, "fewer") {
			return list[1:]
		}
		return list
	}
	for range rapid.IntRange(1, 4).Draw(t, "changes") {
		switch rapid.IntRange(0, 13).Draw(t, "change") {
		case 0:
			c.NotBefore = other.NotBefore
		case 1:
			c.Expires = other.Expires
		case 2:
			c.Scopes = fewer(c.Scopes)
		case 3:
			c.Audiences = fewer(c.Audiences)
		case 4:
			c.Hosts = fewer(c.Hosts)
		case 5:
			c.Hosts = other.Hosts
		case 6:
			c.GeoIPAllow = fewer(c.GeoIPAllow)
		case 7:
			c.GeoIPAllow, c.GeoIPDisallow = other.GeoIPAllow, slices.Concat(c.GeoIPDisallow, other.GeoIPDisallow)
		case 8:
			c.Scopes = other.Scopes
		case 9:
			c.UsagesAT = other.UsagesAT
		case 10:
			c.UsagesOther = other.UsagesOther
		case 11:
			c.Extra = other.Extra
		case 12:
			c.GeoIPDisallow = fewer(c.GeoIPDisallow)
		case 13:
			c.Schedule = other.Schedule
		}
	}
	if c.IsEmpty() {
		c.Scopes = []string{"a"}
	}
	return c
}

func drawRequest(t *rapid.T) Request {
	r := Request{
		Now:       epoch.Add(time.Duration(rapid.IntRange(0, horizon).Draw(t, "now")) * time.Second),
		Kind:      rapid.SampledFrom([]Kind{AT, AT, Other, Uncounted}).Draw(t, "kind"),
		Scopes:    rapid.SliceOfN(rapid.SampledFrom(worldScopes), 0, 2).Draw(t, "requested scopes"),
		Audiences: rapid.SliceOfN(rapid.SampledFrom(worldScopes), 0, 2).Draw(t, "requested audiences"),
	}
	if text := rapid.SampledFrom(append(worldAddresses, "")).Draw(t, "address"); text != "" {
		r.Address = addr(text)
	}
	return r
}
