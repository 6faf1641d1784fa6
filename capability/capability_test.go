package capability

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The package knows the names of protocol section 3.1 and no others.
func TestKnown(t *testing.T) {
	for _, name := range []Capability{
		"AT", "create_mytoken", "tokeninfo", "tokeninfo:introspect", "tokeninfo:history", "tokeninfo:subtokens",
		"tokeninfo:notify", "manage_mytokens", "manage_mytokens:list", "manage_mytokens:revoke", "manage_mytokens:history",
		"manage_mytokens:notify", "read@manage_mytokens:notify", "settings", "read@settings", "settings:grants",
		"read@settings:grants", "settings:grants:ssh", "read@settings:grants:ssh", "settings:email", "read@settings:email",
		"tokeninfo:tags", "manage_mytokens:tags", "settings:tags", "read@settings:tags",
	} {
		assert.True(t, name.Known(), name)
		assert.Contains(t, All(), name)
	}
	assert.Len(t, All(), 25)
	for _, name := range []Capability{
		"", "at", "AT ", "tokeninfo:", "tokeninfo:foo", "read@", "read@AT", "read@tokeninfo", "read@read@settings",
		"list_mytokens", "revoke_any_token", "settings:", ":settings", "settings::grants", "@default",
	} {
		assert.False(t, name.Known(), name)
	}
}

// The cases of protocol section 3.2.
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
		// Unknown names include only themselves.
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
		assert.Equal(t, test.includes, test.have.Includes(test.want), "%q includes %q", test.have, test.want)
	}
}

// A set allows what its names include. The empty set allows nothing.
//
// proves P2
func TestAllows(t *testing.T) {
	set := Set{"foo", TokeninfoHistory, ReadSettings}
	for c, want := range map[Capability]bool{
		TokeninfoHistory: true, ReadSettingsEmail: true, "foo": true,
		Tokeninfo: false, SettingsEmail: false, AT: false, "": false, "foo:bar": false,
	} {
		assert.Equal(t, want, set.Allows(c), c)
	}
	for _, c := range append(All(), "") {
		for _, empty := range []Set{nil, {}, {""}} {
			assert.False(t, empty.Allows(c), "%#v allows %q", empty, c)
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
		assert.Equal(t, test.want, parse(t, test.child).Within(parse(t, test.parent)), "%q within %q", test.child, test.parent)
	}
}

// The cases of protocol section 3.3.
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
		assert.Equal(t, test.child, child.String(), "%q of %q", test.wanted, test.parent)
		assert.Equal(t, test.dropped, dropped.String(), "%q of %q", test.wanted, test.parent)
		assert.True(t, child.Within(parent), "%q of %q", test.wanted, test.parent)
		for i := range child {
			child[i] = "changed"
		}
		assert.Equal(t, test.parent, parent.String(), "the result shares memory")
		assert.Equal(t, test.wanted, wanted.String(), "the result shares memory")
	}
}

// A child without capabilities is an empty set and never nil, because nil asks for
// everything.
//
// proves P1
func TestNothingIsNotNil(t *testing.T) {
	parent := Set{AT, CreateMytoken}
	for name, wanted := range map[string]Set{"nothing fits": {Settings}, "nothing is wanted": {}} {
		child, _ := Narrow(parent, wanted)
		assert.Equal(t, Set{}, child, name)
	}
	assert.Equal(t, Set{}, Set{}.Dedup())
	assert.Equal(t, Set(nil), Set(nil).Dedup())
}

func TestUnknown(t *testing.T) {
	set := Set{"foo", AT, "tokeninfo:foo", "foo", "read@AT", "list_mytokens"}
	assert.Equal(t, Set{"foo", "tokeninfo:foo", "read@AT", "list_mytokens"}, set.Unknown())
	assert.Nil(t, All().Unknown())
	assert.Equal(t, Set{"foo", AT, "tokeninfo:foo", "read@AT", "list_mytokens"}, set.Dedup())
}

func TestDefault(t *testing.T) {
	Default()[0] = "changed"
	assert.Equal(t, Set{AT, Tokeninfo}, Default())
	All()[0] = "changed"
	assert.Equal(t, AT, All()[0])
}

// The tree has every capability once, below its parent, with a text of its own.
func TestTree(t *testing.T) {
	var names []Capability
	var walk func(Capability, []Node)
	walk = func(parent Capability, nodes []Node) {
		for _, n := range nodes {
			names = append(names, n.Capability)
			if parent != "" {
				assert.True(t, parent.Includes(n.Capability), n.Capability)
				assert.True(t, strings.HasPrefix(string(n.Capability), string(parent)+":"), n.Capability)
			}
			assert.Equal(t, n.Capability.Describe(), n.Description)
			assert.Equal(t, n.Read == "", n.ReadDescription == "", n.Capability)
			if n.Read != "" {
				assert.Equal(t, readPrefix+n.Capability, n.Read)
				assert.True(t, n.Read.ReadOnly())
				assert.Equal(t, n.Read.Describe(), n.ReadDescription)
			}
			walk(n.Capability, n.Children)
		}
	}
	walk("", Tree())
	assert.Len(t, names, 19)
	assert.Len(t, slices.Compact(slices.Sorted(slices.Values(names))), 19)
	Tree()[0].Capability = "changed"
	assert.Equal(t, AT, Tree()[0].Capability, "each call returns a new tree")

	texts := map[string]Capability{Capability("foo").Describe(): "foo"}
	for _, c := range All() {
		text := c.Describe()
		assert.True(t, strings.HasSuffix(text, "."), text)
		assert.NotContains(t, texts, text)
		texts[text] = c
	}
}

// No capability that only reads is powerful, and a capability is at least as powerful as
// each of those that it includes.
func TestLevel(t *testing.T) {
	for _, c := range All() {
		if c.ReadOnly() {
			assert.Equal(t, Normal, c.Level(), c)
		}
		for _, below := range All() {
			if c.Includes(below) && c != below {
				assert.GreaterOrEqual(t, c.Level(), below.Level(), "%s includes %s", c, below)
			}
		}
	}
	for c, want := range map[Capability]string{
		AT: "This is a normal capability.", "nonsense": "This is a normal capability.",
		ManageMytokensRevoke: "This is a powerful capability!", Settings: "This is a very powerful capability!",
	} {
		assert.Equal(t, want, c.Level().String(), c)
	}
	assert.Equal(t, "This is a normal capability.", Level(77).String())
}

func parse(t testing.TB, text string) Set {
	t.Helper()
	set, err := ParseString(text)
	require.NoError(t, err)
	return set
}
