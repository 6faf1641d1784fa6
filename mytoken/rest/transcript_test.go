package rest_test

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken/rest"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

var update = flag.Bool("update", false, "write the answers of testdata/transcripts")

// archive is a file in the txtar form: a comment, and files that begin with a line "--
// name --".
type archive struct {
	comment string
	files   []archived
}

type archived struct{ name, data string }

func parseArchive(text string) archive {
	var a archive
	at := &a.comment
	for line := range strings.Lines(text) {
		if name, ok := strings.CutPrefix(strings.TrimRight(line, "\n"), "-- "); ok && strings.HasSuffix(name, " --") {
			a.files = append(a.files, archived{name: strings.TrimSuffix(name, " --")})
			at = &a.files[len(a.files)-1].data
			continue
		}
		*at += line
	}
	return a
}

func (a archive) String() string {
	var b strings.Builder
	b.WriteString(a.comment)
	for _, f := range a.files {
		fmt.Fprintf(&b, "-- %s --\n%s", f.name, f.data)
		if f.data != "" && !strings.HasSuffix(f.data, "\n") {
			b.WriteString("\n")
		}
	}
	return b.String()
}

// TestTranscripts plays the scenarios in testdata/transcripts. It sends each file "name
// >" and compares the response with the file "name <" behind it.
//
// Values that change from run to run have names: {iss}, {op}, and for values in responses
// a kind and a number, such as {jwt:1}. A request can use these names. Some lines are not
// HTTP. "LOGIN subject {url:1}" logs a user in at the provider and sets {back}. "FOLLOW
// {url:1}" does the same at a provider that asks nothing. "ADVANCE 5m" moves the clock.
// "Cookie: *" sends all cookies that were set so far.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/transcripts/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			a := parseArchive(string(text))
			p := newPlayer(t, start(t, scenarios[name]...))
			got := p.play(a)
			p.checkLog()
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(got.String()), 0o666))
				return
			}
			for i, f := range a.files {
				if i >= len(got.files) || got.files[i] != f {
					t.Fatalf("%s:\n%s\nwant\n%s", f.name, got.files[min(i, len(got.files)-1)].data, f.data)
				}
			}
		})
	}
}

// player plays one scenario.
type player struct {
	*service
	t       *testing.T
	names   map[string]string // volatile value → name
	values  map[string]string // name → value
	counts  map[string]int
	cookies map[string]string
	// answers are the answers as they came, by name of the step.
	answers map[string]*reply
}

func newPlayer(t *testing.T, s *service) *player {
	p := &player{service: s, t: t, names: map[string]string{}, values: map[string]string{}, counts: map[string]int{}, cookies: map[string]string{}, answers: map[string]*reply{}}
	p.name("{iss}", s.URL)
	p.name("{op}", s.Provider.Issuer())
	host, _, _ := strings.Cut(strings.TrimPrefix(s.URL, "http://"), "/")
	p.name("{host}", host)
	return p
}

// checkLog looks for secrets in the log: tokens, codes and states, also those of the
// provider. // proves P9
func (p *player) checkLog() {
	log := p.Log.String()
	assert.Contains(p.t, log, `"route":`, "nothing was logged")
	for value, name := range p.names {
		kind, _, _ := strings.Cut(strings.Trim(name, "{}"), ":")
		secret := value
		switch kind {
		case "url", "back":
			u, err := url.Parse(value)
			require.NoError(p.t, err)
			secret = u.Query().Get("state")
		case "jwt", "short", "polling", "transfer", "consent", "login":
		default:
			continue
		}
		if len(secret) > 8 && strings.Contains(log, secret) {
			p.t.Errorf("the log holds %s", name)
		}
	}
	for _, secret := range p.Provider.Secrets() {
		assert.False(p.t, strings.Contains(log, secret), "the log holds a secret of the provider")
	}
}

func (p *player) name(name, value string) {
	p.names[value], p.values[name] = name, value
}

func (p *player) play(a archive) archive {
	out := archive{comment: a.comment}
	for _, f := range a.files {
		step, isRequest := strings.CutSuffix(f.name, " >")
		if !isRequest {
			continue // an answer, which is made anew
		}
		out.files = append(out.files, f)
		answer := p.step(step, p.substitute(f.data))
		if answer != "" {
			out.files = append(out.files, archived{step + " <", answer})
		}
	}
	return out
}

