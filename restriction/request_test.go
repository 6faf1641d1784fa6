package restriction

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"
	_ "time/tzdata" // zones, on whatever machine

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestRequestTimes has a row for each form of protocol section 2.2.
func TestRequestTimes(t *testing.T) {
	now := time.Date(2026, 3, 1, 10, 0, 0, 900_000_000, time.UTC)
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	const day = 24 * 60 * 60
	for _, test := range []struct {
		value string
		want  int64 // 0 = refused
	}{
		{`1900000000`, 1900000000},
		{`"1900000000"`, 1900000000},
		{`"+90"`, now.Unix() + 90},
		{`"+0"`, now.Unix()},
		{`"+1d12h"`, now.Unix() + day + day/2},
		{`"+12h1d"`, now.Unix() + day + day/2},
		{`"+2w"`, now.Unix() + 14*day},
		{`"+1y"`, now.Unix() + 365*day},
		{`"+1y2w3d4h5m6s"`, now.Unix() + 365*day + 14*day + 3*day + 4*3600 + 5*60 + 6},
		{`"+99ms"`, now.Unix()},
		{`"+100ms"`, now.Unix() + 1},
		{`"+100000us"`, now.Unix() + 1},
		{`"+99999us"`, now.Unix()},
		{`"+100000000ns"`, now.Unix() + 1},
		{`"+1.5h"`, now.Unix() + 5400},
		{`"+0.5d"`, now.Unix() + day/2},
		{`"2026-07-01 12:30"`, time.Date(2026, 7, 1, 10, 30, 0, 0, time.UTC).Unix()},
		{`"2026-12-01 12:30"`, time.Date(2026, 12, 1, 11, 30, 0, 0, time.UTC).Unix()},

		{`"+"`, 0},
		{`"++5"`, 0},
		{`"+-5"`, 0},
		{`"-5"`, 0},
		{`-5`, 0},
		{`"-1d"`, 0},
		{`"+1"x`, 0},
		{`"+5x"`, 0},
		{`"+d"`, 0},
		{`"+1d 2h"`, 0},
		{`"+1d2"`, 0},
		{`"+1.2.3h"`, 0},
		{`"+.d"`, 0},
		{`"1d"`, 0},
		{`""`, 0},
		{`"now"`, 0},
		{`"+300y"`, 0},
		{`"+200y200y"`, 0},
		{`"+99999999999999999999d"`, 0},
		{`"+9223372036854775807"`, 0},
		{`"+99999999999999999999"`, 0},
		{`"2026-07-01"`, 0},
		{`"2026-13-01 10:00"`, 0},
		{`"2026-07-01T10:00"`, 0},
		{`"1969-07-01 10:00"`, 0},
		{`"1970-01-01 01:00"`, 0}, // zero, which would count as absent
		{`["+5"]`, 0},
	} {
		list, err := ParseRequest(fmt.Appendf(nil, `[{"nbf":%s,"usages_AT":1}]`, test.value), RequestOptions{Now: now, Location: berlin})
		if test.want == 0 {
			if err == nil {
				t.Errorf("%s: read as %d", test.value, list[0].NotBefore)
			}
			continue
		}
		if err != nil || list[0].NotBefore != test.want {
			t.Errorf("%s: got %+v, %v, want %d", test.value, list, err, test.want)
		}
	}
}

// TestRequestTimesDefaultToUTC reads a local time without a location.
func TestRequestTimesDefaultToUTC(t *testing.T) {
	list, err := ParseRequest([]byte(`[{"exp":"2036-07-01 12:30"}]`), RequestOptions{Now: epoch})
	if want := time.Date(2036, 7, 1, 12, 30, 0, 0, time.UTC).Unix(); err != nil || list[0].Expires != want {
		t.Errorf("got %+v, %v, want %d", list, err, want)
	}
}

