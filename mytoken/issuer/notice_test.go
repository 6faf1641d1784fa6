package issuer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store/memstore"
	"github.com/mytoken-go/sdk/store/storetest"
)

// scene is a service in which tests let things go wrong. It keeps notices, log and
// secrets.
type scene struct {
	*mytokentest.Service
	t       *testing.T
	store   *storetest.Faulty
	policy  knob[issuer.Policy]
	fault   knob[map[optest.Endpoint]optest.Fault]
	decide  knob[optest.Decision]
	notices knob[[]issuer.Notice]
	log     bytes.Buffer
	secrets []string
}

func newScene(t *testing.T) *scene {
	t.Helper()
	sc := &scene{t: t}
	sc.store = storetest.NewFaulty(memstore.New(), nil)
	sc.Service = start(t, mytokentest.Options{
		Store: sc.store,
		Provider: optest.Options{
			Faults: func(p optest.FaultPoint) optest.Fault { return sc.fault.get()[p.Endpoint] },
			Decide: func(optest.AuthorizationRequest) optest.Decision { return sc.decide.get() },
		},
		Config: func(c *issuer.Config) {
			c.Logger = slog.New(slog.NewTextHandler(&sc.log, nil))
			c.Policy = func(ctx context.Context, i *issuer.Issuance) error {
				if p := sc.policy.get(); p != nil {
					return p(ctx, i)
				}
				return nil
			}
			c.Observer = func(_ context.Context, n issuer.Notice) {
				sc.notices.mu.Lock()
				defer sc.notices.mu.Unlock()
				sc.notices.v = append(sc.notices.v, n)
			}
		},
	})
	return sc
}

func (sc *scene) breaks(at optest.Endpoint, f optest.Fault) {
	sc.fault.set(map[optest.Endpoint]optest.Fault{at: f})
}

func (sc *scene) refuses(kind issuer.PolicyKind, err error) {
	sc.policy.set(func(_ context.Context, i *issuer.Issuance) error {
		if i.Kind == kind {
			return err
		}
		return nil
	})
}

func (sc *scene) keep(secrets ...mytoken.Secret) {
	for _, s := range secrets {
		sc.secrets = append(sc.secrets, s.Reveal())
	}
}

func (sc *scene) start() (*issuer.Login, error) {
	login, err := sc.Issuer.StartLogin(sc.t.Context(), issuer.LoginRequest{
		Provider: sc.Provider.Issuer(), Client: client,
		Properties: mytoken.Properties{Capabilities: allCapabilities, Restrictions: restriction.List{{Scopes: []string{"compute"}}}},
	})
	if err == nil {
		sc.keep(login.State)
	}
	return login, err
}

// back is a login whose browser comes back.
func (sc *scene) back() issuer.FinishRequest {
	sc.t.Helper()
	login, err := sc.start()
	require.NoError(sc.t, err)
	back := browse(sc.t, login, "alice")
	if code := back.Query.Get("code"); code != "" {
		sc.secrets = append(sc.secrets, code)
	}
	return back
}

func (sc *scene) finish(back issuer.FinishRequest) error {
	_, err := sc.Issuer.FinishLogin(sc.t.Context(), back)
	return err
}

func (sc *scene) token() *mytoken.Issued {
	sc.t.Helper()
	result, err := sc.Issuer.FinishLogin(sc.t.Context(), sc.back())
	require.NoError(sc.t, err)
	sc.keep(result.Issued.Token)
	return result.Issued
}

func (sc *scene) access(token mytoken.Secret) error {
	_, err := accessToken(sc.t, sc.Service, token)
	return err
}

// unusual are the notices that tests of a failure are about.
func (sc *scene) unusual() (out []issuer.Notice) {
	for _, n := range sc.notices.get() {
		switch n.Kind {
		case issuer.NoticeIssued, issuer.NoticeAccessToken, issuer.NoticeRefreshTokenStored, issuer.NoticeRevokedAtProvider, issuer.NoticeRevoked:
		default:
			out = append(out, n)
		}
	}
	return out
}

