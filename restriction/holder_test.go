package restriction

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestHolderView: the holder of a token judges by time, words and counters. It takes for
// granted what the issuer alone knows.
func TestHolderView(t *testing.T) {
	list := mustParse(t, `[{"nbf":1,"exp":9,"scope":"a","audience":["b"],"hosts":["192.0.2.1"],"geoip_allow":["DE"],"geoip_disallow":["AT"],"usages_AT":1,"usages_other":2,"x":"y"},
		{"hosts":["192.0.2.1"]}, {"geoip_allow":["DE"]}, {"geoip_disallow":["AT"]}, {"x":1}]`)
	before := list.Clone()
	view := list.HolderView()
	require.Equal(t, mustParse(t, `[{"nbf":1,"exp":9,"scope":"a","audience":["b"],"usages_AT":1,"usages_other":2}, {"nbf":1}, {"nbf":1}, {"nbf":1}, {"nbf":1}]`), view)
	_, err := Compile(view, Options{})
	require.NoError(t, err, "a holder has no resolver and no locator")

	view[0].Scopes[0], view[0].Audiences[0], *view[0].UsagesAT, *view[0].UsagesOther = "z", "z", 7, 7
	require.Equal(t, before, list, "they share no memory")
	require.Empty(t, List(nil).HolderView())
}

// TestIsFinal: waiting helps against nbf and schedules, and perhaps against what is not known
// here. A new key fails this test until somebody has decided.
func TestIsFinal(t *testing.T) {
	want := map[string]bool{
		KeyNotBefore: false, KeyExpires: true, KeyScope: true, KeyAudience: true, KeyHosts: true, KeyIP: true,
		KeyGeoIPAllow: true, KeyGeoIPDisallow: true, KeyUsagesAT: true, KeyUsagesOther: true, KeySchedule: false,
		"x": false, KeyRequest: false, KeyPolicy: false, "": false,
	}
	for key, final := range want {
		require.Equal(t, final, (&Objection{Key: key}).IsFinal(), key)
	}
	for key := range keyNames {
		require.Contains(t, want, key)
	}
}

// TestIsFinalOfFailedLookups: a look-up that failed may succeed later, so its objection is
// not final. An answer of the DNS or of the locator is.
//
// proves P10
func TestIsFinalOfFailedLookups(t *testing.T) {
	list := mustParse(t, `[{"hosts":["a.example.org"]}, {"geoip_allow":["DE"]}, {"geoip_disallow":["FR"]}]`)
	policy := mustCompile(t, list, worldOptions())
	r := Request{Now: epoch, Kind: Other, Address: addr("192.0.2.9")}
	final := func(want ...bool) {
		t.Helper()
		var got []bool
		for _, c := range policy.Explain(&r).Clauses {
			require.Len(t, c.Objections, 1)
			got = append(got, c.Objections[0].IsFinal())
		}
		require.Equal(t, want, got)
	}
	final(false, false, false) // nothing was looked up
	policy.Prepare(t.Context(), &r)
	final(true, true, true)
}
