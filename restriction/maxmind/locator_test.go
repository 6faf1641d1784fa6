package maxmind_test

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/maxmind"
	"github.com/stretchr/testify/require"
)

var _ restriction.Locator = (*maxmind.Locator)(nil)

// database writes a small database of the given type. The country "" stands for a network
// without a known country.
func database(t testing.TB, kind string, countries map[string]string) []byte {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: kind, IncludeReservedNetworks: true})
	require.NoError(t, err)
	for network, code := range countries {
		_, block, err := net.ParseCIDR(network)
		require.NoError(t, err)
		record := mmdbtype.Map{"registered_country": mmdbtype.Map{"iso_code": mmdbtype.String("XX")}}
		if code != "" {
			record["country"] = mmdbtype.Map{"iso_code": mmdbtype.String(code)}
		}
		if err := tree.Insert(block, record); err != nil {
			t.Fatal(err)
		}
	}
	var file bytes.Buffer
	if _, err := tree.WriteTo(&file); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

func write(t testing.TB, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "countries.mmdb")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

var world = map[string]string{"192.0.2.0/25": "DE", "192.0.2.128/25": "FR", "2001:db8::/32": "AT", "203.0.113.0/24": ""}

func TestCountry(t *testing.T) {
	data := database(t, "GeoLite2-Country", world)
	fromFile, err := maxmind.Open(write(t, data))
	require.NoError(t, err)
	fromBytes, err := maxmind.FromBytes(database(t, "GeoIP2-City", world))
	require.NoError(t, err)
	for name, locator := range map[string]*maxmind.Locator{"file": fromFile, "bytes": fromBytes} {
		for address, want := range map[string]string{
			"192.0.2.1":          "DE",
			"192.0.2.200":        "FR",
			"::ffff:192.0.2.200": "FR",
			"2001:db8::1":        "AT",
			"203.0.113.1":        "", // registered somewhere, which says nothing of where it is
			"198.51.100.1":       "",
			"2001:db9::1":        "",
		} {
			if got, err := locator.Country(t.Context(), netip.MustParseAddr(address)); got != want || err != nil {
				t.Errorf("%s: %s: got %q, %v, want %q", name, address, got, err, want)
			}
		}
		if got, err := locator.Country(t.Context(), netip.Addr{}); got != "" || err != nil {
			t.Errorf("%s: no address: got %q, %v", name, got, err)
		}
		for range 2 {
			if err := locator.Close(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := locator.Country(t.Context(), netip.MustParseAddr("192.0.2.1")); !errors.Is(err, maxmind.ErrClosed) {
			t.Errorf("%s: after Close: %v", name, err)
		}
	}
	var zero maxmind.Locator
	if _, err := zero.Country(t.Context(), netip.MustParseAddr("192.0.2.1")); !errors.Is(err, maxmind.ErrClosed) {
		t.Errorf("the zero Locator: %v", err)
	}
}

// TestIPv4Alone: a database without IPv6 does not know the countries of IPv6 addresses.
// It reports no error for them.
func TestIPv4Alone(t *testing.T) {
	for _, bits := range []int{24, 28, 32} {
		tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "GeoLite2-Country", IPVersion: 4, RecordSize: bits})
		require.NoError(t, err)
		require.NoError(t, tree.Insert(ipNet(netip.MustParsePrefix("8.8.0.0/16")), mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String("US")}}))
		var file bytes.Buffer
		_, err = tree.WriteTo(&file)
		require.NoError(t, err)
		locator, err := maxmind.FromBytes(file.Bytes())
		require.NoError(t, err)
		for addr, want := range map[string]string{"8.8.8.8": "US", "::ffff:8.8.8.8": "US", "9.9.9.9": "", "2001:4860::1": ""} {
			got, err := locator.Country(t.Context(), netip.MustParseAddr(addr))
			require.NoError(t, err, addr)
			require.Equal(t, want, got, addr)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	if l, err := maxmind.Open(filepath.Join(t.TempDir(), "none.mmdb")); err == nil || l != nil {
		t.Error("a file that is not there was opened")
	}
	asn := database(t, "GeoLite2-ASN", world)
	for name, data := range map[string][]byte{"nothing": nil, "nonsense": []byte("nonsense"), "no countries": asn} {
		if l, err := maxmind.FromBytes(data); err == nil || l != nil {
			t.Errorf("%s: accepted from memory", name)
		}
		if l, err := maxmind.Open(write(t, data)); err == nil || l != nil {
			t.Errorf("%s: accepted from a file", name)
		}
	}
}

