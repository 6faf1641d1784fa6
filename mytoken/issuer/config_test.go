package issuer_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store/seal"
)

// New refuses a configuration that cannot work, so that it does not fail at the first
// login. The error names the field.
func TestIncompleteConfig(t *testing.T) {
	service := start(t, mytokentest.Options{})
	key, err := mytoken.GenerateKey("")
	require.NoError(t, err)
	check, err := mytoken.NewKeys(nil, key.Public())
	require.NoError(t, err)
	for name, c := range map[string]struct {
		change func(*issuer.Config)
		is     error
		text   string
	}{
		"no issuer":         {func(c *issuer.Config) { c.Issuer = "" }, nil, "Config.Issuer"},
		"issuer of no host": {func(c *issuer.Config) { c.Issuer = "mytoken.example.org" }, nil, "Config.Issuer"},
		"issuer in a path":  {func(c *issuer.Config) { c.Issuer = "https://mytoken.example.org/my tokens" }, nil, "Config.Issuer: it has the character U+0020 at place 31"},
		"issuer, a line":    {func(c *issuer.Config) { c.Issuer = "https://mytoken.example.org\n" }, nil, "U+000A"},
		"issuer, a user":    {func(c *issuer.Config) { c.Issuer = "https://alice@mytoken.example.org" }, nil, "Config.Issuer: it has a user"},
		"issuer, a query":   {func(c *issuer.Config) { c.Issuer = "https://mytoken.example.org/?" }, nil, "has a query"},
		"issuer, capitals":  {func(c *issuer.Config) { c.Issuer = "https://MyToken.example.org" }, nil, "write mytoken.example.org"},
		"issuer, http":      {func(c *issuer.Config) { c.Issuer = "http://mytoken.example.org" }, nil, "is plain http: use https"},
		"issuer, localhost": {func(c *issuer.Config) { c.Issuer = "http://localhost:8000" }, nil, "127.0.0.1"},
		"issuer, ftp":       {func(c *issuer.Config) { c.Issuer = "ftp://mytoken.example.org" }, nil, "scheme"},
		"issuer, port":      {func(c *issuer.Config) { c.Issuer = "https://mytoken.example.org:84430" }, nil, "Config.Issuer: \"https://mytoken.example.org:84430\" has no port from 1 to 65535"},
		"issuer, scheme":    {func(c *issuer.Config) { c.Issuer = "HTTPS://mytoken.example.org" }, nil, "write https"},
		"issuer, letters":   {func(c *issuer.Config) { c.Issuer = "https://b\u00fccher.example.org" }, nil, "Config.Issuer: the host \"b\u00fccher.example.org\" has letters that no host has in a request"},
		"issuer, address":   {func(c *issuer.Config) { c.Issuer = "https://[2001:db8:0:0::1]" }, nil, "write 2001:db8::1"},
		"issuer, slashes":   {func(c *issuer.Config) { c.Issuer = "https://mytoken.example.org/a//b" }, nil, "write /a/b"},
		"no store":          {func(c *issuer.Config) { c.Store = nil }, nil, "Config.Store"},
		"no ring":           {func(c *issuer.Config) { c.Seal = nil }, nil, "Config.Seal"},
		"a ring of no key":  {func(c *issuer.Config) { c.Seal = new(seal.Ring) }, seal.ErrNoKey, "Config.Seal"},
		"no keys":           {func(c *issuer.Config) { c.Keys = nil }, nil, "Config.Keys"},
		"zero keys":         {func(c *issuer.Config) { c.Keys = new(mytoken.Keys) }, mytoken.ErrNoSigningKey, "Config.Keys"},
		"keys that check":   {func(c *issuer.Config) { c.Keys = check }, mytoken.ErrNoSigningKey, "Config.Keys"},
		"no provider":       {func(c *issuer.Config) { c.Providers = nil }, nil, "Config.Providers"},
		"a file as spill":   {func(c *issuer.Config) { c.SpillDir = os.Args[0] }, nil, "Config.SpillDir"},
		"a key misspelt":    {func(c *issuer.Config) { c.Restrictions.Disabled = []string{"host"} }, restriction.ErrInvalid, "Config.Restrictions"},
		"clauses":           {func(c *issuer.Config) { c.Limits.Clauses = 1025 }, nil, "Config.Limits.Clauses"},
		"no clauses":        {func(c *issuer.Config) { c.Limits.Clauses = -1 }, nil, "Config.Limits.Clauses"},
		"restrictions":      {func(c *issuer.Config) { c.Limits.RestrictionBytes = 1 << 20 }, nil, "Config.Limits.RestrictionBytes"},
		"child rotation":    {func(c *issuer.Config) { c.ChildRotation = 3 }, nil, "Config.ChildRotation"},
		"suspicion":         {func(c *issuer.Config) { c.SuspectPause = 11 * time.Minute }, nil, "Config.SuspectPause"},
		"no suspicion":      {func(c *issuer.Config) { c.SuspectPause = -1 }, nil, "Config.SuspectPause"},
		"never abandoned":   {func(c *issuer.Config) { c.AbandonAfter = 31 * 24 * time.Hour }, nil, "Config.AbandonAfter"},
		"abandoned at once": {func(c *issuer.Config) { c.AbandonAfter = -1 }, nil, "Config.AbandonAfter"},
		"short lease":       {func(c *issuer.Config) { c.Lease = 10 * time.Second }, nil, "Config.Lease is 10s"},
		"negative lease":    {func(c *issuer.Config) { c.Lease = -1 }, nil, "Config.Lease"},
		"lists":             {func(c *issuer.Config) { c.Limits.ListBytes = 1000 }, nil, "Config.Limits.ListBytes"},
	} {
		config := service.Config
		c.change(&config)
		i, err := issuer.New(config)
		require.Nil(t, i, name)
		require.ErrorContains(t, err, c.text, name)
		if c.is != nil {
			require.ErrorIs(t, err, c.is, name)
		}
		require.NotContains(t, err.Error(), "verifier", name)
	}
}

// A provider without a redirect URL serves a program that only adopts refresh tokens. The
// error of a login names the missing field.
func TestLoginWithoutRedirectURL(t *testing.T) {
	service := start(t, mytokentest.Options{Upstream: func(c *oidcupstream.Config) { c.RedirectURL = "" }})
	_, err := service.Login(t.Context(), "alice", mytoken.Properties{})
	require.ErrorAs(t, err, new(*issuer.UpstreamError))
	require.ErrorIs(t, err, oidcupstream.ErrConfig)
	require.ErrorContains(t, err, "RedirectURL is missing: set it in oidcupstream.Config")
}
