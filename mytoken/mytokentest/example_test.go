package mytokentest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/restriction"
)

// launcher is the service to test. It starts a job of two hours if the mytoken lasts
// until the end of the job.
type launcher struct{ issuer *issuer.Issuer }

func (l launcher) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token := mytoken.NewSecret(r.FormValue("mytoken"))
	end, err := l.issuer.Explain(r.Context(), issuer.ExplainRequest{Token: token, At: l.issuer.Now().Add(2 * time.Hour)})
	switch {
	case err != nil:
		w.WriteHeader(http.StatusUnauthorized)
	case !end.Admitted:
		w.WriteHeader(http.StatusForbidden)
	default:
		json.NewEncoder(w).Encode("started")
	}
}

// How do I unit-test my service? It needs no network, no database and no waiting: the
// provider is in the process, and the test moves the clock.
func Example() {
	ctx := context.Background()
	service, err := mytokentest.Start(mytokentest.Options{})
	if err != nil {
		panic(err)
	}
	defer service.Close()
	handler := launcher{service.Issuer}
	submit := func(token mytoken.Secret) int {
		answer := httptest.NewRecorder()
		request := httptest.NewRequest(http.MethodPost, "/jobs?mytoken="+token.Reveal(), nil)
		handler.ServeHTTP(answer, request)
		return answer.Code
	}

	issued, err := service.Login(ctx, "alice", mytoken.Properties{
		Restrictions: restriction.List{{Expires: service.Clock.Now().Add(3 * time.Hour).Unix()}},
	})
	if err != nil {
		panic(err)
	}
	fmt.Println("a token that lasts:", submit(issued.Token))
	service.Clock.Advance(2 * time.Hour)
	fmt.Println("a token that expires too soon:", submit(issued.Token))
	service.Clock.Advance(2 * time.Hour)
	fmt.Println("an expired token:", submit(issued.Token))
	// Output:
	// a token that lasts: 200
	// a token that expires too soon: 403
	// an expired token: 401
}

// How does my service behave when the provider fails?
func ExampleStart_faults() {
	ctx := context.Background()
	var down atomic.Bool
	service, err := mytokentest.Start(mytokentest.Options{Provider: optest.Options{
		Rotation: optest.RotateStrict,
		Faults: func(p optest.FaultPoint) optest.Fault {
			if down.Load() && p.Endpoint == optest.EndpointRefresh {
				return optest.Fault{FailBefore: http.StatusServiceUnavailable}
			}
			return optest.Fault{}
		},
	}})
	if err != nil {
		panic(err)
	}
	defer service.Close()
	issued, err := service.Login(ctx, "alice", mytoken.Properties{})
	if err != nil {
		panic(err)
	}
	for _, now := range []bool{true, false} {
		down.Store(now)
		_, err := service.Issuer.AccessToken(ctx, issuer.AccessTokenRequest{Token: issued.Token})
		fmt.Println(err == nil)
	}
	// Output:
	// false
	// true
}
