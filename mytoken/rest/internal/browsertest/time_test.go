package browsertest

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
)

// TestLocalTimes: pages say UTC, and a browser elsewhere adds its own time. It names the
// day where that is another one. On either side of the date line, one always is. Without
// scripts, and in a browser whose clock shows UTC, the pages say UTC alone.
func TestLocalTimes(t *testing.T) {
	for zone, scripts := range map[string]bool{
		"UTC": true, "Asia/Kolkata": true, "Pacific/Kiritimati": true, "Pacific/Pago_Pago": true, "Europe/Berlin": false,
	} {
		t.Run(zone, func(t *testing.T) {
			s := start(t)
			s.give(mytoken.Properties{Name: "job", Capabilities: capability.Set{capability.AT}})
			b := open(t, phone, "about:blank")
			_, err := chromedp.Call(b.ctx, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: zone})
			require.NoError(t, err)
			_, err = chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !scripts})
			require.NoError(t, err)
			b.do(chromedp.Navigate(s.URL + "/manage"))
			b.press("#provider-0", "/manage", "form.search")
			b.look("times-" + strings.ToLower(strings.ReplaceAll(zone, "/", "-")))

			here, err := time.LoadLocation(zone)
			require.NoError(t, err)
			at := s.Clock.Now().UTC()
			want := at.Format("2 January 2006 15:04 UTC")
			switch there := at.In(here); {
			case !scripts || zone == "UTC":
			case there.Day() != at.Day():
				want += there.Format(" (2 January 2006 15:04 your time)")
			default:
				want += there.Format(" (15:04 your time)")
			}
			got := eval[[]string](b, `[...document.querySelectorAll("time")].map((e) => e.dateTime + " " + e.textContent)`)
			require.NotEmpty(t, got)
			assert.Contains(t, got, at.Format("2006-01-02T15:04:05Z ")+want)
		})
	}
}

// TestTimelineIsReadable: the texts of a timeline are large enough on every window, stand
// above their bars, and stay within the drawing. Assistive software gets the sentences.
func TestTimelineIsReadable(t *testing.T) {
	eachView(t, func(t *testing.T, v view) {
		s := start(t)
		now := s.Clock.Now()
		s.give(mytoken.Properties{Name: "job", Capabilities: capability.Set{capability.AT}, Restrictions: restriction.List{
			{Expires: now.Add(time.Hour).Unix(), Scopes: []string{"openid", "compute", "storage.read", "storage.write"}, UsagesAT: restriction.Usages(50)},
			{NotBefore: now.Add(24 * time.Hour).Unix(), Expires: now.Add(400 * 24 * time.Hour).Unix(), UsagesAT: restriction.Usages(1000), UsagesOther: restriction.Usages(1000)},
		}})
		b := manage(t, v, s)
		b.leave(chromedp.Click(chromedp.JSPath(`[...document.querySelectorAll("a.token-name")].find((a) => a.textContent === "job")`)), eval[string](b,
			`new URL([...document.querySelectorAll("a.token-name")].find((a) => a.textContent === "job").href).pathname`), "svg.forecast")
		b.look("timeline")
		for _, width := range []int64{v.width, narrow} {
			b.resize(width)
			require.Empty(t, eval[[]string](b, `(() => {
				const problems = []
				const svg = document.querySelector("svg.forecast"), room = svg.getBoundingClientRect()
				for (const text of svg.querySelectorAll("text")) {
					const box = text.getBoundingClientRect()
					const size = parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a
					if (size < 12) problems.push(text.textContent + ": only " + size + " pixels high")
					if (box.left < room.left - 1 || box.right > room.right + 1) problems.push(text.textContent + ": sticks out")
					const bar = text.parentElement.querySelector("rect")
					if (bar && box.bottom > bar.getBoundingClientRect().top) problems.push(text.textContent + ": covers its bar")
				}
				const labels = [...svg.querySelectorAll(".axis text:not(.zone)")].map((e) => e.getBoundingClientRect())
				labels.sort((a, b) => a.left - b.left)
				for (let i = 1; i < labels.length; i++) if (labels[i].left < labels[i-1].right) problems.push("labels of the axis overlap")
				if (svg.querySelectorAll("rect").length < 3 || labels.length < 2) problems.push("too few bars or labels")
				return problems
			})()`), "%d wide", width)
		}
		b.resize(v.width)
		name, description := b.drawing()
		require.Contains(t, name, "What the token admits, "+now.UTC().Format("2 January 2006"))
		for _, want := range []string{"Case 1: ", "Case 2: ", "storage.write", "1000 access tokens left", "Nothing is admitted between"} {
			require.Contains(t, description, want)
		}
	})
}

// drawing returns what assistive software says of the drawing.
func (b *tab) drawing() (name, description string) {
	b.t.Helper()
	tree, err := chromedp.Call(b.ctx, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	require.NoError(b.t, err)
	for _, n := range tree.Nodes {
		if !n.Ignored && axText(n.Role) == "image" {
			return axText(n.Name), axText(n.Description)
		}
	}
	require.Fail(b.t, "no drawing")
	return "", ""
}