// Each failure is told once, with its kind, its reason and its cause, and without a
// secret.
//
// proves P9
func TestEachFailureIsToldOnce(t *testing.T) {
	forbidden := errors.New("not for you")
	for name, c := range map[string]struct {
		fail  func(*scene) error // returns the error that somebody got, which the notice has as its cause
		want  string
		level string // of the line in the log; "": none
	}{
		"policy, start": {func(sc *scene) error {
			sc.refuses(issuer.PolicyConsent, forbidden)
			_, err := sc.start()
			return err
		}, "policy_refused consent", "INFO"},
		"policy, approval": {func(sc *scene) error {
			n := native(sc.t, sc.Service, issuer.LoginRequest{Client: client})
			sc.keep(n.ConsentCode, n.PollingCode)
			sc.refuses(issuer.PolicyConsent, forbidden)
			_, err := sc.Issuer.Approve(sc.t.Context(), n.ConsentCode, agreedProperties)
			return err
		}, "policy_refused consent", "INFO"},
		"policy, login": {func(sc *scene) error {
			sc.refuses(issuer.PolicyLogin, forbidden)
			return sc.finish(sc.back())
		}, "policy_refused login", "INFO"},
		"policy, adoption": {func(sc *scene) error {
			sc.refuses(issuer.PolicyAdopt, forbidden)
			token := portalRefreshToken(sc.t, sc.Service, "alice")
			sc.keep(token)
			_, err := sc.Issuer.Adopt(sc.t.Context(), adoption(sc.Service, token))
			return err
		}, "policy_refused adopt", "INFO"},
		"policy, child": {func(sc *scene) error {
			sc.refuses(issuer.PolicyDerive, forbidden)
			_, err := sc.Issuer.Derive(sc.t.Context(), issuer.DeriveRequest{Token: sc.token().Token, Client: client})
			return err
		}, "policy_refused derive", "INFO"},

		"attributes away": {func(sc *scene) error {
			policy, err := issuer.AttributePolicy(issuer.AttributeRules{
				Sources: []issuer.ClaimSource{{Claim: "groups"}}, Forbid: true,
				Rules: []issuer.AttributeRule{{Value: "staff", Enforce: issuer.Enforced{Nothing: true}}},
			})
			require.NoError(sc.t, err)
			sc.policy.set(policy)
			sc.breaks(optest.EndpointUserInfo, optest.Fault{FailBefore: 500})
			return sc.finish(sc.back())
		}, "policy_refused login", "WARN"},

		"declined here": {func(sc *scene) error {
			n := native(sc.t, sc.Service, issuer.LoginRequest{Client: client})
			_, err := sc.Issuer.Decline(sc.t.Context(), n.ConsentCode)
			return err
		}, "login_declined consent", "INFO"},
		"declined at the provider": {func(sc *scene) error {
			sc.decide.set(optest.Decision{Error: "access_denied"})
			return sc.finish(sc.back())
		}, "login_declined provider", "INFO"},

		"error of the provider": {func(sc *scene) error {
			sc.decide.set(optest.Decision{Error: "login_required"})
			return sc.finish(sc.back())
		}, "login_failed provider", "WARN"},
		"code refused": {func(sc *scene) error {
			sc.breaks(optest.EndpointExchange, optest.Fault{Refuse: "invalid_grant"})
			return sc.finish(sc.back())
		}, "login_failed code", "WARN"},
		"foreign redirect": {func(sc *scene) error {
			back := sc.back()
			back.Query.Set("iss", "https://elsewhere.example")
			return sc.finish(back)
		}, "login_failed redirect", "WARN"},
		"no refresh token": {func(sc *scene) error {
			sc.breaks(optest.EndpointExchange, optest.Fault{NoRefreshToken: true})
			return sc.finish(sc.back())
		}, "login_failed refresh_token", "WARN"},
		"other scopes": {func(sc *scene) error {
			sc.breaks(optest.EndpointExchange, optest.Fault{Scopes: []string{"storage.read"}})
			return sc.finish(sc.back())
		}, "login_failed scopes", "WARN"},
		"polling code revoked": {func(sc *scene) error {
			n := native(sc.t, sc.Service, issuer.LoginRequest{Client: client})
			login, err := sc.Issuer.Approve(sc.t.Context(), n.ConsentCode, agreedProperties)
			require.NoError(sc.t, err)
			back := browse(sc.t, login, "alice")
			revoke(sc.t, sc.Service, n.PollingCode, false)
			return sc.finish(back)
		}, "login_failed revoked", "WARN"},
		"reconnected as another user": {func(sc *scene) error {
			login, err := sc.Issuer.StartReconnect(sc.t.Context(), issuer.ReconnectRequest{Token: sc.token().Token, Client: client})
			require.NoError(sc.t, err)
			return sc.finish(browse(sc.t, login, "bob"))
		}, "login_failed user", "WARN"},
		"store away": {func(sc *scene) error {
			back := sc.back()
			sc.store.Reset(storetest.FailFrom(storetest.Before("CreateRoot", 1), storetest.ErrFault))
			return sc.finish(back)
		}, "login_failed store", ""},
		"mix-up": {func(sc *scene) error {
			back := sc.back()
			back.Path = "/redirect/other"
			return sc.finish(back)
		}, "mix_up ", "WARN"},

		"provider away at the start": {func(sc *scene) error {
			sc.breaks(optest.EndpointDiscovery, optest.Fault{FailBefore: 500})
			_, err := sc.start()
			return err
		}, "provider_failed authorize", "WARN"},
		"provider busy at the exchange": {func(sc *scene) error { // the login goes on waiting
			sc.breaks(optest.EndpointExchange, optest.Fault{FailBefore: 503})
			return sc.finish(sc.back())
		}, "provider_failed exchange", "WARN"},
		"answer of the exchange lost": {func(sc *scene) error {
			sc.breaks(optest.EndpointExchange, optest.Fault{LoseAnswer: true})
			return sc.finish(sc.back())
		}, "provider_failed exchange", "WARN"},
		"client unknown to the provider": {func(sc *scene) error {
			sc.breaks(optest.EndpointExchange, optest.Fault{Refuse: "invalid_client"})
			return sc.finish(sc.back())
		}, "provider_failed exchange", "WARN"},
		"unusable ID token": {func(sc *scene) error {
			sc.breaks(optest.EndpointExchange, optest.Fault{IDToken: func(header, _ map[string]any) { header["alg"] = "none" }})
			return sc.finish(sc.back())
		}, "provider_failed exchange", "WARN"},
		"provider away at a refresh": {func(sc *scene) error {
			token := sc.token()
			sc.breaks(optest.EndpointRefresh, optest.Fault{FailBefore: 500})
			return sc.access(token.Token)
		}, "provider_failed refresh", "WARN"},
		"client unknown at a refresh": {func(sc *scene) error {
			token := sc.token()
			sc.breaks(optest.EndpointRefresh, optest.Fault{Refuse: "unauthorized_client"})
			return sc.access(token.Token)
		}, "provider_failed refresh", "WARN"},
		"login suspect": {func(sc *scene) error {
			token := sc.token()
			sc.breaks(optest.EndpointRefresh, optest.Fault{Refuse: "invalid_grant"})
			return sc.access(token.Token)
		}, "grant_suspect ", "WARN"},
		"user to ask": {func(sc *scene) error { // the client can do something about it
			token := sc.token()
			sc.breaks(optest.EndpointRefresh, optest.Fault{Refuse: "interaction_required"})
			return sc.access(token.Token)
		}, "", ""},
		"userinfo away": {func(sc *scene) error {
			token := portalRefreshToken(sc.t, sc.Service, "alice")
			sc.keep(token)
			sc.breaks(optest.EndpointUserInfo, optest.Fault{FailBefore: 500})
			_, err := sc.Issuer.Adopt(sc.t.Context(), adoption(sc.Service, token))
			return err
		}, "provider_failed userinfo", "WARN"},

		"malformed": {func(sc *scene) error { return sc.access(mytoken.NewSecret("a-password-of-somebody")) }, "rejected malformed", "WARN"},
		"forged": {func(sc *scene) error {
			token := sc.token().Token.Reveal()
			return sc.access(mytoken.NewSecret(token[:len(token)-8] + "AAAAAAAA"))
		}, "rejected forged", "WARN"},
		"unknown": {func(sc *scene) error { return sc.access(mytoken.NewSecret(strings.Repeat("abcd", 16))) }, "rejected unknown", "WARN"},
		"revoked": {func(sc *scene) error {
			token := sc.token()
			revoke(sc.t, sc.Service, token.Token, true)
			return sc.access(token.Token)
		}, "rejected revoked", ""},
		"revoked, and refused otherwise": {func(sc *scene) error {
			token := sc.token()
			revoke(sc.t, sc.Service, token.Token, true)
			_, err := sc.Issuer.AccessToken(sc.t.Context(), issuer.AccessTokenRequest{Token: token.Token, Scopes: []string{"storage.write"}, Client: client})
			return err
		}, "rejected revoked", ""},
		"restrictions": {func(sc *scene) error {
			_, err := sc.Issuer.AccessToken(sc.t.Context(), issuer.AccessTokenRequest{Token: sc.token().Token, Scopes: []string{"storage.write"}, Client: client})
			return err
		}, "refused restrictions", ""},
		"capability": {func(sc *scene) error {
			sc.policy.set(func(_ context.Context, i *issuer.Issuance) error {
				i.Properties.Capabilities = capability.Set{capability.Tokeninfo}
				return nil
			})
			return sc.access(sc.token().Token)
		}, "refused capability", ""},
		"too broad an answer": {func(sc *scene) error {
			token := sc.token()
			sc.breaks(optest.EndpointRefresh, optest.Fault{Scopes: []string{"compute", "storage.write"}})
			return sc.access(token.Token)
		}, "broader_answer ", "WARN"},
	} {
		t.Run(name, func(t *testing.T) {
			sc := newScene(t)
			err := c.fail(sc)
			if name != "declined here" {
				require.Error(t, err)
			}
			got := sc.unusual()
			if c.want == "" {
				require.Empty(t, got)
				return
			}
			require.Len(t, got, 1, "%+v", got)
			require.Equal(t, c.want, string(got[0].Kind)+" "+got[0].Reason)
			if err != nil {
				require.Error(t, cmpError(got[0].Err, got[0].Detail), "it tells the cause")
				for _, cause := range causes(got[0].Err) {
					require.ErrorIs(t, err, cause, "the notice and the caller have the same cause")
				}
			}
			if got[0].Kind != issuer.NoticeGrantSuspect && got[0].Kind != issuer.NoticeBroaderAnswer && got[0].Reason != "refresh" {
				require.Equal(t, client.Address, got[0].Client.Address)
			}
			lines := 0
			for line := range strings.Lines(sc.log.String()) {
				if strings.Contains(line, "kind="+string(got[0].Kind)) {
					lines++
					require.Contains(t, line, "level="+c.level+" ")
				}
			}
			require.Equal(t, c.level != "", lines == 1, "%s", sc.log.String())

			text := fmt.Sprintf("%v %+v %#v %v", got, got, got, got[0].Err)
			encoded, err := json.Marshal(struct{ Kind, Reason, Detail string }{string(got[0].Kind), got[0].Reason, got[0].Detail})
			require.NoError(t, err)
			require.Empty(t, storetest.FindSecrets([]byte(text+string(encoded)+sc.log.String()), sc.secrets...))
		})
	}
}

