package abandon_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/examples/internal/abandon"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
)

// A node that lives is left alone, and the operator hears why. A dead one is given up.
//
// proves P5
func TestNode(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spill")
	s, err := mytokentest.Start(mytokentest.Options{Config: func(c *issuer.Config) { c.SpillDir = dir }})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	token, err := s.Login(t.Context(), "alice", mytoken.Properties{})
	require.NoError(t, err)
	_, err = s.Issuer.AccessToken(t.Context(), issuer.AccessTokenRequest{Token: token.Token})
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(dir, "node"))
	require.NoError(t, err)
	node := strings.TrimSpace(string(text))

	out := new(bytes.Buffer)
	host, err := os.Hostname()
	require.NoError(t, err)
	require.ErrorContains(t, abandon.Node(t.Context(), out, s.Issuer, node), "live, on "+host)
	require.Equal(t, "given up: 0 processes of node "+node+"\n", out.String())

	out.Reset()
	s.Clock.Advance(time.Minute)
	require.NoError(t, abandon.Node(t.Context(), out, s.Issuer, node))
	require.Equal(t, "given up: 1 processes of node "+node+"\n", out.String())
	require.ErrorAs(t, abandon.Node(t.Context(), out, s.Issuer, "nobody"), new(*issuer.UnknownNodeError))
}
