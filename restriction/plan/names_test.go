package plan_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
	"github.com/mytoken-go/sdk/restriction/plan"
)

// worldName is a host name of which nobody knows the address beforehand, and
// worldAnswers are what the DNS may say. Two addresses are never among them, so
// that names and addresses together do not make up a network.
const worldName = "node.example.org"

var worldAnswers = [][]string{
	{"192.0.2.1"}, {"192.0.2.2"}, {"198.51.100.1"}, {"192.0.2.1", "192.0.2.2"}, {"192.0.2.1", "198.51.100.1"},
}

// TestBreaksWhateverTheNamesAre draws plans and tokens with a host name, and plays
// every run with each address that it may have: a token that carries the plan
// does so with all of them, one that breaks it breaks it with all of them.
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
		v, err := p.Preflight(token, submitted)
		if err != nil {
			t.Fatal(err)
		}
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
	if seen[plan.Perhaps] < 20 || seen[plan.Carries] < 20 || seen[plan.Breaks] < 20 || mixed < 10 {
		t.Errorf("breaks, perhaps, carries: %v; %d mixed: the test shows little", seen, mixed)
	}
}

// drawName makes the name one of the entries, or the only one.
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

// answered are the entries with the addresses of the name in its place.
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

// TestNamesThatMayBeDrained: whether the first phase takes the uses that the second
// one needs is up to the DNS, and so is the answer, also where there are too many
// uses to try all their orders.
func TestNamesThatMayBeDrained(t *testing.T) {
	for _, n := range []int64{1, 100_000} {
		p := plan.Plan{Phases: []plan.Phase{
			{AccessTokens: n, Scopes: []string{"a"}, Hosts: []string{worldName}}, {AccessTokens: n, Scopes: []string{"b"}, Hosts: []string{"192.0.2.1"}},
		}}
		token := forecast.Token{Elsewhere: true, Restrictions: restriction.List{
			{Hosts: []string{"192.0.2.1"}, Scopes: []string{"a", "b"}, UsagesAT: restriction.Usages(n)},
			{Hosts: []string{worldName}, Scopes: []string{"a"}, UsagesAT: restriction.Usages(n)},
		}}
		v, err := p.Preflight(token, submitted)
		if err != nil || v.Answer != plan.Perhaps {
			t.Errorf("the other phase may drain it of %d: %v, %v", n, v, err)
		}
	}
}

// TestBreaksForCertain: where every answer of what is unknown leads to a refusal,
// the token breaks the plan.
func TestBreaksForCertain(t *testing.T) {
	other := func(uses int64) plan.Plan { return plan.Plan{Phases: []plan.Phase{{OtherUses: uses}}} }
	foreign := func(uses int64) restriction.List {
		return restriction.List{{Extra: []restriction.Extra{{Key: "foreign", Value: []byte("1")}}, UsagesOther: restriction.Usages(uses)}}
	}
	for name, test := range map[string]struct {
		plan plan.Plan
		list restriction.List
		want plan.Answer
	}{
		"two uses of one":           {other(2), foreign(1), plan.Breaks},
		"two uses of two":           {other(2), foreign(2), plan.Perhaps},
		"any number of three":       {other(plan.AnyNumber), foreign(3), plan.Breaks},
		"any number, elsewhere":     {other(plan.AnyNumber), append(foreign(3), restriction.Clause{UsagesAT: restriction.Usages(0)}), plan.Carries},
		"three uses of two and one": {other(3), append(foreign(2), restriction.Clause{UsagesOther: restriction.Usages(1)}), plan.Perhaps},
		"four uses of two and one":  {other(4), append(foreign(2), restriction.Clause{UsagesOther: restriction.Usages(1)}), plan.Breaks},
		"any audience of one": {
			plan.Plan{Phases: []plan.Phase{{Scopes: []string{"a"}, AccessTokens: 1}}}, restriction.List{{Audiences: []string{"x"}}}, plan.Breaks,
		},
	} {
		v, err := test.plan.Preflight(forecast.Token{Restrictions: test.list, Elsewhere: true}, submitted)
		if err != nil || v.Answer != test.want {
			t.Errorf("%s: %v, %v", name, v, err)
		}
	}
}
