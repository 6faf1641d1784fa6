package issuer_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/store/seal"
)

// A code of one kind cannot be used as another kind (D7).
func TestCodesAreNotInterchangeable(t *testing.T) {
	s := start(t, mytokentest.Options{})
	ctx := t.Context()
	root, err := s.LoginWith(ctx, "alice", issuer.LoginRequest{Response: mytoken.Response{Type: mytoken.ResponseShortToken}, Client: client})
	require.NoError(t, err)
	transfer, err := s.Issuer.Transfer(ctx, issuer.TransferRequest{Token: root.Issued.Token, Client: client})
	require.NoError(t, err)
	pending := native(t, s, issuer.LoginRequest{})
	finished := native(t, s, issuer.LoginRequest{})
	login, err := s.Issuer.Approve(ctx, finished.ConsentCode, agreedProperties)
	require.NoError(t, err)
	_, err = s.Follow(ctx, "alice", login)
	require.NoError(t, err)
	waiting, err := s.Issuer.StartLogin(ctx, issuer.LoginRequest{Provider: s.Provider.Issuer()})
	require.NoError(t, err)

	codes := map[string]mytoken.Secret{
		"state": waiting.State, "consent": pending.ConsentCode, "polling": finished.PollingCode, "pending": pending.PollingCode,
		"transfer": transfer.Code, "short": root.Issued.Token, "compact": compactOf(t, s, root.Issued.Token),
	}
	before := stateOf(t, s)
	for kind, code := range codes {
		if kind != "polling" && kind != "pending" {
			_, err := s.Issuer.Poll(ctx, issuer.PollRequest{Code: code})
			requireCodeError(t, err, issuer.CodeUnknown)
		}
		if kind != "transfer" {
			_, err := s.Issuer.Redeem(ctx, issuer.RedeemRequest{Code: code})
			requireCodeError(t, err, issuer.CodeUnknown)
		}
		if kind != "consent" {
			_, err := s.Issuer.Consent(ctx, code)
			requireCodeError(t, err, issuer.CodeUnknown)
			_, err = s.Issuer.Approve(ctx, code, agreedProperties)
			requireCodeError(t, err, issuer.CodeUnknown)
			_, err = s.Issuer.Decline(ctx, code)
			requireCodeError(t, err, issuer.CodeUnknown)
		}
		if kind != "state" {
			_, err := s.Issuer.FinishLogin(ctx, issuer.FinishRequest{Path: "/redirect", Query: map[string][]string{"state": {code.Reveal()}, "code": {"x"}}})
			require.ErrorIs(t, err, issuer.ErrState)
		}
		if kind != "short" && kind != "compact" {
			_, err := s.Issuer.AccessToken(ctx, issuer.AccessTokenRequest{Token: code, Client: client})
			errAs[*issuer.TokenError](t, err)
		}
	}
	requireUnchanged(t, s, before)

	// Each still works in its own place.
	_, err = s.Issuer.Poll(ctx, issuer.PollRequest{Code: codes["polling"]})
	require.NoError(t, err)
	_, err = s.Issuer.Redeem(ctx, issuer.RedeemRequest{Code: codes["transfer"]})
	require.NoError(t, err)
	_, err = s.Issuer.Consent(ctx, codes["consent"])
	require.NoError(t, err)
}

// compactOf returns the compact token behind a short one.
func compactOf(t *testing.T, s *mytokentest.Service, short mytoken.Secret) mytoken.Secret {
	t.Helper()
	code, err := s.Issuer.Transfer(t.Context(), issuer.TransferRequest{Token: short, Client: client})
	require.NoError(t, err)
	issued, err := s.Issuer.Redeem(t.Context(), issuer.RedeemRequest{Code: code.Code, Client: client})
	require.NoError(t, err)
	return issued.Token
}