// cmpError returns an error if a notice tells anything.
func cmpError(err error, detail string) error {
	if err == nil && detail != "" {
		return errors.New(detail)
	}
	return err
}

// causes returns the errors of the provider and of a policy in a chain.
func causes(err error) (out []error) {
	for ; err != nil; err = errors.Unwrap(err) {
		if _, ok := err.(*oidcupstream.Error); ok {
			out = append(out, err)
		}
		if _, ok := err.(*issuer.PolicyError); ok {
			out = append(out, err)
		}
	}
	return out
}

// Strangers can start logins and send tokens without end. The log mentions ten of a kind
// in a minute, and the observer hears of each.
func TestFailuresDoNotFloodTheLog(t *testing.T) {
	sc := newScene(t)
	sc.refuses(issuer.PolicyConsent, errors.New("not for you"))
	for range 50 {
		_, err := sc.start()
		require.Error(t, err)
	}
	sc.policy.set(nil)
	sc.decide.set(optest.Decision{Error: "login_required"})
	for range 50 {
		require.Error(t, sc.finish(sc.back()))
	}
	sc.decide.set(optest.Decision{})
	sc.breaks(optest.EndpointExchange, optest.Fault{FailBefore: 500})
	for range 50 {
		require.Error(t, sc.finish(sc.back()))
	}
	require.Len(t, sc.unusual(), 150)
	sc.decide.set(optest.Decision{Error: "access_denied"})
	for range 50 {
		require.Error(t, sc.finish(sc.back()))
	}
	require.Len(t, sc.unusual(), 200)
	for _, kind := range []string{"policy_refused", "login_declined", "login_failed", "provider_failed"} {
		require.Equal(t, 10, strings.Count(sc.log.String(), "kind="+kind), kind)
	}
}

