package oidcupstream_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/benchtest"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// BenchmarkRefresh measures refreshes on the loopback interface, by 32 callers. It uses
// the default transport of a provider and that of net/http. x-floor compares with a bare
// POST of the same form to the same provider, through a tuned transport. The provider
// hands out prepared tokens, so that its signatures take no part. allocs/refresh also
// counts those of the provider, which is in the same process.
func BenchmarkRefresh(b *testing.B) {
	const callers = 32
	op, err := optest.Start(optest.Options{PreparedTokens: true})
	require.NoError(b, err)
	b.Cleanup(func() { op.Close() })
	for _, c := range []struct {
		name   string
		client *http.Client
	}{
		{"own-transport", nil},
		{"net/http-transport", &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}},
	} {
		b.Run(c.name, func(b *testing.B) {
			cfg := op.ClientConfig("https://portal.example.org/redirect")
			cfg.HTTPClient = c.client
			p, err := oidcupstream.New(cfg)
			require.NoError(b, err)
			token := benchLogin(b, p)
			floor := make([]*benchtest.Refresh, callers)
			client := benchtest.NewClient(b, callers)
			for i := range floor {
				floor[i] = &benchtest.Refresh{
					Client: client, Endpoint: op.Issuer() + "/token", ID: cfg.ClientID, Secret: optest.DefaultClientSecret,
					Form: url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}, "scope": {"compute"}},
				}
			}
			refresh := func(int, int) error {
				_, err := p.Refresh(b.Context(), oidcupstream.RefreshRequest{RefreshToken: token, Scopes: []string{"compute"}})
				return err
			}
			benchtest.Compare(b, "requests", benchtest.Sides{
				Callers: callers, Floor: func(caller, _ int) error { return floor[caller].Post(b.Context()) }, Work: refresh,
			})
			b.ReportMetric(testing.AllocsPerRun(10, func() {
				if err := refresh(0, 0); err != nil {
					b.Error(err)
				}
			}), "allocs/refresh")
		})
	}
}

// benchLogin returns a refresh token.
func benchLogin(b *testing.B, p *oidcupstream.Provider) string {
	b.Helper()
	const state, nonce, verifier = "state", "nonce", "a-code-verifier-that-is-long-enough-for-anybody"
	target, err := p.AuthorizationURL(b.Context(), oidcupstream.AuthorizationRequest{State: state, Nonce: nonce, Verifier: verifier})
	require.NoError(b, err)
	back, err := optest.Login(b.Context(), target, "")
	require.NoError(b, err)
	u, err := url.Parse(back)
	require.NoError(b, err)
	tokens, err := p.Exchange(b.Context(), oidcupstream.ExchangeRequest{Code: u.Query().Get("code"), Nonce: nonce, Verifier: verifier})
	require.NoError(b, err)
	require.NotEmpty(b, tokens.RefreshToken)
	return tokens.RefreshToken
}
