package issuer_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/url"
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

// TestTokensOutsideTheirTime: an error says that a token has expired, or from when it is
// valid. It says so only of a token that this issuer signed. // proves P10
func TestTokensOutsideTheirTime(t *testing.T) {
	s, notices, log := watched(t)
	end, begin := unix(s, time.Minute), unix(s, 2*time.Hour)
	expiring := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Restrictions: restriction.List{{Expires: end}}})
	short, err := s.Issuer.Derive(t.Context(), issuer.DeriveRequest{
		Token: expiring.Token, Response: mytoken.Response{Type: mytoken.ResponseShortToken}, Client: client,
	})
	require.NoError(t, err)
	early := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Restrictions: restriction.List{{NotBefore: begin}}})
	evil, err := mytoken.GenerateKey(mytoken.ES384)
	require.NoError(t, err)
	forger, err := mytoken.NewKeys(evil)
	require.NoError(t, err)
	forge := func(of *mytoken.Issued) mytoken.Secret {
		forged, err := forger.Sign(of.Claims.Claims())
		require.NoError(t, err)
		return forged
	}
	s.Clock.Advance(time.Hour)
	operations := map[string]func(token mytoken.Secret) error{
		"access token": func(token mytoken.Secret) error { _, err := accessToken(t, s, token); return err },
		"derive": func(token mytoken.Secret) error {
			_, err := s.Issuer.Derive(t.Context(), issuer.DeriveRequest{Token: token, Client: client})
			return err
		},
		"explain": func(token mytoken.Secret) error {
			_, err := s.Issuer.Explain(t.Context(), issuer.ExplainRequest{Token: token, Client: client})
			return err
		},
		"introspect": func(token mytoken.Secret) error {
			_, err := s.Issuer.Introspect(t.Context(), issuer.IntrospectRequest{Token: token, Client: client})
			return err
		},
		"transfer": func(token mytoken.Secret) error {
			_, err := s.Issuer.Transfer(t.Context(), issuer.TransferRequest{Token: token, Client: client})
			return err
		},
	}
	for name, operate := range operations {
		*notices = nil
		log.Reset()
		for _, token := range []mytoken.Secret{expiring.Token, short.Token} {
			err := operate(token)
			require.EqualError(t, err, "issuer: the token expired at "+instant(end), name)
			e := errAs[*issuer.TokenError](t, err)
			require.Equal(t, issuer.TokenExpired, e.Reason)
			require.Equal(t, end, e.At.Unix())
			require.ErrorIs(t, err, mytoken.ErrTokenExpired)
		}
		err := operate(early.Token)
		require.EqualError(t, err, "issuer: the token is not valid before "+instant(begin), name)
		e := errAs[*issuer.TokenError](t, err)
		require.Equal(t, issuer.TokenTooEarly, e.Reason)
		require.Equal(t, begin, e.At.Unix())
		require.ErrorIs(t, err, mytoken.ErrTokenNotYetValid)
		require.Equal(t, []string{"expired", "expired", "early"}, reasonsOf(*notices), name)
		require.NotContains(t, log.String(), "rejected")
		*notices = nil

		for _, forged := range []mytoken.Secret{forge(expiring), forge(early), mytoken.NewSecret(expiring.Token.Reveal()[:len(expiring.Token.Reveal())-8] + "AAAAAAAA")} {
			err := operate(forged)
			e := errAs[*issuer.TokenError](t, err)
			require.Equal(t, issuer.TokenMalformed, e.Reason, name)
			require.Zero(t, e.At)
			require.NotContains(t, err.Error(), "expired")
			require.NotContains(t, err.Error(), "before")
		}
		require.Equal(t, []string{"forged", "forged", "forged"}, reasonsOf(*notices), name)
	}
}

// reasonsOf returns why tokens were rejected.
func reasonsOf(notices []issuer.Notice) (reasons []string) {
	for _, n := range notices {
		if n.Kind == issuer.NoticeRejected {
			reasons = append(reasons, n.Reason)
		}
	}
	return reasons
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

// Anybody can start logins and bring them back to a wrong address. The log does not mention
// each.
func TestMixUpsDoNotFloodTheLog(t *testing.T) {
	s, notices, log := watched(t)
	const many = 30
	for range many {
		login, err := s.Issuer.StartLogin(t.Context(), issuer.LoginRequest{Provider: s.Provider.Issuer(), Client: client})
		require.NoError(t, err)
		_, err = s.Issuer.FinishLogin(t.Context(), issuer.FinishRequest{Path: "/elsewhere", Query: url.Values{"state": {login.State.Reveal()}}, Client: client})
		require.Equal(t, issuer.LoginMixedUp, errAs[*issuer.LoginError](t, err).Reason)
	}
	require.Len(t, *notices, many)
	require.Equal(t, 10, strings.Count(log.String(), "kind=mix_up"))
}
