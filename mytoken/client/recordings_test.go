package client_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
)

// exchange is a request to the reference server 0.10.2 and its answer, as recorded; of
// signatures, only the beginning is kept.
type exchange struct {
	Name      string          `json:"name"`
	Method    string          `json:"method"`
	Path      string          `json:"path"`
	Request   map[string]any  `json:"request"`
	Status    int             `json:"status"`
	RequestID string          `json:"request_id"`
	SetCookie string          `json:"set_cookie"`
	Answer    json.RawMessage `json:"answer"`
}

// mytoken is the token that the recorded request presents.
func (e *exchange) mytoken() mytoken.Secret {
	for _, name := range []string{"mytoken", "token"} {
		if text, ok := e.Request[name].(string); ok {
			return mytoken.NewSecret(text)
		}
	}
	return mytoken.Secret{}
}

func recordings(t *testing.T) map[string]*exchange {
	t.Helper()
	text, err := os.ReadFile("testdata/reference.json")
	require.NoError(t, err)
	var all []*exchange
	require.NoError(t, json.Unmarshal(text, &all))
	byName := make(map[string]*exchange)
	for _, e := range all {
		byName[e.Name] = e
	}
	return byName
}

// reference plays the reference server: it expects recorded requests, in order.
type reference struct {
	t    *testing.T
	all  map[string]*exchange
	next []string
	used map[string]bool
}

const referenceIssuer = "http://127.0.0.1:8000"

func (r *reference) RoundTrip(req *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	if req.URL.Path == "/.well-known/mytoken-configuration" {
		r.write(w, r.take("01-discovery"))
		return w.Result(), nil
	}
	if len(r.next) == 0 {
		r.t.Errorf("unexpected request to %s", req.URL)
		return nil, io.ErrUnexpectedEOF
	}
	e := r.take(r.next[0])
	r.next = r.next[1:]
	if req.Method != e.Method || req.URL.Path != e.Path || req.Header.Get("Cookie") != "" {
		r.t.Errorf("%s: %s %s", e.Name, req.Method, req.URL)
	}
	r.compare(e, req)
	r.write(w, e)
	return w.Result(), nil
}

func (r *reference) take(name string) *exchange {
	e := r.all[name]
	require.NotNil(r.t, e, name)
	r.used[name] = true
	return e
}

func (r *reference) write(w http.ResponseWriter, e *exchange) {
	w.Header().Set("X-Request-Id", e.RequestID)
	if e.SetCookie != "" {
		w.Header().Set("Set-Cookie", e.SetCookie)
	}
	if len(e.Answer) > 0 {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(e.Status)
	_, _ = w.Write(e.Answer)
}

// newer are fields that the client sends besides those that were recorded.
var newer = []string{"response_type", "error_on_restrictions"}

// compare checks that a request says what the recorded one says.
func (r *reference) compare(e *exchange, req *http.Request) {
	got := map[string]any{}
	if req.Body != nil {
		require.NoError(r.t, json.NewDecoder(req.Body).Decode(&got), e.Name)
	}
	for name, value := range e.Request {
		if !reflect.DeepEqual(got[name], value) {
			r.t.Errorf("%s: %s is %v, recorded %v", e.Name, name, got[name], value)
		}
	}
	for name := range got {
		if _, ok := e.Request[name]; !ok && !slices.Contains(newer, name) {
			r.t.Errorf("%s: %s was not recorded", e.Name, name)
		}
	}
}

// expect names the exchanges that follow.
func (r *reference) expect(names ...string) { r.next = names }
