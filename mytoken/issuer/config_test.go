package issuer_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
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
