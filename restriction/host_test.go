package restriction

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestD18_Hosts shows that blocks are normalised, /0 works, names are compared in lower
// case, a pattern needs "*.", and malformed entries are an error.
func TestD18_Hosts(t *testing.T) {
	for entry, want := range map[string]string{
		"192.0.2.1":                     "192.0.2.1/32",
		"::ffff:192.0.2.1":              "192.0.2.1/32",
		"192.0.2.1/24":                  "192.0.2.0/24",
		"0.0.0.0/0":                     "0.0.0.0/0",
		"::/0":                          "::/0",
		"::ffff:192.0.2.0/120":          "192.0.2.0/24",
		"::ffff:0:0/96":                 "0.0.0.0/0",
		"2001:DB8::1":                   "2001:db8::1/128",
		"2001:db8::1/64":                "2001:db8::/64",
		"Example.ORG":                   "example.org",
		"example.org.":                  "example.org",
		"localhost":                     "localhost",
		"*.Example.org.":                ".example.org",
		"*.org":                         ".org",
		"_x.a-b.c1":                     "_x.a-b.c1",
		strings.Repeat("a.", 126) + "b": strings.Repeat("a.", 126) + "b",
	} {
		h, err := parseHost(entry)
		got := h.name
		if !h.isName() {
			got = h.block.String()
		}
		if err != nil || got != want {
			t.Errorf("%q: got %s, %v, want %s", entry, got, err, want)
		}
	}
	for _, entry := range []string{
		"", " ", ".", "*", "*.", "*x", "*example.org", "**.a", "*.*.a", "a.*", "*..a", "a..b", ".a", "a b", "a\n",
		"192.0.2.1/33", "192.0.2.1/", "/24", "192.0.2.0/24/24", "a/24", "192.0.2", "192.0.2.256", "192.0.2.01", "1", "0x7f.1.2.3.4",
		"fe80::1%eth0", "fe80::%eth0/64", "[::1]", "::1::", "ä.example.org", "this", "This",
		strings.Repeat("a", 64) + ".org", strings.Repeat("a.", 127) + "b",
	} {
		if h, err := parseHost(entry); err == nil || !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: read as %v, %v", entry, h, err)
		}
		if err := (List{{Hosts: []string{entry}}}).Validate(); err == nil {
			t.Errorf("%q: valid", entry)
		}
	}
}

// TestHostMatching has a row for each kind of entry of protocol section 2.3.
func TestHostMatching(t *testing.T) {
	for _, test := range []struct {
		entry, address string
		want           bool
	}{
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"::ffff:192.0.2.1", "192.0.2.1", true},
		{"192.0.2.0/24", "192.0.2.255", true},
		{"192.0.2.0/24", "192.0.3.0", false},
		{"192.0.2.77/24", "192.0.2.1", true},
		{"0.0.0.0/0", "203.0.113.9", true},
		{"0.0.0.0/0", "2001:db8::1", false},
		{"::/0", "2001:db8::1", true},
		{"::/0", "203.0.113.9", false},
		{"::/0", "::ffff:203.0.113.9", false},
		{"fe80::/10", "fe80::1%eth0", true},
		{"2001:db8::/32", "2001:db8:ffff::1", true},
		{"example.org", "192.0.2.1", false}, // no look-up was made
	} {
		policy := mustCompile(t, List{{Hosts: []string{test.entry}}}, Options{})
		d := policy.Evaluate(&Request{Now: epoch, Kind: Uncounted, Address: addr(test.address)})
		if d.Admitted() != test.want {
			t.Errorf("%s, %s: got %v", test.entry, test.address, d.Admitted())
		}
	}
	policy := mustCompile(t, List{{Hosts: []string{"0.0.0.0/0", "::/0"}}}, Options{})
	if d := policy.Evaluate(&Request{Now: epoch, Kind: Uncounted}); d.Admitted() {
		t.Error("a request without an address is admitted")
	}
}

// TestHostNameMatching compares names with names and patterns.
func TestHostNameMatching(t *testing.T) {
	for _, test := range []struct {
		entry, name string
		want        bool
	}{
		{"a.example.org", "a.example.org", true},
		{"A.Example.org.", "a.example.org", true},
		{"a.example.org", "b.a.example.org", false},
		{"*.example.org", "a.example.org", true},
		{"*.example.org", "b.a.example.org", true},
		{"*.example.org", "example.org", false},
		{"*.example.org", "badexample.org", false},
		{"192.0.2.1", "a", false},
	} {
		h, err := parseHost(test.entry)
		require.NoError(t, err)
		if got := h.matchesName(test.name); got != test.want {
			t.Errorf("%s, %s: got %v", test.entry, test.name, got)
		}
	}
	if (host{}).matchesName("") {
		t.Error("the zero host matches")
	}
}

// TestHostCovers shows which entry covers which, in both functions that compare them.
func TestHostCovers(t *testing.T) {
	for _, test := range []struct {
		parent, child string
		want          bool
	}{
		{"192.0.2.0/24", "192.0.2.0/24", true},
		{"192.0.2.0/24", "192.0.2.0/25", true},
		{"192.0.2.0/24", "192.0.2.9", true},
		{"192.0.2.0/25", "192.0.2.0/24", false},
		{"192.0.2.9", "192.0.2.9", true},
		{"0.0.0.0/0", "192.0.2.0/24", true},
		{"::/0", "192.0.2.0/24", false},
		{"::/0", "::ffff:192.0.2.9", false},
		{"192.0.2.9", "::ffff:192.0.2.9", true},
		{"example.org", "Example.org.", true},
		{"*.example.org", "a.example.org", true},
		{"*.example.org", "*.a.example.org", true},
		{"*.example.org", "*.example.org", true},
		{"*.example.org", "example.org", false},
		{"*.a.example.org", "*.example.org", false},
		{"a.example.org", "*.example.org", false},
		{"example.org", "192.0.2.9", false},
		{"*.example.org", "192.0.2.9", false},
		{"0.0.0.0/0", "example.org", false},
	} {
		parent, err := parseHost(test.parent)
		require.NoError(t, err)
		child, err := parseHost(test.child)
		require.NoError(t, err)
		got := parent.coversName(child)
		if parent.block.IsValid() && child.block.IsValid() {
			inner, outer := newBlock(child.block), newBlock(parent.block)
			got = inner.within(&outer)
		}
		if got != test.want {
			t.Errorf("%s covers %s: got %v", test.parent, test.child, got)
		}
		list := func(entry string) List { return List{{Hosts: []string{entry}}} }
		if Within(list(test.child), list(test.parent), nil) != test.want {
			t.Errorf("%s within %s: got %v", test.child, test.parent, !test.want)
		}
	}
}
