package restriction

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestD9_ClauseIsSent has the rows of protocol section 2.7. The reference server forgets
// the audience of the clause.
func TestD9_ClauseIsSent(t *testing.T) {
	clause := &Clause{Scopes: []string{"a", "b"}, Audiences: []string{"x"}}
	fallback := Access{Scopes: []string{"openid", "all"}}
	for name, test := range map[string]struct {
		clause    *Clause
		requested Access
		want      Access
	}{
		"requested":                {clause, Access{[]string{"a"}, []string{"x"}}, Access{[]string{"a"}, []string{"x"}}},
		"the clause's":             {clause, Access{}, Access{[]string{"a", "b"}, []string{"x"}}},
		"requested and clause's":   {clause, Access{Scopes: []string{"b"}}, Access{[]string{"b"}, []string{"x"}}},
		"default":                  {&Clause{Expires: 5}, Access{}, fallback},
		"unrestricted, nothing":    {nil, Access{}, fallback},
		"unrestricted, requested":  {nil, Access{[]string{"openid"}, []string{"y"}}, Access{[]string{"openid"}, []string{"y"}}},
		"an empty list is nothing": {nil, Access{[]string{}, []string{}}, fallback},
	} {
		got := Ask(test.clause, test.requested, fallback)
		if !slices.Equal(got.Scopes, test.want.Scopes) || !slices.Equal(got.Audiences, test.want.Audiences) {
			t.Errorf("%s: got %+v, want %+v", name, got, test.want)
		}
		for i := range got.Scopes {
			got.Scopes[i] = "changed"
		}
	}
	if clause.Scopes[0] != "a" || fallback.Scopes[0] != "openid" {
		t.Error("the result shares memory (D59)")
	}
}

// TestD10_RequestIsHonoured shows that a request counts, also for unrestricted tokens.
func TestD10_RequestIsHonoured(t *testing.T) {
	for _, clause := range []*Clause{nil, {Expires: 5}} {
		got := Ask(clause, Access{Scopes: []string{"openid"}, Audiences: []string{"x"}}, Access{Scopes: []string{"all"}, Audiences: []string{"y"}})
		if !slices.Equal(got.Scopes, []string{"openid"}) || !slices.Equal(got.Audiences, []string{"x"}) {
			t.Errorf("%+v: got %+v", clause, got)
		}
	}
}

