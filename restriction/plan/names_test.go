package plan_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/mytoken-go/sdk/restriction/forecast"
	"github.com/mytoken-go/sdk/restriction/plan"
)

// worldName is a host name whose address nobody knows beforehand. worldAnswers are the
// addresses that the DNS may answer. They lack some addresses, so that names and
// addresses never make up a whole network.
const worldName = "node.example.org"

var worldAnswers = [][]string{
	{"192.0.2.1"}, {"192.0.2.2"}, {"198.51.100.1"}, {"192.0.2.1", "192.0.2.2"}, {"192.0.2.1", "198.51.100.1"},
}

// TestBreaksWhateverTheNamesAre draws plans and tokens with a host name, and plays every
// run with each address that it may have. A verdict of Carries or Breaks must be right
// with every address.
//
// proves P10
func TestBreaksWhateverTheNamesAre(t *testing.T) {
	var seen [3]int
	mixed := 0
	rapid.Check(t, func(t *rapid.T) {
		p := drawPlan(t, 2, 2)
		token := drawToken(t, p)
		token.Capabilities, token.Elsewhere = nil, true
		for i := range p.Phases {
			p.Phases[i].Capabilities = nil
			drawName(t, &p.Phases[i].Hosts)
		}
		for i := range token.Restrictions {
			drawName(t, &token.Restrictions[i].Hosts)
		}
		v := preflight(t, p, token)
		seen[v.Answer]++
		refused := 0
		for _, addresses := range worldAnswers {
			known, list := plan.Plan{Phases: slices.Clone(p.Phases)}, token.Restrictions.Clone()
			for i := range known.Phases {
				known.Phases[i].Hosts = answered(known.Phases[i].Hosts, addresses)
			}
			for i := range list {
				list[i].Hosts = answered(list[i].Hosts, addresses)
			}
			_, found := firstRefusal(t, known, forecast.Token{Restrictions: list, Used: token.Used})
			if found {
				refused++
			}
			if found && v.Answer == plan.Carries || !found && v.Answer == plan.Breaks {
				t.Fatalf("refused %v if the name is %v: %v\n%s", found, addresses, v, text(token.Restrictions))
			}
		}
		if v.Answer == plan.Perhaps && refused > 0 && refused < len(worldAnswers) {
			mixed++
		}
	})
	assert.GreaterOrEqual(t, min(seen[plan.Perhaps], seen[plan.Carries], seen[plan.Breaks]), 20, "breaks, perhaps, carries: %v", seen)
	assert.GreaterOrEqual(t, mixed, 10, "plans that depend on the name")
}

// drawName adds the name to the entries, or replaces them with it.
func drawName(t *rapid.T, entries *[]string) {
	switch rapid.IntRange(0, 3).Draw(t, "with a name") {
	case 0:
		*entries = []string{worldName}
	case 1:
		if len(*entries) > 0 {
			*entries = append([]string{worldName}, *entries...)
		}
	}
}

// answered replaces the name with its addresses.
func answered(entries, addresses []string) []string {
	var all []string
	for _, entry := range entries {
		if entry == worldName {
			all = append(all, addresses...)
		} else {
			all = append(all, entry)
		}
	}
	return all
}