// A login that worked is one line of the level Info, as is one that replaced a refresh
// token. It names the token and the provider. Tokens that come from other tokens are no
// lines: they are in the history.
func TestLoginsAreLogged(t *testing.T) {
	sc := newScene(t)
	issued := sc.token()
	ctx := t.Context()
	_, err := sc.Issuer.Derive(ctx, issuer.DeriveRequest{Token: issued.Token, Client: client})
	require.NoError(t, err)
	_, err = sc.Issuer.Adopt(ctx, adoption(sc.Service, portalRefreshToken(t, sc.Service, "alice")))
	require.NoError(t, err)
	var reasons []string
	for _, n := range sc.notices.get() {
		if n.Kind == issuer.NoticeIssued {
			reasons = append(reasons, n.Reason)
		}
	}
	require.Equal(t, []string{"login", "derive", "adopt"}, reasons)
	id := `mom_id="?` + regexp.QuoteMeta(issued.Claims.ID().String()) + `"?`
	require.Regexp(t, `^\S+ level=INFO msg=mytoken kind=issued address=192\.0\.2\.7 `+id+` reason=login detail=`+sc.Provider.Issuer()+"\n$", sc.log.String())

	login, err := sc.Issuer.StartReconnect(ctx, issuer.ReconnectRequest{Token: issued.Token, Client: client})
	require.NoError(t, err)
	require.NoError(t, sc.finish(browse(t, login, "alice")))
	require.Regexp(t, `\n\S+ level=INFO msg=mytoken kind=reconnected address=192\.0\.2\.7 `+id+` detail=`+sc.Provider.Issuer()+"\n$", sc.log.String())
	require.Equal(t, 2, strings.Count(sc.log.String(), "\n"), sc.log.String())
}

