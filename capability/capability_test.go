package capability

import (
	"slices"
	"strings"
	"testing"
)

// TestKnown has the names of protocol section 3.1.
func TestKnown(t *testing.T) {
	for _, name := range []Capability{
		"AT", "create_mytoken", "tokeninfo", "tokeninfo:introspect", "tokeninfo:history", "tokeninfo:subtokens",
		"tokeninfo:notify", "manage_mytokens", "manage_mytokens:list", "manage_mytokens:revoke", "manage_mytokens:history",
		"manage_mytokens:notify", "read@manage_mytokens:notify", "settings", "read@settings", "settings:grants",
		"read@settings:grants", "settings:grants:ssh", "read@settings:grants:ssh", "settings:email", "read@settings:email",
		"tokeninfo:tags", "manage_mytokens:tags", "settings:tags", "read@settings:tags",
	} {
		if !name.Known() || !slices.Contains(All(), name) {
			t.Errorf("%s is unknown", name)
		}
	}
	if len(All()) != 25 {
		t.Errorf("%d known names", len(All()))
	}
	for _, name := range []Capability{
		"", "at", "AT ", "tokeninfo:", "tokeninfo:foo", "read@", "read@AT", "read@tokeninfo", "read@read@settings",
		"list_mytokens", "revoke_any_token", "settings:", ":settings", "settings::grants", "@default",
	} {
		if name.Known() {
			t.Errorf("%q is known", name)
		}
	}
}

// TestIncludes has the cases of protocol section 3.2.
func TestIncludes(t *testing.T) {
	for _, test := range []struct {
		have, want Capability
		includes   bool
	}{
		{AT, AT, true},
		{AT, CreateMytoken, false},
		{Tokeninfo, TokeninfoHistory, true},
		{TokeninfoHistory, Tokeninfo, false},
		{TokeninfoHistory, TokeninfoSubtokens, false},
		{Settings, SettingsGrantsSSH, true},
		{Settings, ReadSettingsGrants, true},
		{Settings, ReadSettings, true},
		{SettingsGrants, ReadSettingsGrantsSSH, true},
		{SettingsGrants, ReadSettingsEmail, false},
		{SettingsEmail, ReadSettings, false},
		{ReadSettings, ReadSettings, true},
		{ReadSettings, ReadSettingsGrantsSSH, true},
		{ReadSettings, Settings, false},
		{ReadSettings, SettingsEmail, false},
		{ReadSettingsEmail, SettingsEmail, false},
		{ManageMytokens, ReadManageMytokensNotify, true},
		{ManageMytokensNotify, ReadManageMytokensNotify, true},
		{ReadManageMytokensNotify, ManageMytokensNotify, false},
		{AT, "AT:more", true},
		{AT, "ATmore", false},
		{AT, "at", false},
		{Tokeninfo, "tokeninfo:foo", true},
		{Tokeninfo, "tokeninfo_foo", false},
		// Unknown names grant nothing beyond themselves.
		{"foo", "foo", true},
		{"foo", "foo:bar", false},
		{"foo", "read@foo", false},
		{"tokeninfo:foo", "tokeninfo:foo:bar", false},
		{"read@", "read@settings", false},
		{"read@manage_mytokens", ReadManageMytokensNotify, false},
		{"list_mytokens", ManageMytokensList, false},
		{"", "", false},
		{"", AT, false},
		{Settings, "", false},
	} {
		if got := test.have.Includes(test.want); got != test.includes {
			t.Errorf("%q includes %q: got %v", test.have, test.want, got)
		}
	}
}

// proves P2: the empty set allows nothing.
func TestAllows(t *testing.T) {
	set := Set{"foo", TokeninfoHistory, ReadSettings}
	for c, want := range map[Capability]bool{
		TokeninfoHistory: true, ReadSettingsEmail: true, "foo": true,
		Tokeninfo: false, SettingsEmail: false, AT: false, "": false, "foo:bar": false,
	} {
		if set.Allows(c) != want {
			t.Errorf("%q: got %v", c, !want)
		}
	}
	for _, c := range append(All(), "") {
		if (Set)(nil).Allows(c) || (Set{}).Allows(c) || (Set{""}).Allows(c) {
			t.Errorf("the empty set allows %q", c)
		}
	}
}

// proves P1
func TestWithin(t *testing.T) {
	for _, test := range []struct {
		child, parent string
		want          bool
	}{
		{"", "", true},
		{"", "AT", true},
		{"AT", "", false},
		{"tokeninfo:history AT", "AT tokeninfo", true},
		{"tokeninfo", "tokeninfo:history tokeninfo:introspect", false},
		{"read@settings", "settings", true},
		{"settings", "read@settings", false},
		{"foo", "foo", true},
		{"foo:bar", "foo", false},
	} {
		if got := parse(t, test.child).Within(parse(t, test.parent)); got != test.want {
			t.Errorf("%q within %q: got %v", test.child, test.parent, got)
		}
	}
}