func (p *player) substitute(text string) string {
	return regexp.MustCompile(`\{[a-z]+(:\d+)?(@url)?\}`).ReplaceAllStringFunc(text, func(name string) string {
		plain := strings.Replace(name, "@url", "", 1)
		value, ok := p.values[plain]
		if !ok {
			return name
		}
		if plain != name {
			return url.QueryEscape(value)
		}
		return value
	})
}

func (p *player) step(step, text string) string {
	p.t.Helper()
	first, _, _ := strings.Cut(text, "\n")
	words := strings.Fields(first)
	switch words[0] {
	case "ADVANCE":
		d, err := time.ParseDuration(words[1])
		require.NoError(p.t, err)
		p.Clock.Advance(d)
		return ""
	case "FOLLOW":
		r := p.send("GET " + strings.TrimPrefix(words[1], p.URL) + " HTTP/1.1\n")
		u, err := r.Location()
		require.NoError(p.t, err)
		p.name("{back}", u.RequestURI())
		return ""
	case "LOGIN":
		back, err := optest.Login(p.t.Context(), words[2], words[1])
		if err != nil {
			for name, r := range p.answers {
				p.t.Log(name, r.text)
			}
		}
		require.NoError(p.t, err, step)
		u, err := url.Parse(back)
		require.NoError(p.t, err)
		p.name("{back}", u.RequestURI())
		return ""
	}
	r := p.send(text)
	p.answers[step] = r
	return p.show(r)
}