// An error of a login has the attributes that an operator searches for.
func TestLogAttrs(t *testing.T) {
	for name, c := range map[string]struct {
		fail func(*scene) error
		want string
	}{
		"nonce": {func(sc *scene) error {
			sc.breaks(optest.EndpointExchange, optest.Fault{IDToken: func(_, claims map[string]any) { claims["nonce"] = "another" }})
			return sc.finish(sc.back())
		}, "[reason=exchange claim=nonce]"},
		"refusal": {func(sc *scene) error {
			sc.breaks(optest.EndpointExchange, optest.Fault{Refuse: "invalid_client"})
			return sc.finish(sc.back())
		}, "[reason=exchange provider_status=400 provider_error=invalid_client]"},
		"code": {func(sc *scene) error {
			sc.breaks(optest.EndpointExchange, optest.Fault{Refuse: "invalid_grant"})
			return sc.finish(sc.back())
		}, "[reason=code provider_status=400 provider_error=invalid_grant]"},
		"status": {func(sc *scene) error {
			sc.breaks(optest.EndpointExchange, optest.Fault{FailBefore: 500})
			return sc.finish(sc.back())
		}, "[reason=exchange provider_status=500]"},
		"declined": {func(sc *scene) error {
			sc.decide.set(optest.Decision{Error: "access_denied"})
			return sc.finish(sc.back())
		}, "[reason=provider provider_error=access_denied]"},
		"no refresh token": {func(sc *scene) error {
			sc.breaks(optest.EndpointExchange, optest.Fault{NoRefreshToken: true})
			return sc.finish(sc.back())
		}, "[reason=refresh_token]"},
		"refresh": {func(sc *scene) error {
			token := sc.token()
			sc.breaks(optest.EndpointRefresh, optest.Fault{FailBefore: 500})
			return sc.access(token.Token)
		}, "[reason=refresh provider_status=500]"},
		"no error of a login": {func(sc *scene) error { return sc.access(mytoken.NewSecret("a guess")) }, "[]"},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.fail(newScene(t))
			require.Error(t, err)
			require.Equal(t, c.want, fmt.Sprint(issuer.LogAttrs(err)))
		})
	}
	require.Empty(t, issuer.LogAttrs(nil))
}
