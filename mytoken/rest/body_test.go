package rest_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/restriction"
)

// TestManyClausesAreNotDecoded: the number of clauses refuses a request with 50,000 of
// them. Its end is not JSON, which shows that no decoder got that far.
func TestManyClausesAreNotDecoded(t *testing.T) {
	s := start(t, func(o *setup) {
		o.Config = func(c *issuer.Config) { c.Limits.Clauses = restriction.MaxClauses }
	})
	token := s.token(mytoken.Properties{})
	clauses := strings.Repeat(`{"exp":4102444800},`, 50_000)
	for name, body := range map[string]string{
		"clauses":      `{"grant_type":"mytoken","mytoken":"` + token + `","restrictions":[` + clauses[:900_000] + `{"exp":`,
		"names":        `{"grant_type":"mytoken","restrictions":[` + strings.Repeat(`"1d",`, 100_000) + `!`,
		"values":       `{"grant_type":"mytoken","capabilities":[` + strings.Repeat(`1,`, 200_000) + `!`,
		"members":      `{` + strings.Repeat(`"x":1,`, 100_000) + `!`,
		"nesting":      `{"grant_type":"mytoken","restrictions":` + strings.Repeat(`[`, 100_000),
		"nested names": `{"include":` + strings.Repeat(`{"include":`, 1000) + `!`,
	} {
		for _, path := range []string{"/api/v0/token/my", "/api/v0/token/access", "/c", "/api/v0/tokeninfo", "/oauth/token"} {
			r := s.do(http.MethodPost, path, body)
			s.fails(r, 400, "invalid_request", "the request holds too many values")
			if len(r.text) > 200 {
				t.Errorf("%s: a long answer: %s", name, r.text)
			}
		}
	}
	many := url.Values{"grant_type": {"mytoken"}, "restrictions": {`[` + strings.Repeat(`{"exp":1},`, 5000) + `!`}}
	s.fails(s.form("/api/v0/token/my", many), 400, "invalid_request", "the request holds too many values")
	s.fails(s.do(http.MethodPost, "/api/v0/token/my", strings.Repeat("a=b&", 10_000), "Content-Type", "application/x-www-form-urlencoded"),
		400, "invalid_request", "the request holds too many values")
	// 1,000 clauses are allowed here, and are decoded.
	var thousand []m
	for n := range 1000 {
		thousand = append(thousand, m{"exp": 4102444800, "usages_AT": n})
	}
	got := s.object(s.post("/api/v0/token/my", m{"grant_type": "mytoken", "mytoken": token, "restrictions": thousand, "response_type": "short_token"}), 200)
	if n := len(got["restrictions"].([]any)); n != 1000 {
		t.Errorf("%d clauses", n)
	}
}

// TestHugeBodies: the handler refuses a body by its stated length before it reads it, or
// as soon as it exceeds the limit.
func TestHugeBodies(t *testing.T) {
	s := start(t, func(o *setup) { o.rest.MaxBody = 10_000 })
	body := `{"grant_type":"mytoken","name":"` + strings.Repeat("x", 20_000) + `"}`
	for _, path := range []string{"/api/v0/token/my", "/api/v0/token/revoke", "/c/abc", "/oauth/token"} {
		if r := s.do(http.MethodPost, path, body); r.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(r.text, `"invalid_request"`) {
			t.Errorf("%s: %d %s", path, r.StatusCode, r.text)
		}
	}
	conn := s.dial()
	fmt.Fprintf(conn, "POST /api/v0/token/my HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
	for range 3 {
		fmt.Fprintf(conn, "1388\r\n%s\r\n", strings.Repeat("x", 5000))
	}
	if r := conn.read(); r.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("in chunks: %d", r.StatusCode)
	}
	conn = s.dial() // the answer comes although not one byte of the body was sent
	fmt.Fprintf(conn, "POST /api/v0/token/my HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\nExpect: 100-continue\r\n\r\n")
	if r := conn.read(); r.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("announced: %d", r.StatusCode)
	}
}