// send sends a request exactly as a file has it: request line, headers, an empty line,
// body.
func (p *player) send(text string) *reply {
	p.t.Helper()
	head, body, _ := strings.Cut(text, "\n\n")
	lines := strings.Split(strings.TrimRight(head, "\n"), "\n")
	words := strings.Fields(lines[0])
	require.Len(p.t, words, 3, "no request line: %q", lines[0])
	prefix := strings.TrimPrefix(p.URL, "http://"+strings.TrimPrefix(p.values["{host}"], ""))
	req, err := http.NewRequestWithContext(p.t.Context(), words[0], "http://"+p.values["{host}"]+prefix+strings.TrimPrefix(words[1], prefix), strings.NewReader(strings.TrimSuffix(body, "\n")))
	require.NoError(p.t, err)
	req.Header.Set("User-Agent", "transcript/1")
	if len(lines) > 1 {
		header, err := textproto.NewReader(bufio.NewReader(strings.NewReader(strings.Join(lines[1:], "\r\n") + "\r\n\r\n"))).ReadMIMEHeader()
		require.NoError(p.t, err)
		for name, values := range header {
			req.Header[name] = values
		}
	}
	if req.Header.Get("Cookie") == "*" {
		var all []string
		for name, value := range p.cookies {
			all = append(all, name+"="+value)
		}
		slices.Sort(all)
		req.Header.Set("Cookie", strings.Join(all, "; "))
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	require.NoError(p.t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	require.NoError(p.t, err)
	for _, c := range resp.Cookies() {
		if c.MaxAge < 0 {
			delete(p.cookies, c.Name)
		} else {
			p.cookies[c.Name] = c.Value
		}
	}
	return &reply{resp, string(data)}
}

// shownHeaders are the headers that a transcript shows.
var shownHeaders = []string{
	"Access-Control-Allow-Headers", "Access-Control-Allow-Methods", "Access-Control-Allow-Origin", "Allow", "Cache-Control", "Content-Security-Policy", "Content-Type", "Etag", "Location",
	"Referrer-Policy", "Retry-After", "Set-Cookie", "Www-Authenticate", "X-Frame-Options",
}

// show writes a response with names for the values that change from run to run.
func (p *player) show(r *reply) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d\n", r.StatusCode)
	for _, name := range shownHeaders {
		for _, value := range r.Header.Values(name) {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	if r.text == "" {
		fmt.Fprintf(&b, "Content-Length: %s\n", r.Header.Get("Content-Length"))
	}
	b.WriteString("\n")
	if r.text != "" {
		text := strings.TrimRight(r.text, "\n")
		if strings.HasPrefix(r.Header.Get("Content-Type"), "text/css") || strings.HasPrefix(r.Header.Get("Content-Type"), "text/javascript") {
			text = "(file)"
		}
		text = drawingTag.ReplaceAllString(text, "(drawing)")
		text = inlineFile.ReplaceAllString(text, "$1(file)$2")
		b.WriteString(text)
		b.WriteString("\n")
	}
	return p.normalise(b.String())
}

// inlineFile is a style or a script that a page holds.
var inlineFile = regexp.MustCompile(`(?s)(<(?:style|script)[^>]*>).+?(</(?:style|script)>)`)

// volatile are kinds of values that change from run to run. The first group is the value.
var volatile = []struct {
	kind string
	re   *regexp.Regexp
}{
	{"jwt", regexp.MustCompile(`(eyJ[\w-]+\.[\w-]+\.[\w-]+)`)},
	{"url", regexp.MustCompile(`"authorization_uri":"([^"]+)"`)},
	{"url", regexp.MustCompile(`http-equiv="refresh" content="0; url=([^"]+)"`)},
	{"mom", regexp.MustCompile(`((?:[A-Za-z0-9+/]|&#43;){86}==)`)},
	{"momurl", regexp.MustCompile(`id=([A-Za-z0-9_-]{86})`)},
	{"short", regexp.MustCompile(`([A-Za-z]{64})`)},
	{"user", regexp.MustCompile(`"ssh_user":"([A-Za-z]{16})"`)},
	{"polling", regexp.MustCompile(`"polling_code":"([^"]+)"`)},
	{"transfer", regexp.MustCompile(`"transfer_code":"([^"]+)"`)},
	{"transfer", regexp.MustCompile(`id="code" value="([^"]+)"`)},
	{"transfer", regexp.MustCompile(`mytoken-transfercode=([^;]+)`)},
	{"consent", regexp.MustCompile(`/c/([A-Za-z]{21})`)},
	{"uuid", regexp.MustCompile(`"jti":"([0-9a-f-]{36})"`)},
	{"sub", regexp.MustCompile(`"sub":"([A-Za-z0-9+/]{43}=)"`)},
	{"kid", regexp.MustCompile(`"(?:kid|x|y)":"([\w-]{20,})"`)},
	{"response", regexp.MustCompile(`(mytoken-response-[\w-]{12}=[^;]+)`)},
	{"login", regexp.MustCompile(`mytoken-login-([\w-]{12}=[\w-]*)`)},
	{"handle", regexp.MustCompile(`/login/([\w-]{12})`)},
	{"handle", regexp.MustCompile(`login=([\w-]{12})`)},
	{"request", regexp.MustCompile(`request ([0-9a-f]{24})`)},
	{"request", regexp.MustCompile(`<code>([0-9a-f]{24})</code>`)},
	{"hash", regexp.MustCompile(`'sha256-([A-Za-z0-9+/]{43}=)'`)},
	{"etag", regexp.MustCompile(`Etag: "([0-9a-f]{32})"`)},
}

func (p *player) normalise(text string) string {
	for _, v := range volatile {
		for _, found := range v.re.FindAllStringSubmatch(text, -1) {
			value := found[1]
			plain := strings.ReplaceAll(strings.ReplaceAll(value, `\u0026`, "&"), "&amp;", "&")
			plain = strings.ReplaceAll(plain, "&#43;", "+")
			if _, known := p.names[plain]; !known {
				p.counts[v.kind]++
				p.name(fmt.Sprintf("{%s:%d}", v.kind, p.counts[v.kind]), plain)
			}
			text = strings.ReplaceAll(text, value, p.names[plain])
		}
	}
	for _, name := range []string{"{iss}", "{op}", "{host}"} {
		text = strings.ReplaceAll(text, p.values[name], name)
		text = strings.ReplaceAll(text, url.QueryEscape(p.values[name]), name)
	}
	return text
}

// TestEveryRouteHasATranscript: a transcript has a response of each method of each path.
func TestEveryRouteHasATranscript(t *testing.T) {
	s := start(t, scenarios["standards"]...)
	handler := s.http.Config.Handler.(*rest.Handler)
	seen := make(map[string]bool)
	for _, a := range goldenAnswers(t) {
		path := strings.NewReplacer("{back}", "/redirect", "{consent:1}", "x", "{consent:2}", "x", "{handle:1}", "x").Replace(a.path)
		seen[handler.RouteOf(a.method, path)] = true
	}
	for _, r := range handler.Routes() {
		method, path, _ := strings.Cut(r, " ")
		if method != http.MethodGet && strings.Contains(s.do(method, path, "").text, "not_yet_implemented") {
			continue // it is the same as for GET
		}
		if !seen[r] {
			t.Errorf("no transcript of %s", r)
		}
	}
}
