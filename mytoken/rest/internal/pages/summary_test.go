package pages

import (
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/restriction"
)

// newPages returns the pages of a service.
func newPages(t *testing.T, options mytokentest.Options) (*Pages, *mytokentest.Service) {
	t.Helper()
	service, err := mytokentest.Start(options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, service.Close()) })
	p, err := New(Config{Issuer: service.Issuer, Base: "https://mytoken.example", Home: "/home", Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	return p, service
}

// text is a line as a page shows it.
func (l line) text() string {
	out := l.Text
	if !l.Time.IsZero() {
		out += " " + l.Time.UTC().Format(time.RFC3339)
	}
	for _, item := range l.Items {
		out += item.Before + item.Text
	}
	return out + l.More
}

func texts(facts []fact) map[string]string {
	out := make(map[string]string)
	for _, f := range facts {
		var all []string
		for _, l := range f.Lines {
			all = append(all, l.text())
		}
		if out[f.Label] = strings.Join(all, ". "); f.Warn {
			out[f.Label] = "! " + out[f.Label]
		}
	}
	return out
}

// TestSummary: a few words say until when, how often and from where a token works, and
// what else it can do.
func TestSummary(t *testing.T) {
	p, service := newPages(t, mytokentest.Options{})
	now := service.Clock.Now()
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	stamp := func(d time.Duration) string { return now.Add(d).UTC().Format(time.RFC3339) }
	day := 24 * time.Hour
	three, four := restriction.Usages(3), restriction.Usages(4)
	for name, c := range map[string]struct {
		caps     string // AT if empty
		list     restriction.List
		rotation *mytoken.Rotation
		counters []mytoken.Counter
		expires  time.Duration
		want     map[string]string
	}{
		"nothing stated": {want: map[string]string{
			"When": "! Without an end, as long as your login lasts", "How often": "Access tokens without limit", "From where": "From anywhere",
			"Further tokens": "It cannot make any", "Your other tokens": "It can neither see nor revoke them",
		}},
		"one clause": {
			list: restriction.List{{Expires: at(30 * day), UsagesAT: three, Hosts: []string{"192.0.2.0/24", "2001:db8::1"}}},
			want: map[string]string{"When": "Until " + stamp(30*day) + " (30 days)", "How often": "At most 3 access tokens", "From where": "Only from 192.0.2.0/24 or 2001:db8::1"},
		},
		"it begins later": {
			list: restriction.List{{NotBefore: at(time.Hour), Expires: at(2 * time.Hour)}},
			want: map[string]string{"When": "Until " + stamp(2*time.Hour) + ". Not before " + stamp(time.Hour)},
		},
		"different ends": {
			list: restriction.List{{Expires: at(day), UsagesAT: three, Hosts: []string{"192.0.2.1"}}, {Expires: at(2 * day), UsagesAT: four, Hosts: []string{"192.0.2.1", "192.0.2.2"}}},
			want: map[string]string{"When": "Until " + stamp(2*day) + " at the latest (2 days)", "How often": "At most 7 access tokens", "From where": "Only from 192.0.2.1 or 192.0.2.2"},
		},
		"one of two is free": {
			list: restriction.List{{Expires: at(day), UsagesAT: three, Hosts: []string{"192.0.2.1"}}, {Scopes: []string{"compute"}}},
			want: map[string]string{"When": "! In some cases without an end, as long as your login lasts", "How often": "In some cases access tokens without limit", "From where": "In some cases from anywhere"},
		},
		"a clause that never fits says nothing": {
			list: restriction.List{{Expires: at(day), UsagesAT: three}, {Hosts: []string{"nowhere.example"}}, {Extra: []restriction.Extra{{Key: "moon", Value: []byte(`"full"`)}}}},
			want: map[string]string{"When": "Until " + stamp(day) + " (1 day)", "How often": "At most 3 access tokens", "From where": "From anywhere"},
		},
		"it is over": {
			list: restriction.List{{Expires: at(-day)}},
			want: map[string]string{"When": "At no time from now on", "From where": "From nowhere", "How often": "No access tokens"},
		},
		"every address in two networks": {
			list: restriction.List{{Hosts: []string{"0.0.0.0/0", "::/0"}}}, want: map[string]string{"From where": "From anywhere"},
		},
		"every IPv4 address": {
			list: restriction.List{{Hosts: []string{"9.9.9.9/0"}}}, want: map[string]string{"From where": "Only from any IPv4 address or 9.9.9.9/0"},
		},
		"many addresses": {
			list: restriction.List{{Hosts: []string{"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5", "192.0.2.6", "192.0.2.7", "192.0.2.8"}}},
			want: map[string]string{"From where": "Only from 192.0.2.1, 192.0.2.2, 192.0.2.3, 192.0.2.4, 192.0.2.5, 192.0.2.6 and 2 more"},
		},
		"countries": {
			list: restriction.List{{GeoIPAllow: []string{"de"}}, {GeoIPDisallow: []string{"FR", "us"}}},
			want: map[string]string{"From where": "Only from the country DE or countries other than FR, US"},
		},
		"the holder manages": {
			caps: "AT create_mytoken manage_mytokens:list manage_mytokens:revoke settings:grants",
			want: map[string]string{
				"How often": "Access tokens without limit; other uses without limit", "Further tokens": "It can make further mytokens, which can do no more than it",
				"Your other tokens": "! It can list and revoke all of your mytokens", "Your settings": "! It can change them, or some of them",
			},
		},
		"a whole branch": {
			caps: "manage_mytokens read@settings",
			want: map[string]string{
				"How often":         "Other uses without limit",
				"Your other tokens": "! It can manage all of your mytokens: see and revoke them, and read their history", "Your settings": "It can read them, or some of them",
			},
		},
		"an unknown capability": {caps: "AT manage_everything", want: map[string]string{"Your other tokens": "It can neither see nor revoke them"}},
		"what is left": {
			caps: "AT tokeninfo", list: restriction.List{{UsagesAT: four, UsagesOther: three}}, counters: []mytoken.Counter{{ATUsed: 3, ATLeft: 1, OtherUsed: 1, OtherLeft: 2}},
			want: map[string]string{"How often": "1 access token left; 2 other uses left"},
		},
		"more than fits": {
			list: restriction.List{{UsagesAT: restriction.Usages(math.MaxInt64)}, {UsagesAT: three, Scopes: []string{"a"}}}, want: map[string]string{"How often": "In some cases access tokens without limit"},
		},
		"rotation prolongs": {
			rotation: &mytoken.Rotation{OnAT: true, Lifetime: 7 * 86400},
			want:     map[string]string{"When": "! Without an end, as long as your login lasts. It ends earlier if it is not used for 7 days"},
		},
		"a fixed lifetime":   {rotation: &mytoken.Rotation{Lifetime: 5400}, want: map[string]string{"When": "Until " + stamp(90*time.Minute) + " (1 hour 30 minutes)"}},
		"the end of a token": {expires: 3 * time.Hour, want: map[string]string{"When": "Until " + stamp(3*time.Hour) + " (3 hours)"}},
		"beyond all years":   {list: restriction.List{{Expires: 1 << 40}}, want: map[string]string{"When": "! Without an end, as long as your login lasts"}},
	} {
		p.cfg.Issuer = service.Issuer
		if name == "countries" {
			config := service.Config
			config.Restrictions.PrivateCountry = "DE"
			i, err := issuer.New(config)
			require.NoError(t, err)
			defer func() { require.NoError(t, i.Close(t.Context())) }()
			p.cfg.Issuer = i
		}
		caps := capability.Set{capability.AT}
		if c.caps != "" {
			caps = nil
			for _, each := range strings.Fields(c.caps) {
				caps = append(caps, capability.Capability(each))
			}
		}
		s := subject{Properties: mytoken.Properties{Capabilities: caps, Restrictions: c.list, Rotation: c.rotation}, counters: c.counters}
		if c.expires != 0 {
			s.expires = now.Add(c.expires)
		}
		got := texts(p.summary(s))
		for label, want := range c.want {
			assert.Equal(t, want, got[label], "%s: %s", name, label)
		}
		if c.want["Your settings"] == "" {
			assert.NotContains(t, got, "Your settings", name)
		}
	}
}

// TestSummaryNeverUnderstates: whatever a token admits is within what its summary says.
func TestSummaryNeverUnderstates(t *testing.T) {
	p, service := newPages(t, mytokentest.Options{})
	now := service.Clock.Now()
	clauses := rapid.Custom(func(t *rapid.T) restriction.Clause {
		c := restriction.Clause{Scopes: []string{"a"}}
		if rapid.Bool().Draw(t, "nbf") {
			c.NotBefore = now.Unix() + rapid.Int64Range(-5, 20).Draw(t, "from")
		}
		if rapid.Bool().Draw(t, "exp") {
			c.Expires = now.Unix() + rapid.Int64Range(-5, 20).Draw(t, "until")
		}
		if rapid.Bool().Draw(t, "limited") {
			c.UsagesAT = restriction.Usages(rapid.Int64Range(0, 4).Draw(t, "uses"))
		}
		if rapid.Bool().Draw(t, "bound") {
			c.Hosts = rapid.SliceOfN(rapid.SampledFrom([]string{"192.0.2.1", "192.0.2.0/24", "0.0.0.0/0", "::/0", "name.example"}), 1, 3).Draw(t, "hosts")
		}
		return c
	})
	rapid.Check(t, func(t *rapid.T) {
		list := restriction.List(rapid.SliceOfN(clauses, 0, 4).Draw(t, "list"))
		policy, err := restriction.Compile(list, service.Issuer.RestrictionOptions())
		require.NoError(t, err)
		facts := p.summary(subject{Properties: mytoken.Properties{Capabilities: capability.Set{capability.AT}, Restrictions: list}})
		said := texts(facts)
		when := facts[0]
		used := make(map[int]bool)
		for second := int64(0); second <= 25; second++ {
			for _, address := range []string{"192.0.2.1", "203.0.113.9", "2001:db8::1"} {
				r := &restriction.Request{Now: now.Add(time.Duration(second) * time.Second), Kind: restriction.AT, Address: netip.MustParseAddr(address)}
				for n := range max(len(list), 1) { // each clause on its own
					alone, index := policy, restriction.NoClause
					if len(list) > 0 {
						alone, err = restriction.Compile(list[n:n+1], service.Issuer.RestrictionOptions())
						require.NoError(t, err)
						index = n
					}
					d := alone.Evaluate(r)
					if !d.Admitted() {
						continue
					}
					used[index] = true
					last := when.Lines[0].Time
					if !strings.Contains(said["When"], "ithout an end") && last.Before(r.Now) {
						t.Fatalf("%v is admitted at %v: %q", list, r.Now, said["When"])
					}
					if address == "203.0.113.9" && !strings.Contains(said["From where"], "anywhere") && !strings.Contains(said["From where"], "any IPv4 address") {
						t.Fatalf("%v is admitted from %s: %q", list, address, said["From where"])
					}
				}
			}
		}
		var total int64
		for n := range used {
			if n == restriction.NoClause || list[n].UsagesAT == nil {
				total = math.MaxInt64
				break
			}
			total += *list[n].UsagesAT
		}
		switch often := said["How often"]; {
		case strings.Contains(often, "without limit"):
		case total == 0:
		default:
			number := strings.Fields(strings.TrimPrefix(often, "At most "))[0]
			most, err := strconv.ParseInt(number, 10, 64)
			if err != nil || most < total {
				t.Fatalf("%v admits %d: %q", list, total, often)
			}
		}
	})
}

// TestDurations: durations are words.
func TestDurations(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 seconds", time.Second: "1 second", 90 * time.Minute: "1 hour 30 minutes", 168 * time.Hour: "7 days",
		25*time.Hour + time.Minute + 2*time.Second: "1 day 1 hour 1 minute 2 seconds", 36 * time.Hour: "1 day 12 hours",
	} {
		assert.Equal(t, want, lifetimeWords(d))
	}
	for d, want := range map[time.Duration]string{
		30*24*time.Hour - 10*time.Second: "30 days", 8*24*time.Hour + 3*time.Hour + 5*time.Minute: "8 days 3 hours",
		time.Hour - time.Second: "1 hour", 90 * time.Second: "1 minute 30 seconds",
	} {
		assert.Equal(t, want, aboutWords(d), fmt.Sprint(d))
	}
}
