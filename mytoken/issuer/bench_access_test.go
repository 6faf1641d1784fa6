package issuer_test

import (
	"context"
	"fmt"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/internal/benchtest"
	"github.com/mytoken-go/sdk/internal/enginetest"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/restriction"
)

// benchCallers is the largest number of callers, and the number of tokens.
const benchCallers = 32

// benchPolicies say how often the provider of a benchmark rotates a refresh token.
var benchPolicies = []struct {
	name     string
	rotation optest.Rotation
	every    int64 // every so many refreshes replace the token, whatever rotation says
}{
	{"rotates=never", optest.RotateOff, 0},
	{"rotates=sometimes", optest.RotateOff, 10},
	{"rotates=always", optest.RotateStrict, 0},
}

// BenchmarkAccessToken measures complete requests: restricted tokens with a limit, on
// each store, and a provider in the process behind real HTTP. x-floor compares with a
// bare POST of the same refresh through a tuned transport, by as many callers. The
// provider hands out prepared tokens, so that its signatures take no part on either side.
//
// distinct has a token for each caller. named is the same with an ID for each request.
// shared has one token for all callers, so that requests share calls to the provider;
// those of its floor do, too. stated is distinct, and the operator has stated that the
// provider never rotates.
func BenchmarkAccessToken(b *testing.B) {
	for _, engine := range enginetest.All {
		b.Run(engine.Name, func(b *testing.B) {
			s := newBenchSite(b, engine)
			for _, policy := range benchPolicies {
				never := policy.rotation == optest.RotateOff && policy.every == 0
				b.Run(policy.name, func(b *testing.B) {
					s.op.SetRotation(policy.rotation)
					s.every.Store(policy.every)
					for _, callers := range []int{1, 8, benchCallers} {
						b.Run(fmt.Sprintf("distinct/callers=%d", callers), func(b *testing.B) { s.distinct(b, s.issuer, callers, false) })
						if never {
							b.Run(fmt.Sprintf("named/callers=%d", callers), func(b *testing.B) { s.distinct(b, s.issuer, callers, true) })
							b.Run(fmt.Sprintf("stated/callers=%d", callers), func(b *testing.B) { s.distinct(b, s.stated, callers, false) })
						}
						if callers > 1 {
							b.Run(fmt.Sprintf("shared/callers=%d", callers), func(b *testing.B) { s.shared(b, callers) })
						}
					}
				})
			}
			require.Zero(b, s.op.Reuses())
		})
	}
}

// benchSite is an issuer with tokens, and a provider.
type benchSite struct {
	op     *optest.Server
	every  atomic.Int64 // see benchPolicies
	issuer *issuer.Issuer
	stated *issuer.Issuer // RefreshTokensNeverRotate is set
	config issuer.Config  // of issuer
	tokens []mytoken.Secret
	floors []*benchtest.Refresh // each with a login of its own
}

func newBenchSite(b *testing.B, engine enginetest.Engine) *benchSite {
	b.Helper()
	s := &benchSite{tokens: make([]mytoken.Secret, benchCallers), floors: make([]*benchtest.Refresh, benchCallers)}
	service, err := mytokentest.Start(mytokentest.Options{
		Store: engine.Open(b, benchCallers),
		Provider: optest.Options{RefreshAlways: true, PreparedTokens: true, Faults: func(at optest.FaultPoint) optest.Fault {
			every := s.every.Load()
			return optest.Fault{Rotate: every > 0 && at.Endpoint == optest.EndpointRefresh && int64(at.Call)%every == 0}
		}},
	})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, service.Close()) })
	s.op, s.issuer = service.Provider, service.Issuer

	upstream := s.op.ClientConfig(mytokentest.IssuerURL + "/redirect")
	upstream.RefreshTokensNeverRotate = true
	provider, err := oidcupstream.New(upstream)
	require.NoError(b, err)
	s.config = service.Config
	config := s.config
	config.Providers = []issuer.Provider{{Upstream: provider}}
	s.stated, err = issuer.New(config)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, s.stated.Close(context.WithoutCancel(b.Context()))) })

	client := benchtest.NewClient(b, benchCallers)
	var all sync.WaitGroup
	for k := range benchCallers {
		all.Go(func() {
			refresh, err := service.RefreshToken(b.Context(), fmt.Sprintf("floor-%d", k), worldAudience)
			if err != nil {
				b.Error(err)
				return
			}
			s.floors[k] = &benchtest.Refresh{
				Client: client, Endpoint: s.op.Issuer() + "/token", ID: optest.DefaultClientID, Secret: optest.DefaultClientSecret,
				Form: url.Values{
					"grant_type": {"refresh_token"}, "refresh_token": {refresh.Reveal()}, "scope": {"compute"}, "resource": {worldAudience},
				},
			}
			issued, err := service.Login(b.Context(), fmt.Sprintf("user-%d", k), mytoken.Properties{
				Capabilities: capability.Set{capability.AT},
				Restrictions: restriction.List{{
					Scopes: []string{"compute", "storage.read"}, Audiences: []string{worldAudience}, UsagesAT: restriction.Usages(1 << 40),
				}},
			})
			if err != nil {
				b.Error(err)
				return
			}
			s.tokens[k] = issued.Token
		})
	}
	all.Wait()
	if b.Failed() {
		b.FailNow()
	}
	return s
}

// distinct has a token for each caller.
func (s *benchSite) distinct(b *testing.B, i *issuer.Issuer, callers int, named bool) {
	benchtest.Compare(b, "requests", benchtest.Sides{
		Callers: callers,
		Floor:   func(caller, _ int) error { return s.floors[caller].Post(b.Context()) },
		Work:    func(caller, _ int) error { return s.request(b.Context(), i, s.tokens[caller], named) },
	})
}

// shared has one token for all callers.
func (s *benchSite) shared(b *testing.B, callers int) {
	benchtest.Compare(b, "requests", benchtest.Sides{
		Callers: callers,
		Floor:   func(int, int) error { return s.floors[0].Shared(b.Context()) },
		Work:    func(int, int) error { return s.request(b.Context(), s.issuer, s.tokens[0], false) },
	})
}

func (s *benchSite) request(ctx context.Context, i *issuer.Issuer, token mytoken.Secret, named bool) error {
	req := issuer.AccessTokenRequest{Token: token, Scopes: []string{"compute"}, Client: mytokentest.Client}
	if named {
		req.ID = issuer.NewUseID()
	}
	_, err := i.AccessToken(ctx, req)
	return err
}
