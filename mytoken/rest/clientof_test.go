package rest_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/mytoken/rest"
)

// A route of the embedding program sees the client that the handler sees. Nobody but a
// trusted proxy chooses the address.
//
// proves P2
func TestClientOf(t *testing.T) {
	service, err := mytokentest.Start(mytokentest.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = service.Close() })
	handler, err := rest.NewHandler(service.Issuer, rest.Options{
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
		Values:         func(r *http.Request) map[string]any { return map[string]any{"path": r.URL.Path} },
	})
	require.NoError(t, err)
	for name, tt := range map[string]struct{ peer, header, want string }{
		"direct":             {"192.0.2.7:1", "", "192.0.2.7"},
		"mapped":             {"[::ffff:192.0.2.7]:1", "", "192.0.2.7"},
		"lying client":       {"203.0.113.9:1", "192.0.2.7", "203.0.113.9"},
		"behind the proxy":   {"127.0.0.1:1", "192.0.2.7", "192.0.2.7"},
		"lie through proxy":  {"127.0.0.1:1", "192.0.2.7, 203.0.113.9", "203.0.113.9"},
		"silent proxy":       {"127.0.0.1:1", "", ""},
		"proxy names itself": {"127.0.0.1:1", "127.0.0.1", ""},
		"no peer":            {"nonsense", "192.0.2.7", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/jobs", http.NoBody)
			r.RemoteAddr = tt.peer
			r.Header.Set("User-Agent", "agent")
			if tt.header != "" {
				r.Header.Set("X-Forwarded-For", tt.header)
			}
			client := handler.ClientOf(r)
			if tt.want == "" {
				assert.False(t, client.Address.IsValid(), "%s", client.Address)
			} else {
				assert.Equal(t, tt.want, client.Address.String())
			}
			assert.Equal(t, "agent", client.UserAgent)
			assert.Equal(t, map[string]any{"path": "/jobs"}, client.Values)
		})
	}
}
