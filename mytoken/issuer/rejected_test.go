package issuer_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/restriction"
)

// watched starts a service that keeps its notices and its log.
func watched(t *testing.T) (*mytokentest.Service, *[]issuer.Notice, *bytes.Buffer) {
	t.Helper()
	notices, log := new([]issuer.Notice), new(bytes.Buffer)
	s := start(t, mytokentest.Options{Config: func(c *issuer.Config) {
		c.Observer = func(_ context.Context, n issuer.Notice) { *notices = append(*notices, n) }
		c.Logger = slog.New(slog.NewTextHandler(log, nil))
	}})
	return s, notices, log
}

// TestRejectedTokensAreNoticed: an operator sees that somebody sends guessed and forged
// tokens, and from where. Tokens that have merely ended are no attack. // proves P9
func TestRejectedTokensAreNoticed(t *testing.T) {
	s, notices, log := watched(t)
	good := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Rotation: &mytoken.Rotation{OnAT: true}})
	signed := func(change func(*mytoken.Claims)) string {
		claims := good.Claims.Claims()
		change(&claims)
		token, err := s.Config.Keys.Sign(claims)
		require.NoError(t, err)
		return token.Reveal()
	}
	other := start(t, mytokentest.Options{})
	fresh := login(t, s, mytoken.Properties{Capabilities: allCapabilities})
	for name, c := range map[string]struct {
		token  string
		reason issuer.TokenReason
		label  string
	}{
		"nothing":            {"", issuer.TokenMalformed, "malformed"},
		"a word":             {"password", issuer.TokenMalformed, "malformed"},
		"no token":           {"aaaaaaaaaaaaaaaaaaaaaaaa.bbbbbbbbbbbbbbbbbb.cccccccccccccccc", issuer.TokenMalformed, "malformed"},
		"changed":            {good.Token.Reveal()[:len(good.Token.Reveal())-8] + "AAAAAAAA", issuer.TokenMalformed, "forged"},
		"another issuer":     {login(t, other, mytoken.Properties{}).Token.Reveal(), issuer.TokenMalformed, "forged"},
		"a guessed short":    {strings.Repeat("abcd", 16), issuer.TokenUnknown, "unknown"},
		"a signed copy":      {signed(func(*mytoken.Claims) {}), issuer.TokenUnknown, "forged"},
		"signed, not issued": {signed(func(c *mytoken.Claims) { c.JTI = mytoken.JTI{1} }), issuer.TokenUnknown, "unknown"},
	} {
		*notices = nil
		log.Reset()
		requireDead(t, s, mytoken.NewSecret(c.token), c.reason)
		var rejected []issuer.Notice
		for _, n := range *notices {
			if n.Kind == issuer.NoticeRejected {
				rejected = append(rejected, n)
			}
		}
		require.Len(t, rejected, 1, name)
		require.Equal(t, client, rejected[0].Client, name)
		requireTokenError(t, rejected[0].Err, c.reason)
		require.Equal(t, c.label, rejected[0].Reason, name)
		require.Len(t, *notices, 1, "told once")
		require.Contains(t, log.String(), "level=WARN msg=mytoken kind=rejected address=192.0.2.7 ", name)
		if len(c.token) > 8 {
			require.NotContains(t, log.String()+fmt.Sprintf("%+v", rejected), c.token, name)
		}
		s.Clock.Advance(time.Minute)
	}

	*notices = nil
	requireUsable(t, s, good.Token)
	revoke(t, s, fresh.Token, false)
	ending := login(t, s, mytoken.Properties{Restrictions: restriction.List{{Expires: s.Clock.Now().Unix() + 60}}})
	later := login(t, s, mytoken.Properties{Restrictions: restriction.List{{NotBefore: s.Clock.Now().Unix() + 7200}}})
	s.Clock.Advance(time.Hour)
	log.Reset()
	var reasons []string
	for _, token := range []mytoken.Secret{good.Token, fresh.Token, ending.Token, later.Token} {
		*notices = nil
		_, err := accessToken(t, s, token)
		require.Error(t, err)
		require.Len(t, *notices, 1)
		reasons = append(reasons, string((*notices)[0].Kind)+" "+(*notices)[0].Reason)
	}
	require.Equal(t, []string{"reused reused", "rejected revoked", "rejected expired", "rejected early"}, reasons)
	require.NotContains(t, log.String(), "kind=rejected", "they are no attack")
}

// TestRejectedTokensDoNotFloodTheLog: the log mentions ten in a minute and says how many
// it left out. The observer hears of each.
func TestRejectedTokensDoNotFloodTheLog(t *testing.T) {
	s, notices, log := watched(t)
	const many = 1000
	for range many {
		requireDead(t, s, mytoken.NewSecret("password"), issuer.TokenMalformed)
	}
	require.Len(t, *notices, many)
	require.Equal(t, 10, strings.Count(log.String(), "kind=rejected"))
	log.Reset()
	s.Clock.Advance(time.Minute)
	requireDead(t, s, mytoken.NewSecret("password"), issuer.TokenMalformed)
	require.Equal(t, 1, strings.Count(log.String(), "kind=rejected suppressed=990 "), "%s", log)
}
