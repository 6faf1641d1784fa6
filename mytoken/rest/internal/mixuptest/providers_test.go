package mixuptest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"

	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// role is the variable that makes a process a provider.
const role = "MYTOKEN_MIXUPTEST_ROLE"

const (
	clientID, clientSecret = "portal", "portal-secret-0123456789"
	userName, password     = "test-user@127.0.0.1", "verysecure" // of the honest provider
)

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "honest":
		serveProvider(honest)
	case "evil":
		serveProvider(evil)
	default:
		os.Exit(m.Run())
	}
}

// provider is a provider in a process of its own.
type provider struct {
	t      *testing.T
	Issuer string
	// Base is the address of what a provider of this test has beside its endpoints.
	Base  string
	stdin io.WriteCloser
}

// launch starts a provider. It serves after register.
func launch(t *testing.T, as string) *provider {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), role+"="+as)
	p := &provider{t: t}
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	p.stdin, err = cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		p.stdin.Close()
		require.NoError(t, cmd.Wait())
	})
	require.NoError(t, json.NewDecoder(out).Decode(p))
	return p
}

// path is where the service takes back users of the provider.
func (p *provider) path() string { return "/redirect/" + oidcupstream.DefaultShortName(p.Issuer) }

// register tells the provider the redirect URI of its only client.
func (p *provider) register(redirectURI string) oidcupstream.Config {
	p.t.Helper()
	_, err := fmt.Fprintln(p.stdin, redirectURI)
	require.NoError(p.t, err)
	return oidcupstream.Config{
		Issuer: p.Issuer, ClientID: clientID, Auth: oidcupstream.ClientSecretBasic(clientSecret),
		RedirectURL: redirectURI, Scopes: []string{"openid", "profile"},
	}
}

// serveProvider is the process of a provider. It ends when its input does.
func serveProvider(prepare func(base string) (issuer string, start func(redirectURI string) http.Handler)) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	base := "http://" + listener.Addr().String()
	issuer, start := prepare(base)
	must(json.NewEncoder(os.Stdout).Encode(provider{Issuer: issuer, Base: base}))
	in := bufio.NewReader(os.Stdin)
	redirectURI, err := in.ReadString('\n')
	if err == nil {
		go http.Serve(listener, start(strings.TrimSpace(redirectURI)))
		_, _ = io.Copy(io.Discard, in)
	}
	os.Exit(0)
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// honest is the example of the zitadel project. It asks for a password, sends browsers
// only to the registered address, and does not know RFC 9207.
func honest(base string) (string, func(string) http.Handler) {
	return base, func(redirectURI string) http.Handler {
		storage.RegisterClients(storage.WebClient(clientID, clientSecret, redirectURI))
		return exampleop.SetupServer(base, storage.NewStorage(storage.NewUserStore(base)), nil, false)
	}
}

// evil is a provider whose metadata names two endpoints of its own choice. They do what
// optest does, until somebody arms it: then its authorization endpoint sends browsers on
// to another provider. Its token endpoint remembers each code.
func evil(base string) (string, func(string) http.Handler) {
	op, err := optest.Start(optest.Options{
		Clients: []optest.Client{{ID: clientID, Secret: clientSecret}}, Scopes: []string{"openid", "profile", "offline_access"},
		Faults: func(at optest.FaultPoint) optest.Fault {
			if at.Endpoint != optest.EndpointDiscovery {
				return optest.Fault{}
			}
			return optest.Fault{Edit: func(doc map[string]any) {
				delete(doc, "authorization_response_iss_parameter_supported")
				doc["authorization_endpoint"], doc["token_endpoint"] = base+"/authorize", base+"/token"
			}}
		},
	})
	must(err)
	return op.Issuer(), func(string) http.Handler {
		var (
			mu     sync.Mutex
			target string // an authorization request at the other provider
			loot   []string
		)
		mux := http.NewServeMux()
		mux.HandleFunc("/authorize", func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			query, onward := r.URL.Query(), op.Issuer()+"/authorize"
			if target != "" {
				theirs, err := url.Parse(target)
				must(err)
				state := query.Get("state") // of the victim; everything else is the attacker's
				query, theirs.RawQuery = theirs.Query(), ""
				query.Set("state", state)
				onward = theirs.String()
			}
			http.Redirect(w, r, onward+"?"+query.Encode(), http.StatusFound)
		})
		mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			must(r.ParseForm())
			loot = append(loot, r.PostForm.Get("code"))
			sent, err := http.NewRequestWithContext(r.Context(), http.MethodPost, op.Issuer()+"/token", strings.NewReader(r.PostForm.Encode()))
			must(err)
			sent.Header = r.Header
			resp, err := http.DefaultClient.Do(sent)
			must(err)
			defer resp.Body.Close()
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(resp.StatusCode)
			_, _ = io.Copy(w, resp.Body)
		})
		mux.HandleFunc("/arm", func(_ http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			target = r.FormValue("target")
		})
		mux.HandleFunc("/loot", func(w http.ResponseWriter, _ *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			must(json.NewEncoder(w).Encode(loot))
		})
		return mux
	}
}

// arm makes an evil provider send browsers to another one, with the parameters of the
// given authorization request.
func (p *provider) arm(target string) {
	p.t.Helper()
	resp, err := http.PostForm(p.Base+"/arm", url.Values{"target": {target}})
	require.NoError(p.t, err)
	resp.Body.Close()
}

// loot returns the codes that an evil provider got.
func (p *provider) loot() (codes []string) {
	p.t.Helper()
	resp, err := http.Get(p.Base + "/loot")
	require.NoError(p.t, err)
	defer resp.Body.Close()
	require.NoError(p.t, json.NewDecoder(resp.Body).Decode(&codes))
	return codes
}
