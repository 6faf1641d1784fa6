package rest_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/enginetest"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// patient configures a service that waits for its provider, however slow the machine is.
func patient(o *setup) {
	o.Upstream = func(c *oidcupstream.Config) { c.Timeout = 10 * time.Minute }
	o.Config = func(c *issuer.Config) { c.Lease, c.WaitLimit = 15*time.Minute, 10*time.Minute }
	o.rest.RequestTimeout = 20 * time.Minute
}

// hang makes the provider hold up refreshes of alice's logins. It says so at waiting, and
// goes on when release is closed.
func hang(waiting chan<- struct{}, release <-chan struct{}) func(optest.FaultPoint) optest.Fault {
	return func(p optest.FaultPoint) optest.Fault {
		if p.Endpoint != optest.EndpointRefresh || p.Subject != "alice" {
			return optest.Fault{}
		}
		return optest.Fault{Wait: func(ctx context.Context) {
			waiting <- struct{}{}
			select {
			case <-release:
			case <-ctx.Done():
			}
		}}
	}
}

// TestSlowProviderDelaysNobodyElse: 32 requests wait for the provider, with one token or
// each with its own. Before it answers, the service still introspects and uses another
// token, introspects theirs, and serves discovery.
func TestSlowProviderDelaysNobodyElse(t *testing.T) {
	const clients = 32
	for name, logins := range map[string]int{"one token": 1, "a token each": clients} {
		t.Run(name, func(t *testing.T) {
			release, waiting := make(chan struct{}), make(chan struct{}, clients)
			arrived := make(chan struct{}, 2*clients)
			s := start(t, patient, func(o *setup) {
				o.Provider.Faults = hang(waiting, release)
				o.wrap = func(h http.Handler) http.Handler {
					return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						if r.Header.Get("X-Slow") != "" {
							arrived <- struct{}{}
						}
						h.ServeHTTP(w, r)
					})
				}
			})
			var slow []string
			for range logins {
				slow = append(slow, s.token(mytoken.Properties{}))
			}
			other := s.tokenOf("bob", mytoken.Properties{})
			var wg sync.WaitGroup
			statuses := make(chan int, clients)
			for i := range clients {
				wg.Go(func() { statuses <- s.access(slow[i%logins], nil, "X-Slow", "yes").StatusCode })
			}
			for range clients {
				<-arrived
			}
			for range logins { // with one token, all share one call
				<-waiting
			}
			for i := range 8 {
				s.object(s.introspect(other), 200)
				s.object(s.access(other, nil), 200)
				s.object(s.introspect(slow[i%logins]), 200)
				s.object(s.do(http.MethodGet, "/.well-known/openid-configuration", ""), 200)
			}
			select {
			case status := <-statuses:
				t.Errorf("the provider did not hold anybody up: %d", status)
			default:
			}
			close(release)
			wg.Wait()
			for range clients {
				if status := <-statuses; status != 200 {
					t.Errorf("%d", status)
				}
			}
		})
	}
}

// TestManyRevocations: 40 revocations by mom_id at once all succeed, on each store.
func TestManyRevocations(t *testing.T) {
	for _, e := range enginetest.All {
		t.Run(e.Name, func(t *testing.T) {
			s := start(t, patient, func(o *setup) { o.Store = open(t, e) })
			manager := s.token(mytoken.Properties{})
			var targets []any
			for range 40 {
				targets = append(targets, s.object(s.derive(manager, m{"capabilities": []string{"AT"}}), 200)["mom_id"])
			}
			inParallel(40, func(i int) *reply {
				r := s.post("/api/v0/token/revoke", m{"token": manager, "mom_id": targets[i]})
				assert.Equal(t, http.StatusNoContent, r.StatusCode, "%d %s\n%s", r.StatusCode, r.text, s.Log)
				return r
			})
			tree := encode(t, s.object(s.info("subtokens", manager, nil), 200))
			assert.Equal(t, len(targets), strings.Count(tree, `"revoked":true`), tree)
		})
	}
}

// TestRequestTimeout: a client that waits too long gets a response that it understands
// before it gives up.
func TestRequestTimeout(t *testing.T) {
	release := make(chan struct{})
	s := start(t, func(o *setup) {
		o.rest.RequestTimeout = 20 * time.Millisecond
		o.Provider.Faults = func(p optest.FaultPoint) optest.Fault {
			if p.Endpoint != optest.EndpointRefresh {
				return optest.Fault{}
			}
			return optest.Fault{Wait: func(ctx context.Context) {
				select {
				case <-release:
				case <-ctx.Done():
				}
			}}
		}
	})
	r := s.access(s.token(mytoken.Properties{}), nil)
	close(release)
	if r.StatusCode != 503 || !strings.Contains(r.text, `"temporarily_unavailable"`) {
		t.Errorf("%d %s", r.StatusCode, r.text)
	}
}

// TestGoneClients: a client that hangs up does no harm.
func TestGoneClients(t *testing.T) {
	s := start(t)
	conn, err := net.Dial("tcp", s.http.Listener.Addr().String())
	require.NoError(t, err)
	if _, err := io.WriteString(conn, "POST /api/v0/token/my HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	s.object(s.do(http.MethodGet, "/api/v0/settings", ""), 200)
}