// TestSlowBodies: a client that does not send its body hears so, and keeps nobody else
// waiting.
func TestSlowBodies(t *testing.T) {
	s := start(t, func(o *setup) { o.rest.BodyTimeout = 30 * time.Millisecond })
	slow := s.dial()
	fmt.Fprintf(slow, "POST /api/v0/token/my HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
	if r := s.do(http.MethodGet, "/api/v0/settings", ""); r.StatusCode != http.StatusOK {
		t.Errorf("somebody else: %d", r.StatusCode)
	}
	r := slow.read()
	s.fails(r, http.StatusRequestTimeout, "invalid_request", "the request came too slowly")
	if !r.Close {
		t.Error("the connection stays open")
	}
	// A request in time is not disturbed later. On a busy machine one request may be too
	// slow after all, and the next one is not.
	inTime := func() bool {
		conn := s.dial()
		for range 2 {
			fmt.Fprintf(conn, "POST /api/v0/token/my HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
			if r := conn.read(); r.StatusCode == http.StatusRequestTimeout {
				return false
			} else if r.StatusCode != http.StatusBadRequest {
				t.Fatalf("%d", r.StatusCode)
			}
		}
		return true
	}
	for n := 1; !inTime(); n++ {
		if n == 100 {
			t.Fatal("no request is in time")
		}
	}
}

// TestCompressedBodies: the handler unpacks nothing.
func TestCompressedBodies(t *testing.T) {
	s := start(t)
	r := s.do(http.MethodPost, "/api/v0/token/my", "x", "Content-Encoding", "gzip")
	s.fails(r, http.StatusUnsupportedMediaType, "invalid_request", "the body must not be compressed")
}

// TestAmbiguousRequests: the handler refuses requests that two readers could understand
// differently.
func TestAmbiguousRequests(t *testing.T) {
	s := start(t)
	token := s.token(mytoken.Properties{})
	for body, text := range map[string]string{
		`{"grant_type":"mytoken","grant_type":"polling_code"}`:                         "the body is not a JSON object, or not strict JSON",
		`{"grant_type":"mytoken","Grant_Type":"polling_code"}`:                         "the body has a member twice",
		`{"grant_type":"mytoken"} {}`:                                                  "the body is not a JSON object, or not strict JSON",
		`["grant_type"]`:                                                               "the body is not a JSON object, or not strict JSON",
		"{\"grant_type\":\"mytoken\xff\"}":                                             "the body is not a JSON object, or not strict JSON",
		`{"grant_type":7}`:                                                             "grant_type has the wrong type",
		`{"grant_type":"mytoken","mytoken":{}}`:                                        "mytoken has the wrong type",
		`{"grant_type":"mytoken","mytoken":"` + token + `","error_on_restrictions":1}`: "error_on_restrictions has the wrong type",
	} {
		s.fails(s.do(http.MethodPost, "/api/v0/token/my", body), 400, "invalid_request", text)
	}
	form := func(body string) *reply {
		return s.do(http.MethodPost, "/api/v0/token/access", body, "Content-Type", "application/x-www-form-urlencoded")
	}
	s.fails(form("grant_type=mytoken&mytoken=a&mytoken=b"), 400, "invalid_request", "mytoken is given more than once")
	s.fails(form("grant_type=mytoken&Grant_type=x"), 400, "invalid_request", "the body has a member twice")
	s.fails(form("grant_type=%zz"), 400, "invalid_request", "the body is not a form")
	s.fails(form("grant_type=mytoken&comment=M%FCller"), 400, "invalid_request", "comment is not UTF-8")
	s.fails(form("grant_type=mytoken&scope=a&scope=%FF"), 400, "invalid_request", "scope is not UTF-8")
	s.fails(s.do(http.MethodPost, "/api/v0/token/access", `{"grant_type":"mytoken"}`, "Authorization", "Bearer a", "Authorization", "Bearer b"),
		400, "invalid_request", "more than one Authorization header")
}

// connection is a connection on which a test writes raw bytes.
type connection struct {
	net.Conn
	t      testing.TB
	reader *bufio.Reader
}

func (s *service) dial() *connection {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.http.Listener.Addr().String())
	require.NoError(s.t, err)
	s.t.Cleanup(func() { conn.Close() })
	return &connection{conn, s.t, bufio.NewReader(conn)}
}

func (c *connection) read() *reply {
	c.t.Helper()
	resp, err := http.ReadResponse(c.reader, nil)
	require.NoError(c.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(c.t, err)
	resp.Request = &http.Request{Method: "raw", URL: &url.URL{}}
	return &reply{resp, string(text)}
}

// TestSmuggling: a request that two servers could end in different places gets at most
// one answer. What it hides is never executed.
func TestSmuggling(t *testing.T) {
	s := start(t)
	hidden := "GET /api/v0/hidden HTTP/1.1\r\nHost: x\r\n\r\n"
	for name, request := range map[string]string{
		"length and chunked": "POST /api/v0/token/my HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
		"chunked and length": "POST /api/v0/token/my HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: " + fmt.Sprint(len(hidden)) + "\r\n\r\n" + hidden,
		"two lengths":        "POST /api/v0/token/my HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: " + fmt.Sprint(len(hidden)) + "\r\n\r\n" + hidden,
		"list of lengths":    "POST /api/v0/token/my HTTP/1.1\r\nHost: x\r\nContent-Length: 0, 4\r\n\r\n" + hidden,
		"strange length":     "POST /api/v0/token/my HTTP/1.1\r\nHost: x\r\nContent-Length: +0\r\n\r\n" + hidden,
		"strange coding":     "POST /api/v0/token/my HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n" + hidden,
		"space before colon": "POST /api/v0/token/my HTTP/1.1\r\nHost: x\r\nContent-Length : 4\r\n\r\n" + hidden,
		"folded":             "POST /api/v0/token/my HTTP/1.1\r\nHost: x\r\nX: a\r\n Content-Length: 4\r\nTransfer-Encoding:\r\n chunked\r\n\r\n" + hidden,
		"bad chunk":          "POST /api/v0/token/my HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n\r\n" + hidden,
		"two hosts":          "GET /api/v0/settings HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" + hidden,
	} {
		conn := s.dial()
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		if half, ok := conn.Conn.(*net.TCPConn); ok {
			require.NoError(t, half.CloseWrite())
		}
		answers, err := io.ReadAll(conn.reader)
		if err != nil && !strings.Contains(err.Error(), "reset") {
			t.Fatal(err)
		}
		if n := strings.Count(string(answers), "HTTP/1.1 "); n > 1 || strings.Contains(string(answers), "hidden") {
			t.Errorf("%s: %d answers: %s", name, n, answers)
		}
	}
	// The public client sends GET requests with a body. The body ends where it says.
	conn := s.dial()
	for range 3 {
		fmt.Fprintf(conn, "GET /api/v0/settings HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nnull\n")
		if r := conn.read(); r.StatusCode != http.StatusOK || !strings.Contains(r.text, "grant_type_endpoint") {
			t.Fatalf("%d %s", r.StatusCode, r.text)
		}
	}
	for path, status := range map[string]int{
		"/api/v0/%2e%2e/v0/settings": 404, "/api/v0//settings": 404, "/api/v0/settings/": 404, "/api/v0/settings%2fgrants": 404,
		"/API/v0/settings": 404, "//evil.example/api/v0/settings": 404, "/api/v0/settings;x": 404, "http://evil.example/api/v0/settings": 200,
	} {
		conn := s.dial()
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path)
		if r := conn.read(); r.StatusCode != status || r.Header.Get("Location") != "" {
			t.Errorf("%s: %d %v", path, r.StatusCode, r.Header)
		}
	}
}

// TestPathsThatAreNotText: a path that is not UTF-8 is quoted with escapes. Scanners send
// such paths, so they are no errors of the server.
func TestPathsThatAreNotText(t *testing.T) {
	s := start(t)
	for path, shown := range map[string]string{
		"/api/v0/%c0%af": `/api/v0/\xc0\xaf`, "/static/%ff": `/static/\xff`, "/api/v0/pt/%ff": `/api/v0/pt/\xff`, "/redirect/%ff": `/redirect/\xff`, "/%e2%80%ae": `/\u202e`,
	} {
		s.fails(s.do(http.MethodGet, path, ""), 404, "not_found", shown)
	}
	s.fails(s.do(http.MethodDelete, "/redirect/%ff", ""), 405, "Method Not Allowed", `DELETE /redirect/\xff`)
	if log := s.Log.String(); strings.Contains(log, `"ERROR"`) {
		t.Error(log)
	}
}
