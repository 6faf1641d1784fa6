package rest_test

import (
	"crypto/sha256"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/rest"
	"github.com/mytoken-go/sdk/restriction"
)

// TestOptions: NewHandler refuses options that make no sense.
func TestOptions(t *testing.T) {
	s := start(t)
	for name, o := range map[string]rest.Options{
		"proxy header":     {ProxyHeader: "X-Real-IP"},
		"proxy":            {TrustedProxies: []netip.Prefix{{}}},
		"mapped proxy":     {TrustedProxies: []netip.Prefix{netip.MustParsePrefix("::ffff:10.0.0.0/104")}},
		"action":           {TokeninfoActions: []string{"notifications"}},
		"client":           {Clients: []rest.Client{{ID: "x", Secret: mytoken.NewSecret("short")}}},
		"no secret":        {Clients: []rest.Client{{ID: "x"}}},
		"secret and sum":   {Clients: []rest.Client{{ID: "x", Secret: mytoken.NewSecret("0123456789abcdef"), SecretSum: [32]byte{1}}}},
		"clients":          {Clients: []rest.Client{{ID: "x", SecretSum: [32]byte{1}}, {ID: "x", SecretSum: [32]byte{2}}}},
		"client id":        {Clients: []rest.Client{{ID: "x:y", Secret: mytoken.NewSecret("0123456789abcdef")}}},
		"redirect":         {RedirectURIs: []string{"("}},
		"empty redirect":   {RedirectURIs: []string{""}},
		"trusted redirect": {TrustedRedirectURIs: []string{"["}},
		"body":             {MaxBody: -1},
		"time":             {RequestTimeout: -time.Second},
		"guesses":          {Guesses: rest.GuessLimits{PerAddress: -1}},
		"logins":           {Logins: rest.LoginLimits{OverallEvery: -1}},
	} {
		if _, err := rest.NewHandler(s.Issuer, o); !errors.Is(err, rest.ErrOptions) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := rest.NewHandler(nil, rest.Options{}); !errors.Is(err, rest.ErrOptions) {
		t.Errorf("no issuer: %v", err)
	}
}

// badge is a condition of an embedding program.
type badge struct{ want string }

func (b badge) Check(r *restriction.Request) error {
	if r.Values["badge"] == b.want {
		return nil
	}
	return errors.New("needs a badge")
}

func (b badge) Within(parent restriction.Condition) bool { return parent == restriction.Condition(b) }

// TestOwnConditions: facts about a request reach the embedding program's own
// restrictions, and its key works like any other.
func TestOwnConditions(t *testing.T) {
	s := start(t, func(o *setup) {
		o.Config = func(c *issuer.Config) {
			c.Restrictions.Conditions = map[string]restriction.Factory{"badge": func(value []byte) (restriction.Condition, error) {
				var b badge
				err := json.Unmarshal(value, &b.want)
				return b, err
			}}
		}
		o.rest.Values = func(r *http.Request) map[string]any { return map[string]any{"badge": r.Header.Get("X-Badge")} }
	})
	token, err := s.Login(t.Context(), "alice", mytoken.Properties{Capabilities: everything})
	require.NoError(t, err)
	child := s.object(s.derive(token.Token.Reveal(), m{"restrictions": []m{{"badge": "blue"}}}), 200)
	s.object(s.access(child["mytoken"], nil, "X-Badge", "blue"), 200)
	s.refusedBy(s.access(child["mytoken"], nil, "X-Badge", "red"), "badge")
	got := s.object(s.introspect(child["mytoken"], "X-Badge", "blue"), 200)["token"].(m)
	if encode(t, got["restrictions"]) != `[{"badge":"blue","usages_AT_done":1,"usages_other_done":0}]` {
		t.Errorf("%v", got["restrictions"])
	}
	doc := s.object(s.do(http.MethodGet, "/.well-known/mytoken-configuration", ""), 200)
	assert.Contains(t, encode(t, doc["restriction_claims_supported"]), `"badge"`, doc)
}

// TestIntrospectionBySum: a client whose secret the program knows by its sum alone
// authenticates like any other.
func TestIntrospectionBySum(t *testing.T) {
	const secret = "a random secret of the tests"
	s := start(t, func(o *setup) {
		o.rest.Clients = []rest.Client{{ID: "compute", SecretSum: sha256.Sum256([]byte(secret))}}
	})
	token := s.token(mytoken.Properties{})
	for given, status := range map[string]int{secret: 200, "": 401, secret + "x": 401, strings.Repeat("\x00", 32): 401} {
		r := s.form("/oauth/introspect", url.Values{"token": {token}, "client_id": {"compute"}, "client_secret": {given}})
		require.Equal(t, status, r.StatusCode, "%q: %s", given, r.text)
	}
}
