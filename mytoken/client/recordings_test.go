package client_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
)

// exchange is a recorded request to the reference server 0.10.2, and its answer.
// Signatures are cut short.
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

// mytoken returns the token that the recorded request presents.
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

// reference plays the reference server. It expects the recorded requests in order.
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
	assert.Equal(r.t, e.Method+" "+e.Path, req.Method+" "+req.URL.Path, e.Name)
	assert.Empty(r.t, req.Header.Get("Cookie"), e.Name)
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

// newer are fields that the client sends and that were not recorded.
var newer = []string{"response_type", "error_on_restrictions"}

// compare checks that a request says the same as the recorded one.
func (r *reference) compare(e *exchange, req *http.Request) {
	got := map[string]any{}
	if req.Body != nil {
		require.NoError(r.t, json.NewDecoder(req.Body).Decode(&got), e.Name)
	}
	for name, value := range e.Request {
		assert.Equal(r.t, value, got[name], "%s: %s", e.Name, name)
	}
	for name := range got {
		assert.True(r.t, e.Request[name] != nil || slices.Contains(newer, name), "%s: %s was not recorded", e.Name, name)
	}
}

// expect names the next exchanges.
func (r *reference) expect(names ...string) { r.next = names }
