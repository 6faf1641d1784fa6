package oidcupstream_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

func TestUserInfo(t *testing.T) {
	for _, signed := range []bool{false, true} {
		b := newBench(t, optest.Options{
			SignedUserInfo: signed,
			Users:          []optest.User{{Subject: "carol", Claims: map[string]any{"eduperson_entitlement": []string{"urn:group:a"}}}},
		})
		tokens := b.login()
		raw, err := b.p.UserInfo(t.Context(), tokens.AccessToken, "carol")
		require.NoError(t, err)
		var claims struct {
			Sub         string   `json:"sub"`
			Entitlement []string `json:"eduperson_entitlement"`
		}
		require.NoError(t, json.Unmarshal(raw, &claims))
		require.Equal(t, "carol", claims.Sub)
		require.Equal(t, []string{"urn:group:a"}, claims.Entitlement)

		_, err = b.p.UserInfo(t.Context(), tokens.AccessToken, "dave")
		require.ErrorIs(t, err, oidcupstream.ErrSubject)
		require.Equal(t, "sub", upstreamError(t, err).Claim)
		_, err = b.p.UserInfo(t.Context(), tokens.AccessToken, "")
		require.ErrorIs(t, err, oidcupstream.ErrRequest)
		_, err = b.p.UserInfo(t.Context(), "", "carol")
		require.ErrorIs(t, err, oidcupstream.ErrRequest)

		_, err = b.p.UserInfo(t.Context(), "made up", "carol")
		e := upstreamError(t, err)
		require.Equal(t, oidcupstream.Refused, e.Outcome)
		require.Equal(t, "invalid_token", e.Code)
		require.Equal(t, "The access token is not valid here", e.Description)

		b.faults.on(optest.EndpointUserInfo, optest.Fault{Edit: func(a map[string]any) { delete(a, "sub") }})
		_, err = b.p.UserInfo(t.Context(), tokens.AccessToken, "carol")
		require.ErrorIs(t, err, oidcupstream.ErrSubject)
		for _, fault := range []optest.Fault{{FailBefore: 500}, {FailAfter: 200}, {LoseRequest: true}, {Pad: 2 << 20}} {
			b.faults.on(optest.EndpointUserInfo, fault)
			_, err = b.p.UserInfo(t.Context(), tokens.AccessToken, "carol")
			require.Equal(t, oidcupstream.Unknown, upstreamError(t, err).Outcome)
		}
	}
}

// UserInfo accepts a signed answer only if the provider signed it for this client.
func TestSignedUserInfoRefused(t *testing.T) {
	b := newBench(t, optest.Options{SignedUserInfo: true})
	tokens := b.login()
	for name, edit := range map[string]func(header, claims map[string]any){
		"unsigned":         func(header, _ map[string]any) { header["alg"] = "none" },
		"another key":      func(header, _ map[string]any) { header["kid"] = "nobody's" },
		"another issuer":   func(_, claims map[string]any) { claims["iss"] = "https://evil.example" },
		"another audience": func(_, claims map[string]any) { claims["aud"] = []string{"other"} },
	} {
		b.faults.on(optest.EndpointUserInfo, optest.Fault{IDToken: edit})
		_, err := b.p.UserInfo(t.Context(), tokens.AccessToken, "alice")
		require.ErrorIs(t, err, oidcupstream.ErrAnswer, name)
		require.Equal(t, map[string]string{"another issuer": "iss", "another audience": "aud"}[name], upstreamError(t, err).Claim, name)
	}
	b.faults.on(optest.EndpointUserInfo, optest.Fault{IDToken: func(_, claims map[string]any) {
		delete(claims, "iss")
		delete(claims, "aud")
	}})
	_, err := b.p.UserInfo(t.Context(), tokens.AccessToken, "alice")
	require.NoError(t, err, "both are optional")
}

func TestChallenges(t *testing.T) {
	for challenge, want := range map[string][2]string{
		`Bearer realm="a, b", error="invalid_token", error_description="x = y"`: {"invalid_token", "x = y"},
		`bearer error=insufficient_scope,scope="openid"`:                        {"insufficient_scope", ""},
		`Bearer`:                              {"", ""},
		`Bearer error`:                        {"", ""},
		`Bearer error=`:                       {"", ""},
		`Bearer error="unterminated`:          {"unterminated", ""},
		`Basic error="invalid_token"`:         {"", ""},
		`Bearer ,,=,error="",="x",error="ok"`: {"ok", ""},
	} {
		p := answering(t, 401, http.Header{"Www-Authenticate": {challenge}}, "")
		_, err := p.UserInfo(t.Context(), "token", "sub")
		e := upstreamError(t, err)
		require.Equal(t, want, [2]string{e.Code, e.Description}, challenge)
		require.Equal(t, want[0] != "", e.Outcome == oidcupstream.Refused, challenge)
	}
}

func TestRevoke(t *testing.T) {
	b := newBench(t, optest.Options{})
	tokens := b.login()
	require.NoError(t, b.p.Revoke(t.Context(), tokens.RefreshToken))
	_, err := b.refresh(tokens.RefreshToken)
	require.True(t, upstreamError(t, err).InvalidGrant())
	_, err = b.p.UserInfo(t.Context(), tokens.AccessToken, "alice")
	require.Error(t, err)
	require.NoError(t, b.p.Revoke(t.Context(), tokens.RefreshToken), "again")
	require.NoError(t, b.p.Revoke(t.Context(), "made up"), "RFC 7009 2.2: unknown tokens are no error")
	require.ErrorIs(t, b.p.Revoke(t.Context(), ""), oidcupstream.ErrRequest)

	b.faults.on(optest.EndpointRevoke, optest.Fault{FailAfter: 503})
	require.Equal(t, oidcupstream.Unknown, upstreamError(t, b.p.Revoke(t.Context(), tokens.RefreshToken)).Outcome)
	b.faults.on(optest.EndpointRevoke, optest.Fault{Refuse: "unsupported_token_type"})
	e := upstreamError(t, b.p.Revoke(t.Context(), tokens.RefreshToken))
	require.Equal(t, oidcupstream.Refused, e.Outcome)
	require.Equal(t, "unsupported_token_type", e.Code)
}

func TestEndpointsNotSupported(t *testing.T) {
	b := newBench(t, optest.Options{NoRevocation: true})
	tokens := b.login()
	err := b.p.Revoke(t.Context(), tokens.RefreshToken)
	require.ErrorIs(t, err, oidcupstream.ErrUnsupported)
	require.Equal(t, oidcupstream.NotSent, upstreamError(t, err).Outcome)

	plain := newBench(t, optest.Options{})
	plain.faults.on(optest.EndpointDiscovery, optest.Fault{Edit: func(doc map[string]any) { delete(doc, "userinfo_endpoint") }})
	_, err = plain.p.UserInfo(t.Context(), "token", "sub")
	require.ErrorIs(t, err, oidcupstream.ErrUnsupported)
}
