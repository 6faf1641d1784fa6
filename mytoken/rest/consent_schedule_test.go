package rest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestConsentToASchedule: the consent page says in words when the token works, and the user
// narrows it in the same words. The anchor of the request stays.
//
// proves P1
func TestConsentToASchedule(t *testing.T) {
	s := start(t)
	s.Clock.Set(time.Date(2030, time.March, 1, 21, 30, 0, 0, time.UTC)) // a Friday, 22:30 in Berlin
	request := m{"capabilities": []string{"AT", "tokeninfo:introspect"}, "restrictions": []m{
		{"schedule": m{"timezone": "Europe/Berlin", "days": []int{5, 1, 2, 3, 4, 1}, "from": "22:00", "to": "06:00"}, "usages_AT": 9},
		{"scope": "compute", "schedule": m{"every": 2}},
	}}
	const inWords = "Mondays to Fridays from 22:00 to 06:00, Europe/Berlin"
	b := s.browser()
	f, page, polling := b.asked(request)
	for _, want := range []string{
		"Only at these times: " + inWords, `value="` + inWords + `"`, "Only at these times: every 2 days from 2030-03-01, UTC",
	} {
		if !strings.Contains(page.text, want) {
			t.Errorf("%q is not in %s", want, page.text)
		}
	}
	for text, problem := range map[string]string{
		"Mondays to Saturdays from 22:00 to 06:00, Europe/Berlin": "allows more than was asked for",
		"Mondays to Fridays, Europe/Berlin":                       "allows more than was asked for",
		"Fridays from 22:00 to 06:00":                             "allows more than was asked for", // in UTC
		"":                                                        "allows more than was asked for",
		"Fridays from 22:00 to 26:00, Europe/Berlin":              "is not a time from 00:00 to 23:59",
		"Fridays by night, Europe/Berlin":                         "is not understood",
		"Fridays, Europe/Atlantis":                                "is not known here",
	} {
		f.set(t, "clause-1-schedule", text)
		r := b.send(f, "decision", "approve")
		if r.StatusCode != http.StatusBadRequest || !strings.Contains(r.text, `<a href="#clause-1-schedule">`) || !strings.Contains(r.text, problem) {
			t.Errorf("%q: %d %s", text, r.StatusCode, r.text)
		}
	}
	f.set(t, "clause-1-schedule", "Fri 23:00-05:00 Europe/Berlin")
	got := b.agree(f, polling)
	want := `[{"schedule":{"days":[5],"from":"23:00","timezone":"Europe/Berlin","to":"05:00"},"usages_AT":9},{"schedule":{"anchor":"2030-03-01","every":2,"timezone":"UTC"},"scope":"compute"}]`
	if text := encode(t, got["restrictions"]); text != want {
		t.Errorf("%s\nwant\n%s", text, want)
	}

	token := got["mytoken"]
	s.object(s.access(token, m{"scope": "compute"}), 200) // the first of March
	s.refusedBy(s.access(token, m{"scope": "storage.read"}), "schedule", "scope")
	s.Clock.Advance(time.Hour) // 23:30 in Berlin
	s.object(s.access(token, m{"scope": "storage.read"}), 200)
	s.Clock.Advance(2 * time.Hour) // past midnight; 2 March in UTC
	s.object(s.access(token, m{"scope": "compute"}), 200)
	s.Clock.Advance(4 * time.Hour)
	s.refusedBy(s.access(token, m{"scope": "compute"}), "schedule")
}

// TestConsentByJSONKeepsTheAnchor: a decision in JSON that repeats the request as it was
// written, without its anchor, is within the request.
func TestConsentByJSONKeepsTheAnchor(t *testing.T) {
	s := start(t)
	asked := []m{{"schedule": m{"every": 3, "days": []int{0}}}}
	consent, polling := s.startNative(m{"restrictions": asked})
	b := s.browser()
	b.login(b.approve(consent, m{"restrictions": asked}), "alice")
	got := s.object(s.poll(polling), http.StatusOK)
	want := `[{"schedule":{"anchor":"` + s.Clock.Now().UTC().Format("2006-01-02") + `","days":[7],"every":3,"timezone":"UTC"}}]`
	if text := encode(t, got["restrictions"]); text != want {
		t.Errorf("%s\nwant\n%s", text, want)
	}
}
