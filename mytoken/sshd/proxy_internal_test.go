package sshd

import (
	"bytes"
	"io"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// binaryHeader is a PROXY header of version 2.
func binaryHeader(version, family byte, body string) string {
	return proxySignature + string([]byte{version, family, byte(len(body) >> 8), byte(len(body))}) + body
}

const (
	fourBody = "\xc0\x00\x02\x07\xc0\x00\x02\x01\x30\x39\x08\xae"
	sixBody  = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x30\x39\x08\xae"
)

func TestReadProxyHeader(t *testing.T) {
	for header, want := range map[string]string{
		"PROXY TCP4 192.0.2.7 192.0.2.1 12345 2222\r\n":     "192.0.2.7",
		"PROXY TCP6 2001:db8::7 2001:db8::1 12345 2222\r\n": "2001:db8::7",
		"PROXY UNKNOWN\r\n":                                   "",
		"PROXY UNKNOWN a b c d\r\n":                           "",
		binaryHeader(0x21, 0x11, fourBody):                    "192.0.2.7",
		binaryHeader(0x21, 0x11, fourBody+"\x03\x00\x04abcd"): "192.0.2.7", // with more
		binaryHeader(0x21, 0x21, sixBody):                     "2001:db8::7",
		binaryHeader(0x20, 0x00, ""):                          "",
		binaryHeader(0x21, 0x31, strings.Repeat("\x00", 216)): "",
		binaryHeader(0x21, 0x21, strings.Repeat("\x00", 10)+"\xff\xff\xc0\x00\x02\x07"+strings.Repeat("\x00", 20)): "192.0.2.7",
	} {
		in := strings.NewReader(header + "SSH-2.0-x")
		got, err := readProxyHeader(in)
		require.NoError(t, err, "%q", header)
		if want == "" {
			assert.False(t, got.IsValid(), "%q", header)
		} else {
			assert.Equal(t, netip.MustParseAddr(want), got, "%q", header)
		}
		rest, _ := io.ReadAll(in)
		assert.Equal(t, "SSH-2.0-x", string(rest), "not a byte more: %q", header)
	}
	for _, header := range []string{
		"", "SSH-2.0-OpenSSH_9.2\r\n", "PROXY", "PROXY TCP4 192.0.2.7\r\n",
		"PROXY TCP4 192.0.2.7 192.0.2.1 12345 2222\n", "PROXY TCP4 192.0.2.7 192.0.2.1 012 2222\r\n",
		"PROXY TCP4 192.0.2.7 192.0.2.1 12345 65536\r\n", "PROXY TCP4 2001:db8::7 192.0.2.1 1 2\r\n", "PROXY TCP6 192.0.2.7 192.0.2.1 1 2\r\n",
		"PROXY TCP5 192.0.2.7 192.0.2.1 1 2\r\n", "PROXY TCP4  192.0.2.7 192.0.2.1 1 2\r\n", "PROXY TCP6 fe80::1%lo fe80::2 1 2\r\n",
		"PROXY UNKNOWN " + strings.Repeat("x", 107) + "\r\n",
		binaryHeader(0x11, 0x11, fourBody), binaryHeader(0x22, 0x11, fourBody), binaryHeader(0x21, 0x11, fourBody[:11]), binaryHeader(0x21, 0x21, fourBody),
		binaryHeader(0x21, 0x12, fourBody), binaryHeader(0x21, 0x11, fourBody)[:20], binaryHeader(0x21, 0x11, strings.Repeat("x", 5000)),
	} {
		_, err := readProxyHeader(strings.NewReader(header))
		assert.ErrorIs(t, err, errProxy, "%q", header)
	}
}

// FuzzProxyHeader: a header is read to its end and no further, and gives an address or
// none.
func FuzzProxyHeader(f *testing.F) {
	f.Add([]byte("PROXY TCP4 192.0.2.7 192.0.2.1 12345 2222\r\n"))
	f.Add([]byte(binaryHeader(0x21, 0x21, sixBody)))
	f.Fuzz(func(t *testing.T, header []byte) {
		in := bytes.NewReader(header)
		addr, err := readProxyHeader(in)
		if err != nil {
			return
		}
		require.False(t, addr.Is4In6())
		read := len(header) - in.Len()
		again, err := readProxyHeader(bytes.NewReader(header[:read]))
		require.NoError(t, err)
		require.Equal(t, addr, again)
		require.LessOrEqual(t, read, 16+maxProxyBinary)
	})
}
