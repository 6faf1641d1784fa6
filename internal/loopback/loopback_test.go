package loopback_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/loopback"
)

func TestIs(t *testing.T) {
	for address, want := range map[string]bool{
		"http://127.0.0.1":               true,
		"http://127.0.0.1:8080/path":     true,
		"http://127.255.255.254":         true,
		"http://[::1]:8080":              true,
		"http://[::ffff:127.0.0.1]":      true,
		"http://localhost":               false, // a name, which DNS may answer
		"http://localhost:8080":          false,
		"http://localhost.":              false,
		"http://app.localhost":           false,
		"http://127.0.0.1.example.org":   false,
		"http://localhost.example.org":   false,
		"http://127.1":                   false, // not an address in its one spelling
		"http://2130706433":              false,
		"http://0177.0.0.1":              false,
		"http://0.0.0.0":                 false,
		"http://[::]":                    false,
		"http://192.0.2.1":               false,
		"http://[2001:db8::1]":           false,
		"http://127.0.0.1@192.0.2.1":     false,
		"http://":                        false,
		"http://[fe80::1%25lo]":          false,
		"http://[::ffff:192.0.2.1]:8080": false,
	} {
		u, err := url.Parse(address)
		require.NoError(t, err, address)
		assert.Equal(t, want, loopback.Is(u.Hostname()), address)
	}
}