// TestReloadWhileInUse shows that every look-up sees the old or the new database.
func TestReloadWhileInUse(t *testing.T) {
	paths := []string{
		write(t, database(t, "GeoLite2-Country", map[string]string{"192.0.2.0/24": "DE"})),
		write(t, database(t, "GeoLite2-Country", map[string]string{"192.0.2.0/24": "FR"})),
	}
	locator, err := maxmind.Open(paths[0])
	require.NoError(t, err)
	done, looked := make(chan struct{}), make(chan struct{})
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for {
				code, err := locator.Country(t.Context(), netip.MustParseAddr("192.0.2.1"))
				if err != nil || code != "DE" && code != "FR" {
					t.Errorf("got %q, %v", code, err)
				}
				select {
				case looked <- struct{}{}: // and at once the next one
				case <-done:
					return
				}
			}
		})
	}
	for i := range 50 {
		<-looked
		if err := locator.Reload(paths[(i+1)%2]); err != nil {
			t.Fatal(err)
		}
	}
	close(done)
	group.Wait()

	if err := locator.Reload(filepath.Join(t.TempDir(), "none.mmdb")); err == nil {
		t.Error("a file that is not there was loaded")
	}
	if code, err := locator.Country(t.Context(), netip.MustParseAddr("192.0.2.1")); code != "DE" || err != nil {
		t.Errorf("after a reload that failed: %q, %v", code, err)
	}
	if err := locator.Close(); err != nil {
		t.Fatal(err)
	}
	if err := locator.Reload(paths[1]); err != nil {
		t.Fatal(err)
	}
	if code, err := locator.Country(t.Context(), netip.MustParseAddr("192.0.2.1")); code != "FR" || err != nil {
		t.Errorf("opened again: %q, %v", code, err)
	}
}

// TestD19_UnknownCountry shows that an unknown country satisfies no key. A closed
// database knows no country.
//
// proves P2
func TestD19_UnknownCountry(t *testing.T) {
	locator, err := maxmind.FromBytes(database(t, "GeoLite2-Country", world))
	require.NoError(t, err)
	admits := func(clause restriction.Clause, address string) bool {
		policy, err := restriction.Compile(restriction.List{clause}, restriction.Options{Locator: locator})
		require.NoError(t, err)
		d := policy.Decide(t.Context(), &restriction.Request{
			Now: time.Unix(1_800_000_000, 0), Kind: restriction.Other, Address: netip.MustParseAddr(address),
		})
		return d.Admitted()
	}
	allow, deny := restriction.Clause{GeoIPAllow: []string{"de"}}, restriction.Clause{GeoIPDisallow: []string{"de"}}
	for _, test := range []struct {
		address        string
		allowed, other bool
	}{{"192.0.2.1", true, false}, {"192.0.2.200", false, true}, {"198.51.100.1", false, false}, {"203.0.113.1", false, false}} {
		if admits(allow, test.address) != test.allowed || admits(deny, test.address) != test.other {
			t.Errorf("%s: allow %v, deny %v", test.address, admits(allow, test.address), admits(deny, test.address))
		}
	}
	if err := locator.Close(); err != nil {
		t.Fatal(err)
	}
	if admits(allow, "192.0.2.1") || admits(deny, "192.0.2.200") {
		t.Error("admitted without a database")
	}
}