// TestRequestWithoutTimeReadsIntegersOnly parses without a present time, as for consent
// answers (protocol section 2.2).
func TestRequestWithoutTimeReadsIntegersOnly(t *testing.T) {
	for text, ok := range map[string]bool{
		`[{"exp":1900000000}]`: true, `[{"exp":"+5"}]`: false, `[{"exp":"+1d"}]`: false, `[{"exp":"2036-07-01 12:30"}]`: false,
	} {
		if _, err := ParseRequest([]byte(text), RequestOptions{}); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := Parse([]byte(`[{"exp":"+5"}]`)); !errors.Is(err, ErrSyntax) {
		t.Errorf("a relative time in a token: %v", err)
	}
}

// TestRequestThis replaces the host "this".
func TestRequestThis(t *testing.T) {
	options := RequestOptions{Now: epoch, Address: netip.MustParseAddr("::ffff:192.0.2.7")}
	list, err := ParseRequest([]byte(`[{"hosts":["this","198.51.100.0/24"]},{"ip":["THIS"]}]`), options)
	require.NoError(t, err)
	assert.Equal(t, `[{"hosts":["192.0.2.7","198.51.100.0/24"]},{"hosts":["192.0.2.7"]}]`, mustEncode(t, list))
	options.Address = netip.Addr{}
	if _, err := ParseRequest([]byte(`[{"hosts":["this"]}]`), options); !errors.Is(err, ErrInvalid) {
		t.Errorf("without an address: %v", err)
	}
}

// TestRequestEmptyClauses removes clauses that state nothing, unless none would remain.
//
// proves P1
func TestRequestEmptyClauses(t *testing.T) {
	for text, want := range map[string]string{
		`[{},{"scope":"a"}]`:                `[{"scope":"a"}]`,
		`[{"hosts":[]},{"scope":"a"},{}]`:   `[{"scope":"a"}]`,
		`[{"scope":"a"},{"unknown_key":1}]`: `[{"scope":"a"},{"unknown_key":1}]`,
		`[]`:                                `[]`,
	} {
		list, err := ParseRequest([]byte(text), RequestOptions{Now: epoch})
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got := mustEncode(t, list); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
	for _, text := range []string{`[{}]`, `[{},{}]`, `[{"scope":""}]`, `[{"exp":0}]`, `[{"hosts":[]}]`} {
		if list, err := ParseRequest([]byte(text), RequestOptions{Now: epoch}); !errors.Is(err, ErrEmptyClause) {
			t.Errorf("%s: %v, %v", text, list, err)
		}
	}
	for _, text := range []string{`[null]`, `[[]]`, `{}`, `null`, `"x"`, `["x"]`, ``, `[null,{"scope":"a"}]`} {
		if list, err := ParseRequest([]byte(text), RequestOptions{Now: epoch}); !errors.Is(err, ErrSyntax) {
			t.Errorf("%s: %v, %v", text, list, err)
		}
	}
}

// TestD29_NonsenseIsRefused has a row for each value that makes no sense.
func TestD29_NonsenseIsRefused(t *testing.T) {
	options := RequestOptions{Now: epoch, Address: addr("192.0.2.1")}
	for text, key := range map[string]string{
		`[{"usages_AT":-1}]`:                        KeyUsagesAT,
		`[{"usages_other":-1}]`:                     KeyUsagesOther,
		`[{"nbf":-1}]`:                              KeyNotBefore,
		`[{"exp":-1}]`:                              KeyExpires,
		`[{"nbf":253402300800}]`:                    KeyNotBefore,
		`[{"exp":253402300800}]`:                    KeyExpires,
		`[{"exp":1}]`:                               KeyExpires,
		fmt.Sprintf(`[{"exp":%d}]`, epoch.Unix()-1): KeyExpires,
		fmt.Sprintf(`[{"nbf":%d,"exp":%d}]`, epoch.Unix()+9, epoch.Unix()+8): KeyExpires,
		`[{"audience":[""]}]`:        KeyAudience,
		`[{"audience":["a\u0000"]}]`: KeyAudience,
		`[{"audience":[" a"]}]`:      KeyAudience,
		`[{"scope":"a\tb"}]`:         KeyScope,
		`[{"scope":"a\"b"}]`:         KeyScope,
		`[{"scope":"a\\b"}]`:         KeyScope,
		`[{"scope":"ä"}]`:            KeyScope,
		`[{"hosts":[""]}]`:           KeyHosts,
		`[{"geoip_allow":["DEU"]}]`:  KeyGeoIPAllow,
		`[{"geoip_allow":["D1"]}]`:   KeyGeoIPAllow,
		`[{"geoip_allow":["D["]}]`:   KeyGeoIPAllow,
		`[{"geoip_disallow":["D"]}]`: KeyGeoIPDisallow,
		`[{"geoip_disallow":[""]}]`:  KeyGeoIPDisallow,
		`[{"geoip_allow":["DE","at"],"geoip_disallow":["AT","de","FR"]}]`: KeyGeoIPAllow,
	} {
		_, err := ParseRequest([]byte(text), options)
		var typed *ClauseError
		if !errors.Is(err, ErrInvalid) || !errors.As(err, &typed) || typed.Key != key {
			t.Errorf("%s: got %v, want an objection to %s", text, err, key)
		}
	}
	for _, text := range []string{
		fmt.Sprintf(`[{"exp":%d}]`, epoch.Unix()), // inclusive
		fmt.Sprintf(`[{"nbf":%d,"exp":%d}]`, epoch.Unix()+9, epoch.Unix()+9),
		`[{"usages_AT":0}]`, `[{"geoip_allow":["de"],"geoip_disallow":["AT"]}]`,
		`[{"scope":"storage.read:/a/b https://example.org/x"}]`, `[{"audience":["https://a.example.org","b c"]}]`,
	} {
		if _, err := ParseRequest([]byte(text), options); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestErrorTextsAreOneLine shows that foreign text cannot add a line to an error text.
func TestErrorTextsAreOneLine(t *testing.T) {
	_, err := Parse([]byte(`[{"a\nb":tru}]`))
	if err == nil || len(err.Error()) > 200 || containsControl(err.Error()) {
		t.Errorf("got %q", err)
	}
	_, err = ParseRequest([]byte(`[{"hosts":["a\nb"]}]`), RequestOptions{})
	if err == nil || containsControl(err.Error()) {
		t.Errorf("got %q", err)
	}
}

func containsControl(text string) bool {
	for _, r := range text {
		if r < ' ' {
			return true
		}
	}
	return false
}

// TestThisIsKeptOnce: an address that is also the requester's stands in the list once, where
// it stood first.
func TestThisIsKeptOnce(t *testing.T) {
	for hosts, want := range map[string]string{
		`["127.0.0.1","this"]`:                               `["127.0.0.1"]`,
		`["this","192.0.2.0/24","127.0.0.1"]`:                `["127.0.0.1","192.0.2.0/24"]`,
		`["a.example.org","THIS","this","::ffff:127.0.0.1"]`: `["a.example.org","127.0.0.1"]`,
		`["127.0.0.1/32","this"]`:                            `["127.0.0.1/32"]`,
		`["127.0.0.0/8","this"]`:                             `["127.0.0.0/8","127.0.0.1"]`,
		`["127.0.0.1","127.0.0.1"]`:                          `["127.0.0.1","127.0.0.1"]`,
	} {
		list, err := ParseRequest([]byte(`[{"hosts":`+hosts+`}]`), RequestOptions{Now: epoch, Address: addr("::ffff:127.0.0.1")})
		require.NoError(t, err)
		require.Equal(t, `[{"hosts":`+want+`}]`, mustEncode(t, list), hosts)
	}
}
