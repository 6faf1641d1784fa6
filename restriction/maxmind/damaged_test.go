package maxmind_test

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/restriction/maxmind"
)

// A file that is no usable database leaves the former one in use, however it is opened.
//
// proves P2
func TestReloadRefusesDamage(t *testing.T) {
	german, french := large(t, "DE"), large(t, "FR")
	fewer := database(t, "GeoLite2-Country", world)
	zeros := func(from, to int) []byte {
		data := bytes.Clone(french)
		clear(data[from:to])
		return data
	}
	folder := t.TempDir()
	cases := map[string]struct {
		data []byte
		want string
	}{
		"empty":               {nil, "not complete"},
		"something else":      {[]byte("<html>please log in</html>"), "not complete"},
		"half":                {french[:len(french)/2], "not complete"},
		"no records":          {zeros(len(french)/2, len(french)-400), "damaged"},
		"zeros in the tree":   {zeros(4096, 8192), "loop"},
		"zeros at the start":  {zeros(0, 4096), "loop"},
		"over a longer one":   {append(bytes.Clone(french), bytes.Repeat(german, 2)[len(french):]...), "another database"},
		"half over another":   {append(bytes.Clone(fewer[:len(fewer)/2]), german[len(fewer)/2:]...), "damaged"},
		"another type":        {database(t, "GeoLite2-ASN", world), `"GeoLite2-ASN" has no countries`},
		"a type of one's own": {database(t, "My-Country", world), `"My-Country" has no countries`},
	}
	for opener, open := range map[string]func(string) (*maxmind.Locator, error){"Open": maxmind.Open, "OpenMapped": maxmind.OpenMapped} {
		locator, err := open(write(t, german))
		require.NoError(t, err)
		refused := func(path, want string) {
			t.Helper()
			_, err := open(path)
			for _, err := range []error{err, locator.Reload(path)} {
				var damaged *maxmind.DatabaseError
				require.ErrorAs(t, err, &damaged)
				require.Equal(t, path, damaged.Path)
				require.ErrorContains(t, err, want)
			}
			country, err := locator.Country(t.Context(), netip.MustParseAddr("10.0.0.1"))
			require.NoError(t, err)
			require.Equal(t, "DE", country)
		}
		for name, c := range cases {
			t.Run(opener+" "+name, func(t *testing.T) {
				refused(write(t, c.data), c.want)
				_, err := maxmind.FromBytes(c.data)
				require.ErrorAs(t, err, new(*maxmind.DatabaseError))
			})
		}
		refused(folder, "not a regular file")
		refused(filepath.Join(folder, "none"), "cannot be used")
		require.ErrorIs(t, locator.Reload(filepath.Join(folder, "none")), fs.ErrNotExist)
		huge := filepath.Join(folder, "huge")
		require.NoError(t, os.WriteFile(huge, nil, 0o600))
		require.NoError(t, os.Truncate(huge, 1<<40))
		refused(huge, "too large")
		require.NoError(t, locator.Close())
	}
}

// TestEveryPrefix: wherever a copy stops, the part that is there is refused.
func TestEveryPrefix(t *testing.T) {
	data := database(t, "GeoLite2-Country", world)
	for end := range data {
		_, err := maxmind.FromBytes(data[:end:end])
		require.ErrorAs(t, err, new(*maxmind.DatabaseError), end)
	}
	_, err := maxmind.FromBytes(data)
	require.NoError(t, err)
}

// TestEveryByte: no damage makes opening or a look-up panic or run for ever.
func TestEveryByte(t *testing.T) {
	data := database(t, "GeoLite2-Country", world)
	for at := range data {
		for _, value := range []byte{0xff, data[at] ^ 1} {
			damaged := bytes.Clone(data)
			damaged[at] = value
			locator, err := maxmind.FromBytes(damaged)
			if err != nil {
				continue
			}
			for _, address := range []string{"192.0.2.1", "2001:db8::1", "::", "255.255.255.255"} {
				_, _ = locator.Country(t.Context(), netip.MustParseAddr(address))
			}
		}
	}
}

// TestDamageBehindMappedAddresses: a look-up of a mapped address, such as ::ffff:9.9.9.9,
// reads the record of the IPv4 address. The check does not take it for the one it found.
func TestDamageBehindMappedAddresses(t *testing.T) {
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "GeoLite2-Country", DisableIPv4Aliasing: true, IncludeReservedNetworks: true})
	require.NoError(t, err)
	for _, network := range []string{"::ffff:9.9.9.0/120", "2001:db8::/32"} {
		prefix := netip.MustParsePrefix(network)
		require.NoError(t, tree.Insert(ipNet(prefix), mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String("QZ")}}))
	}
	var file bytes.Buffer
	_, err = tree.WriteTo(&file)
	require.NoError(t, err)
	_, err = maxmind.FromBytes(file.Bytes())
	require.NoError(t, err)
	file.Bytes()[bytes.Index(file.Bytes(), []byte("QZ"))-1] = 0xa2 // a number instead of a text
	_, err = maxmind.FromBytes(file.Bytes())
	require.ErrorAs(t, err, new(*maxmind.DatabaseError))
}

// Databases of all record sizes and of IPv4 alone pass the check.
func TestSizes(t *testing.T) {
	for _, size := range []int{24, 28, 32} {
		for _, version := range []int{4, 6} {
			options := mmdbwriter.Options{DatabaseType: "GeoIP2-Country", RecordSize: size, IPVersion: version, IncludeReservedNetworks: true}
			options.DisableIPv4Aliasing = size == 28 // the other ones lead to one node by several ways
			tree, err := mmdbwriter.New(options)
			require.NoError(t, err)
			for i := range byte(200) {
				network := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, i, 7, 0}), 24)
				country := mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String(string([]byte{'A' + i%26, 'A' + i%25}))}}
				require.NoError(t, tree.Insert(ipNet(network), country))
			}
			var file bytes.Buffer
			_, err = tree.WriteTo(&file)
			require.NoError(t, err)
			locator, err := maxmind.FromBytes(file.Bytes())
			require.NoError(t, err, "%d bits, IPv%d", size, version)
			for i := range byte(200) {
				country, err := locator.Country(t.Context(), netip.AddrFrom4([4]byte{10, i, 7, 9}))
				require.NoError(t, err)
				require.Equal(t, string([]byte{'A' + i%26, 'A' + i%25}), country)
			}
			nodes := file.Bytes()
			binary.BigEndian.PutUint32(nodes[len(nodes)/4:], 0xfffffff0)
			_, err = maxmind.FromBytes(nodes)
			require.ErrorAs(t, err, new(*maxmind.DatabaseError))
		}
	}
}

// Reloading and closing give all mapped memory back.
func TestMappingsAreReleased(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the list of mappings is that of Linux")
	}
	path := write(t, large(t, "DE"))
	mappings := func() int {
		maps, err := os.ReadFile("/proc/self/maps")
		require.NoError(t, err)
		return strings.Count(string(maps), path)
	}
	locator, err := maxmind.OpenMapped(path)
	require.NoError(t, err)
	asn := write(t, database(t, "GeoLite2-ASN", world))
	for range 10 {
		require.NoError(t, locator.Reload(path))
		require.Error(t, locator.Reload(asn))
		require.Equal(t, 1, mappings())
	}
	require.NoError(t, locator.Close())
	require.Zero(t, mappings())
}