// TestD14_BroaderAnswersAreRefused compares answers of providers with the clause that
// admitted the use.
//
// proves P1
func TestD14_BroaderAnswersAreRefused(t *testing.T) {
	clause := &Clause{Scopes: []string{"a", "b"}, Audiences: []string{"x"}}
	asked := Access{Scopes: []string{"a"}, Audiences: []string{"x"}}
	for name, test := range map[string]struct {
		clause        *Clause
		asked, answer Access
		scopes        []string
		audiences     []string
		unstated      []string
	}{
		"as asked":               {clause: clause, asked: asked, answer: asked},
		"nothing said":           {clause: clause, asked: asked},
		"nothing granted":        {clause: clause, asked: asked, answer: Access{[]string{}, []string{}}},
		"inside the clause":      {clause: clause, asked: asked, answer: Access{Scopes: []string{"b"}}},
		"another scope":          {clause: clause, asked: asked, answer: Access{Scopes: []string{"a", "admin"}}, scopes: []string{"admin"}},
		"another audience":       {clause: clause, asked: asked, answer: Access{Audiences: []string{"x", "y"}}, audiences: []string{"y"}},
		"both":                   {clause: clause, asked: asked, answer: Access{[]string{"c"}, []string{"y"}}, scopes: []string{"c"}, audiences: []string{"y"}},
		"neither asked nor said": {clause: clause, unstated: []string{KeyScope, KeyAudience}},
		"no lists":               {clause: &Clause{Expires: 5}, answer: Access{[]string{"c"}, []string{"y"}}},
		"unrestricted":           {asked: asked, answer: Access{[]string{"c"}, []string{"y"}}},
		"a list of nothing":      {clause: &Clause{Scopes: []string{}}, answer: Access{Scopes: []string{"c"}}, scopes: []string{"c"}},
	} {
		err := CheckAnswer(test.clause, test.asked, test.answer)
		if test.scopes == nil && test.audiences == nil && test.unstated == nil {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		var broader *BroaderError
		if !errors.Is(err, ErrBroader) || !errors.As(err, &broader) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !slices.Equal(broader.Scopes, test.scopes) || !slices.Equal(broader.Audiences, test.audiences) || !slices.Equal(broader.Unstated, test.unstated) {
			t.Errorf("%s: %+v", name, broader)
		}
	}
	err := CheckAnswer(clause, asked, Access{[]string{"c", "d\n"}, []string{"y"}})
	if got, want := err.Error(), `restriction: access beyond the clause: scopes c "d\n"; audiences y`; got != want {
		t.Errorf("got %s", got)
	}
}

// TestD11_EmptiedListsDropTheirClause shows that an emptied list never reads as no
// restriction.
//
// proves P1
func TestD11_EmptiedListsDropTheirClause(t *testing.T) {
	list := mustParse(t, `[{"scope":"a b","exp":9},{"scope":"c"},{"audience":["x","y"]},{"audience":["z"],"scope":"a"},{"exp":5}]`)
	kept, dropped, err := list.Granted(Access{Scopes: []string{"b", "a"}, Audiences: []string{"y"}})
	require.NoError(t, err)
	assert.Equal(t, `[{"exp":9,"scope":"a b"},{"audience":["y"]},{"exp":5}]`, mustEncode(t, kept))
	if want := []DroppedClause{{1, KeyScope}, {3, KeyAudience}}; !slices.Equal(dropped, want) {
		t.Errorf("dropped %v, want %v", dropped, want)
	}
	if mustEncode(t, list[:1]) != `[{"exp":9,"scope":"a b"}]` {
		t.Error("the list was changed")
	}

	for _, granted := range []Access{{Scopes: []string{"none"}}, {Scopes: []string{}}, {Audiences: []string{"none"}}} {
		list := mustParse(t, `[{"scope":"a","audience":["x"]},{"scope":"b","audience":["x"]}]`)
		kept, dropped, err := list.Granted(granted)
		if !errors.Is(err, ErrNothingLeft) || kept != nil || len(dropped) != 2 {
			t.Errorf("%+v: %v, %v, %v", granted, kept, dropped, err)
		}
	}
	if kept, dropped, err := list.Granted(Access{}); err != nil || len(dropped) != 0 || !kept.Equal(list) {
		t.Errorf("an answer that says nothing: %v, %v, %v", kept, dropped, err)
	}
	if kept, dropped, err := (List)(nil).Granted(Access{Scopes: []string{}}); err != nil || kept != nil || dropped != nil {
		t.Errorf("an unrestricted token: %v, %v, %v", kept, dropped, err)
	}
}

// TestD12_Unions collects the scopes and audiences of all clauses.
func TestD12_Unions(t *testing.T) {
	for _, test := range []struct {
		text     string
		scopes   []string
		bounded  bool
		audience []string
		limited  bool
	}{
		{`[]`, nil, false, nil, false},
		{`[{"scope":"b a"},{"scope":"a c"}]`, []string{"b", "a", "c"}, true, nil, false},
		{`[{"scope":"b a"},{"exp":5}]`, nil, false, nil, false},
		{`[{"audience":["x"]},{"audience":["y","x"],"scope":"a"}]`, nil, false, []string{"x", "y"}, true},
	} {
		list := mustParse(t, test.text)
		if scopes, bounded := list.ScopeUnion(); !slices.Equal(scopes, test.scopes) || bounded != test.bounded {
			t.Errorf("%s: scopes %v, %v", test.text, scopes, bounded)
		}
		if audiences, bounded := list.AudienceUnion(); !slices.Equal(audiences, test.audience) || bounded != test.limited {
			t.Errorf("%s: audiences %v, %v", test.text, audiences, bounded)
		}
	}
}

// TestBounds has the rules of protocol section 1.4.
func TestBounds(t *testing.T) {
	now := time.Unix(100, 999)
	for _, test := range []struct {
		text     string
		nbf, exp int64
	}{
		{`[]`, 100, 0},
		{`[{"exp":200}]`, 100, 200},
		{`[{"exp":200},{"exp":300},{"exp":250}]`, 100, 300},
		{`[{"exp":200},{"scope":"a"}]`, 100, 0},
		{`[{"scope":"a"},{"exp":200}]`, 100, 0},
		{`[{"nbf":150}]`, 150, 0},
		{`[{"nbf":150},{"nbf":120,"exp":130}]`, 120, 0},
		{`[{"nbf":150},{"nbf":50}]`, 100, 0},
		{`[{"nbf":150},{"exp":200}]`, 100, 0},
		{`[{"nbf":150,"exp":160},{"nbf":170,"exp":180}]`, 150, 180},
	} {
		if nbf, exp := mustParse(t, test.text).Bounds(now); nbf != test.nbf || exp != test.exp {
			t.Errorf("%s: got %d, %d, want %d, %d", test.text, nbf, exp, test.nbf, test.exp)
		}
	}
}

// TestLimitLifetime has the rules of protocol section 2.8.
func TestLimitLifetime(t *testing.T) {
	now := time.Unix(100, 0)
	for _, test := range []struct {
		text, want string
		changed    bool
	}{
		{`[]`, `[{"exp":150}]`, true},
		{`[{"exp":120}]`, `[{"exp":120}]`, false},
		{`[{"exp":150}]`, `[{"exp":150}]`, false},
		{`[{"exp":151}]`, `[{"exp":150}]`, true},
		{`[{"scope":"a"},{"exp":120}]`, `[{"exp":150,"scope":"a"},{"exp":120}]`, true},
		{`[{"nbf":150}]`, `[{"nbf":150,"exp":150}]`, true},
		{`[{"nbf":151,"exp":200},{"scope":"a","exp":1}]`, `[{"exp":1,"scope":"a"}]`, true},
	} {
		list := mustParse(t, test.text)
		limited, changed, err := list.LimitLifetime(now, 50*time.Second)
		if err != nil || changed != test.changed || mustEncode(t, limited) != test.want {
			t.Errorf("%s: got %v, %v, %v", test.text, limited, changed, err)
		}
		if !list.Equal(mustParse(t, test.text)) {
			t.Errorf("%s was changed", test.text)
		}
	}
	if limited, _, err := mustParse(t, `[{"nbf":151}]`).LimitLifetime(now, 50*time.Second); !errors.Is(err, ErrNothingLeft) || limited != nil {
		t.Errorf("got %v, %v", limited, err)
	} else if want := "no clause is left: each begins after 1970-01-01T00:02:30Z, when the longest lifetime ends"; Reason(err) != want {
		t.Errorf("the reason is %q, want %q", Reason(err), want)
	}
	if limited, changed, err := mustParse(t, `[{"scope":"a"}]`).LimitLifetime(now, 0); err != nil || changed || mustEncode(t, limited) != `[{"scope":"a"}]` {
		t.Errorf("no limit: %v, %v, %v", limited, changed, err)
	}
}

// TestD22_LifetimeAfterNarrowing limits the lifetime of a child that asks for nothing.
// Its parent has scopes. The child is not refused.
func TestD22_LifetimeAfterNarrowing(t *testing.T) {
	now := time.Unix(100, 0)
	parent := mustParse(t, `[{"scope":"a"},{"nbf":500,"scope":"b"},{"scope":"c","exp":120}]`)
	n := Narrow(parent, nil, NarrowOptions{})
	limited, changed, err := n.LimitLifetime(now, 50*time.Second)
	if err != nil || !changed || !limited.OK() || !limited.Inherited {
		t.Fatalf("got %+v, %v, %v", limited, changed, err)
	}
	assert.Equal(t, `[{"exp":150,"scope":"a"},{"exp":120,"scope":"c"}]`, mustEncode(t, limited.List))
	if !slices.Equal(limited.Draws, []int{0, 2}) {
		t.Errorf("draws on %v", limited.Draws)
	}
	if !Within(limited.List, parent, nil) {
		t.Error("not within the parent")
	}
	unrestricted := Narrow(nil, nil, NarrowOptions{})
	limited, _, err = unrestricted.LimitLifetime(now, 50*time.Second)
	if err != nil || mustEncode(t, limited.List) != `[{"exp":150}]` || !slices.Equal(limited.Draws, []int{NoClause}) {
		t.Errorf("got %+v, %v", limited, err)
	}
	same, changed, err := n.LimitLifetime(now, 0)
	if err != nil || changed || !same.List.Equal(parent) || !slices.Equal(same.Draws, n.Draws) {
		t.Errorf("got %+v, %v, %v", same, changed, err)
	}
}