// TestNarrow has the cases of protocol section 3.3.
//
// proves P1
func TestNarrow(t *testing.T) {
	for _, test := range []struct{ parent, wanted, child, dropped string }{
		{"AT tokeninfo", "", "AT tokeninfo", ""},
		{"AT AT", "", "AT", ""},
		{"", "AT", "", "AT"},
		{"AT tokeninfo", "tokeninfo:history AT", "tokeninfo:history AT", ""},
		{"AT tokeninfo:introspect", "tokeninfo AT", "AT", "tokeninfo"}, // dropped, not narrowed
		{"settings", "read@settings:email settings:email read@settings:email", "read@settings:email settings:email", ""},
		{"read@settings", "settings AT settings", "", "settings AT"},
		{"foo AT", "foo foo:bar", "foo", "foo:bar"},
		{"AT", "list_mytokens AT", "AT", "list_mytokens"},
	} {
		parent, wanted := parse(t, test.parent), parse(t, test.wanted)
		child, dropped := Narrow(parent, wanted)
		if child.String() != test.child || dropped.String() != test.dropped {
			t.Errorf("%q of %q: got %q, dropped %q, want %q and %q", test.wanted, test.parent, child, dropped, test.child, test.dropped)
		}
		if !child.Within(parent) {
			t.Errorf("%q of %q: wider than its parent", test.wanted, test.parent)
		}
		for i := range child {
			child[i] = "changed"
		}
		if parent.String() != test.parent || wanted.String() != test.wanted {
			t.Errorf("%q of %q: the result shares memory", test.wanted, test.parent)
		}
	}
}

// TestNothingIsNotNil: what is left empty is never nil, which stands for everything
// where a child is asked for, and nothing wanted is not everything either.
//
// proves P1
func TestNothingIsNotNil(t *testing.T) {
	parent := Set{AT, CreateMytoken}
	for name, wanted := range map[string]Set{"nothing fits": {Settings}, "nothing is wanted": {}} {
		if child, _ := Narrow(parent, wanted); child == nil || len(child) > 0 {
			t.Errorf("%s: got %#v", name, child)
		}
	}
	if got := (Set{}).Dedup(); got == nil {
		t.Error("a copy of the empty set is nil")
	}
	if got := Set(nil).Dedup(); got != nil {
		t.Errorf("a copy of nil is %#v", got)
	}
}

func TestUnknown(t *testing.T) {
	set := Set{"foo", AT, "tokeninfo:foo", "foo", "read@AT", "list_mytokens"}
	if got, want := set.Unknown(), (Set{"foo", "tokeninfo:foo", "read@AT", "list_mytokens"}); !got.Equal(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if All().Unknown() != nil {
		t.Error("a known name is unknown")
	}
	if got := set.Dedup(); got.String() != "foo AT tokeninfo:foo read@AT list_mytokens" {
		t.Errorf("got %v", got)
	}
}

func TestDefault(t *testing.T) {
	set := Default()
	set[0] = "changed"
	if got := Default().String(); got != "AT tokeninfo" {
		t.Errorf("got %s", got)
	}
}

func TestTree(t *testing.T) {
	var names []string
	var walk func(Capability, []Node)
	walk = func(parent Capability, nodes []Node) {
		for _, n := range nodes {
			names = append(names, string(n.Capability))
			if parent != "" && (!parent.Includes(n.Capability) || !strings.HasPrefix(string(n.Capability), string(parent)+":")) {
				t.Errorf("%s is not below %s", n.Capability, parent)
			}
			if n.Description == "" || n.Description != n.Capability.Describe() {
				t.Errorf("%s: %q", n.Capability, n.Description)
			}
			if (n.Read == "") != (n.ReadDescription == "") {
				t.Errorf("%s: %q, %q", n.Capability, n.Read, n.ReadDescription)
			}
			if n.Read != "" && (n.Read != readPrefix+n.Capability || !n.Read.ReadOnly() || n.ReadDescription != n.Read.Describe()) {
				t.Errorf("%s: %q, %q", n.Capability, n.Read, n.ReadDescription)
			}
			walk(n.Capability, n.Children)
		}
	}
	walk("", Tree())
	if len(names) != 19 || len(slices.Compact(slices.Sorted(slices.Values(names)))) != 19 {
		t.Errorf("%d names: %v", len(names), names)
	}
	Tree()[0].Capability = "changed"
	if Tree()[0].Capability != AT {
		t.Error("the tree is shared")
	}
	texts := map[string]Capability{}
	for _, c := range All() {
		text := c.Describe()
		if other, twice := texts[text]; twice || !strings.HasSuffix(text, ".") {
			t.Errorf("%s is described as %s is: %s", c, other, text)
		}
		texts[text] = c
	}
	if _, taken := texts[Capability("foo").Describe()]; taken {
		t.Error("an unknown name is described as a known one is")
	}
}

func parse(t testing.TB, text string) Set {
	t.Helper()
	set, err := ParseString(text)
	if err != nil {
		t.Fatal(err)
	}
	return set
}