// Codes from before a change of the server key are found as long as the old key can be
// read.
func TestCodesOutliveTheServerKey(t *testing.T) {
	old, fresh := seal.NewKey(), seal.NewKey()
	var config issuer.Config
	s := start(t, mytokentest.Options{Config: func(c *issuer.Config) {
		ring, err := seal.NewRing(seal.RingConfig{Active: old})
		require.NoError(t, err)
		c.Seal = ring
		config = *c
	}})
	root := login(t, s, mytoken.Properties{})
	code, err := s.Issuer.Transfer(t.Context(), issuer.TransferRequest{Token: root.Token, Client: client})
	require.NoError(t, err)
	n := native(t, s, issuer.LoginRequest{})

	config.Seal, err = seal.NewRing(seal.RingConfig{Active: fresh, Others: []seal.Key{old}})
	require.NoError(t, err)
	s.Issuer, err = issuer.New(config)
	require.NoError(t, err)
	_, err = s.Issuer.Rewrap(t.Context(), 2)
	require.NoError(t, err)
	issued, err := s.Issuer.Redeem(t.Context(), issuer.RedeemRequest{Code: code.Code, Client: client})
	require.NoError(t, err)
	requireUsable(t, s, issued.Token)
	agree(t, s, n, agreedProperties)
	_, err = poll(t, s, n)
	require.NoError(t, err)
}

// Each letter that nobody mistakes for another is as likely in a code as the others.
//
// proves P7
func TestLettersOfCodes(t *testing.T) {
	s := start(t, mytokentest.Options{Config: func(c *issuer.Config) { c.TransferCodeLength = 30 }})
	seen := make(map[rune]int)
	for range 200 {
		n := native(t, s, issuer.LoginRequest{})
		require.Len(t, n.ConsentCode.Reveal(), 30)
		for _, r := range n.ConsentCode.Reveal() {
			seen[r]++
		}
	}
	require.Len(t, seen, 49, "all letters but l, I and O")
	for _, r := range "lIO" {
		require.Zero(t, seen[r])
	}
	for r, n := range seen { // 6000 draws, 122 expected, standard deviation 11
		require.InDelta(t, 6000/49, n, 70, "%c", r)
	}
}

func TestConfigRefusesWeakCodes(t *testing.T) {
	s := start(t, mytokentest.Options{})
	for name, change := range map[string]func(*issuer.Config){
		"transfer codes of 11 letters": func(c *issuer.Config) { c.TransferCodeLength = 11 },
		"transfer codes of 31 letters": func(c *issuer.Config) { c.TransferCodeLength = 31 },
		"short tokens of 31 letters":   func(c *issuer.Config) { c.ShortTokenLength = 31 },
		"codes for hours":              func(c *issuer.Config) { c.CodeLifetime = 2 * time.Hour },
		"codes for no time":            func(c *issuer.Config) { c.CodeLifetime = -time.Second },
		"polling all the time":         func(c *issuer.Config) { c.PollInterval = time.Millisecond },
		"polling hardly ever":          func(c *issuer.Config) { c.PollInterval = time.Minute },
		"long grace":                   func(c *issuer.Config) { c.RotationGrace = time.Minute },
		"negative skew":                func(c *issuer.Config) { c.MaxClockSkew = -time.Second },
		"negative wait":                func(c *issuer.Config) { c.WaitLimit = -time.Second },
		"negative retention":           func(c *issuer.Config) { c.Retention = -time.Second },
		"short lease":                  func(c *issuer.Config) { c.Lease = time.Second },
		"deep trees":                   func(c *issuer.Config) { c.MaxDepth = 1000 },
		"no store":                     func(c *issuer.Config) { c.Store = nil },
		"no ring":                      func(c *issuer.Config) { c.Seal = nil },
		"no keys":                      func(c *issuer.Config) { c.Keys = nil },
		"no providers":                 func(c *issuer.Config) { c.Providers = nil },
		"provider without upstream":    func(c *issuer.Config) { c.Providers = []issuer.Provider{{}} },
		"provider twice":               func(c *issuer.Config) { c.Providers = append(c.Providers, c.Providers...) },
		"negative lifetime":            func(c *issuer.Config) { c.Providers[0].MaxLifetime = -1 },
		"relative issuer":              func(c *issuer.Config) { c.Issuer = "mytoken.example.org" },
		"issuer with a query":          func(c *issuer.Config) { c.Issuer += "?x" },
	} {
		t.Run(name, func(t *testing.T) {
			config := s.Config
			config.Providers = append([]issuer.Provider(nil), config.Providers...)
			change(&config)
			_, err := issuer.New(config)
			require.Error(t, err)
		})
	}
}
