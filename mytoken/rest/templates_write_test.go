package rest_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/rest"
)

const (
	editorPassword = "the-password-of-the-operator"
	gridPassword   = "the-password-of-the-grid"
)

// withEditors lets the groups _ and grid change the templates of a source.
func withEditors(source rest.WritableTemplates) func(*setup) {
	return func(o *setup) {
		o.rest.Templates = source
		o.rest.TemplateEditors = []rest.Client{
			{ID: "_", Secret: mytoken.NewSecret(editorPassword)}, {ID: "grid", SecretSum: sha256.Sum256([]byte(gridPassword))},
		}
	}
}

func basic(user, password string) []string {
	return []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))}
}

// editable is a service with templates in a directory.
type editable struct {
	*service
	dir string
}

func startEditable(t *testing.T, changes ...func(*setup)) *editable {
	dir := t.TempDir()
	source, err := rest.TemplateDir(dir)
	require.NoError(t, err)
	return &editable{start(t, append([]func(*setup){withEditors(source)}, changes...)...), dir}
}

// edit sends a change of the group _.
func (e *editable) edit(method, path string, body any, header ...string) *reply {
	e.t.Helper()
	text := ""
	if body != nil {
		text = encode(e.t, body)
	}
	return e.do(method, "/api/v0/pt/"+path, text, append(basic("_", editorPassword), header...)...)
}

// files returns all files and their contents.
func (e *editable) files() map[string]string {
	e.t.Helper()
	out := make(map[string]string)
	require.NoError(e.t, filepath.WalkDir(e.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(e.dir, path)
		out[filepath.ToSlash(name)] = string(data)
		return err
	}))
	return out
}

// TestWriteTemplates: a template that an editor writes counts in the next request, is a
// file that a restart reads, and is gone after it was deleted.
func TestWriteTemplates(t *testing.T) {
	e := startEditable(t)
	parent := e.token(mytoken.Properties{})
	derived := func(s *service, request m) string {
		return encode(t, s.object(s.derive(parent, request), 200)["restrictions"])
	}

	created := e.object(e.edit("POST", "restrictions", m{"name": "few", "payload": m{"include": "1d", "usages_AT": 3}}), 201)
	day := e.Clock.Now().Unix() + 86400
	require.Equal(t, fmt.Sprintf(`{"exp":%d,"usages_AT":3}`, day), encode(t, created["payload"]))
	require.Equal(t, "few", created["name"])
	require.Equal(t, map[string]string{"restrictions/few.json": `{"include":"1d","usages_AT":3}` + "\n"}, e.files())
	require.Contains(t, e.do("GET", "/api/v0/pt/restrictions", "").text, created["id"])
	want := fmt.Sprintf(`[{"exp":%d,"usages_AT":3}]`, day)
	require.Equal(t, want, derived(e.service, m{"restrictions": "few"}))

	source, err := rest.TemplateDir(e.dir)
	require.NoError(t, err)
	require.Equal(t, want, derived(e.restart(nil, rest.Options{Templates: source}), m{"restrictions": "few"}))

	// The id may stand in the path, with and without the group, in the query and in the body.
	id := created["id"].(string)
	for n, send := range []func(body m) *reply{
		func(body m) *reply { return e.edit("PUT", "_/restrictions/"+id, body) },
		func(body m) *reply { return e.edit("PUT", "restrictions/"+id, body) },
		func(body m) *reply { return e.edit("PUT", "restrictions?id="+id, body) },
		func(body m) *reply { body["id"] = id; return e.edit("PUT", "_/restrictions", body) },
		func(body m) *reply {
			body["name"] = "few"
			return e.edit("PUT", "restrictions/"+strings.ToUpper(id), body)
		},
	} {
		got := e.object(send(m{"payload": m{"usages_AT": n + 1}}), 200)
		require.Equal(t, m{"id": id, "name": "few", "payload": m{"usages_AT": float64(n + 1)}}, got)
		require.Equal(t, fmt.Sprintf(`[{"usages_AT":%d}]`, n+1), derived(e.service, m{"restrictions": "few"}))
	}

	r := e.edit("DELETE", "restrictions/"+id, nil)
	require.Equal(t, 204, r.StatusCode, r.text)
	require.Empty(t, r.text)
	require.Empty(t, e.files())
	e.fails(e.derive(parent, m{"restrictions": "few"}), 400, "invalid_request", "unknown include name: 'few'")
	e.fails(e.edit("DELETE", "restrictions/"+id, nil), 404, "not_found", "the group has no template of this type with this id")
	e.fails(e.edit("PUT", "restrictions/"+id, m{"payload": m{"exp": 1}}), 404, "not_found", "the group has no template of this type with this id")
	assert.Contains(t, e.Log.String(), `"template":"_/restrictions/few"`)
}

// TestWriteBuiltInTemplates: an editor can put a template in the place of a built-in one,
// which counts again afterwards and cannot be deleted.
func TestWriteBuiltInTemplates(t *testing.T) {
	e := startEditable(t)
	parent := e.token(mytoken.Properties{})
	capabilities := func() string {
		return encode(t, e.object(e.derive(parent, m{"include": "agent"}), 200)["capabilities"])
	}
	all := capabilities()
	for _, method := range []string{"POST", "PUT"} {
		path, status := "profiles", 201
		id := e.object(e.edit("POST", "profiles", m{"name": "agent", "payload": m{"capabilities": "AT"}}), 201)["id"].(string)
		require.Equal(t, `["AT"]`, capabilities())
		require.Equal(t, 204, e.edit("DELETE", "profiles/"+id, nil).StatusCode)
		require.Equal(t, all, capabilities())
		if method == "PUT" {
			path, status = "profiles/"+id, 200
		}
		e.object(e.edit(method, path, m{"name": "agent", "payload": m{"capabilities": []string{"AT"}}}), status)
		require.Equal(t, `["AT"]`, capabilities())
		e.fails(e.edit("POST", "profiles", m{"name": "agent", "payload": m{"capabilities": "AT"}}), 409, "invalid_request", "a template of this name exists already")
		require.Equal(t, 204, e.edit("DELETE", "profiles/"+id, nil).StatusCode)
		require.Equal(t, all, capabilities())
		e.fails(e.edit("DELETE", "profiles/"+id, nil), 400, "invalid_request", "_/profiles/agent is built in")
	}
}

// TestD78_TemplateEditors: only the editor of a group changes its templates. An unknown
// group has no password, not even an empty one. No other site can make an editor's browser
// do it.
func TestD78_TemplateEditors(t *testing.T) {
	e := startEditable(t)
	id := e.object(e.edit("POST", "profiles", m{"name": "x", "payload": m{"name": "x"}}), 201)["id"].(string)
	before := e.files()
	const body = `{"name":"y","payload":{"name":"y"}}`
	requests := [][2]string{{"POST", "profiles"}, {"POST", "_/profiles"}, {"PUT", "profiles/" + id}, {"PUT", "_/profiles/" + id}, {"DELETE", "_/profiles/" + id}}
	for _, request := range requests {
		method, path := request[0], "/api/v0/pt/"+request[1]
		for _, header := range [][]string{
			nil, basic("", ""), basic("_", ""), basic("_", gridPassword), basic("_", editorPassword+"x"), basic("_", strings.ToUpper(editorPassword)),
			basic("nobody", ""), basic("nobody", editorPassword), basic("", editorPassword), basic("_", strings.Repeat("\x00", 32)), basic("%5F", editorPassword),
			{"Authorization", "Basic Xzo="}, {"Authorization", "Basic !"}, {"Authorization", "Bearer " + editorPassword}, {"Authorization", "Basic"},
		} {
			r := e.do(method, path, body, header...)
			e.fails(r, 401, "invalid_client", "client authentication failed")
			require.Equal(t, `Basic realm="mytoken"`, r.Header.Get("Www-Authenticate"))
		}
		e.fails(e.do(method, path, body, basic("grid", gridPassword)...), 403, "access_denied", "these are the templates of another group")
		for _, other := range [][]string{
			{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"},
		} {
			header := append(append(basic("_", editorPassword), other...), "Content-Type", "text/plain")
			e.fails(e.do(method, path, body, header...), 403, "access_denied", "request from another site")
		}
	}
	for _, path := range []string{"grid/profiles", "evil/profiles", "grid/profiles/" + id} {
		method := "POST"
		if strings.HasSuffix(path, id) {
			method = "DELETE"
		}
		e.fails(e.edit(method, path, m{"name": "y", "payload": m{"name": "y"}}), 403, "access_denied", "these are the templates of another group")
	}
	require.Equal(t, before, e.files())
	// Scripts of the service's own pages pass, and so does the editor of another group.
	e.object(e.do("POST", "/api/v0/pt/grid/profiles", body, append(basic("grid", gridPassword), "Sec-Fetch-Site", "same-origin")...), 201)
	require.Equal(t, `{"name":"y"}`+"\n", e.files()["grid/profiles/y.json"])
	for _, secret := range []string{editorPassword, gridPassword, basic("_", editorPassword)[1]} {
		require.NotContains(t, e.Log.String(), secret)
	}
}

// TestD79_D80_D81_WrittenTemplates: nothing is stored of a template that could not be
// used, or that would make another one unusable. // proves P1
func TestD79_D80_D81_WrittenTemplates(t *testing.T) {
	e := startEditable(t)
	parent := e.token(mytoken.Properties{})
	put := make(map[string]string)
	for _, c := range []struct {
		path, name string
		payload    any
	}{
		{"rotation", "on", m{"on_AT": true}}, {"rotation", "again", "on"}, {"profiles", "rotating", m{"rotation": "again", "name": "r"}},
		{"restrictions", "few", m{"usages_AT": 3}}, {"restrictions", "fewer", m{"include": "few", "exp": "+1d"}}, {"profiles", "job", m{"restrictions": "fewer"}},
	} {
		put[c.name] = c.path + "/" + e.object(e.edit("POST", c.path, m{"name": c.name, "payload": c.payload}), 201)["id"].(string)
	}
	before := e.files()
	list := func() (all []string) {
		for _, typ := range []string{"profiles", "restrictions", "capabilities", "rotation"} {
			all = append(all, e.do("GET", "/api/v0/pt/"+typ, "").text)
		}
		return all
	}
	listed := list()
	for _, c := range []struct {
		path    string
		name    string
		payload string
		status  int
		says    string
	}{
		{"rotation", "a", `{"include":"a"}`, 400, "include 'a' includes itself"},
		{put["on"], "", `"again"`, 400, "includes itself"},
		{put["few"], "", `{"include":"fewer"}`, 400, "includes itself"},
		{"profiles", "a", `{"include":"nobody"}`, 400, "unknown include name: 'nobody'"},
		{"profiles", "a", `{"include":"rotating","rotation":{"on_other":true}}`, 400, "cannot be merged"},
		{put["few"], "", `[{"exp":"+1d"},{"exp":"+2d"}]`, 409, "others that depend on it would not be valid: _/profiles/job, _/restrictions/fewer"},
		{put["on"], "", `{"on_at":true}`, 400, "rotation is malformed"},
		{"capabilities", "a", `["everything"]`, 400, `unknown capability "everything"`},
		{"capabilities", "a", `[]`, 400, "empty"},
		{"restrictions", "a", `{"hosst":["192.0.2.1"]}`, 400, `"hosst"`},
		{"restrictions", "a", `{"hosts":["*x"]}`, 400, "hosts"},
		{"restrictions", "a", `{"usages_AT":-1}`, 400, "usages_AT"},
		{"restrictions", "a", `{"schedule":{"timezone":"Mars/Olympus"}}`, 400, "schedule"},
		{"restrictions", "a", `{"schedule":{"from":"25:00","to":"06:00"}}`, 400, "schedule"},
		{"restrictions", "a", `{"exp":1,"exp":2}`, 400, ""},
		{"restrictions", "a", `[]`, 400, "empty"},
		{"restrictions", "a", `null`, 400, "the payload is missing"},
		{"profiles", "a", `{"restriction":[{"exp":1}]}`, 400, "a profile has no member 'restriction'"},
		{"profiles", "a", `{"tags":[1]}`, 400, "tags are malformed"},
		{"profiles", "a", `["AT"]`, 400, "a profile is an object"},
		{"profiles", "a", strings.Repeat("[", 18) + strings.Repeat("]", 18), 400, ""},
		{"profiles", "a", `{"name":"` + strings.Repeat("x", 64<<10) + `"}`, 413, "too large"},
		{put["few"], "other", `{"exp":"+1d"}`, 400, "cannot be renamed"},
		{"restrictions", "FEW", `{"exp":"+1d"}`, 400, "upper and lower case"},
		{"restrictions", "", `{"exp":"+1d"}`, 400, "the name is missing"},
		{"restrictions", "../../x", `{"exp":"+1d"}`, 400, "cannot be used"},
		{"restrictions", ".x", `{"exp":"+1d"}`, 400, "cannot be used"},
		{"restrictions", `..\x`, `{"exp":"+1d"}`, 400, "cannot be used"},
		{"restrictions", "a/b", `{"exp":"+1d"}`, 400, "cannot be used"},
		{"restrictions", "profiles", `{"exp":"+1d"}`, 400, "cannot be used"},
		{"restrictions", strings.Repeat("x", 101), `{"exp":"+1d"}`, 400, "longer than 100"},
		{"nonsense", "a", `{}`, 404, ""},
	} {
		method := "POST"
		if strings.Contains(c.path, "/") {
			method = "PUT"
		}
		r := e.do(method, "/api/v0/pt/"+c.path, `{"name":`+encode(t, c.name)+`,"payload":`+c.payload+`}`, basic("_", editorPassword)...)
		got := e.object(r, c.status)
		text, _ := got["error_description"].(string)
		require.Contains(t, text, c.says, "%s %s %.100s", c.path, c.name, c.payload)
		require.Less(t, len(r.text), 600)
		require.Equal(t, before, e.files(), "%s %s %.100s", c.path, c.name, c.payload)
	}
	for name, says := range map[string]string{"on": "_/profiles/rotating, _/rotation/again", "few": "_/profiles/job, _/restrictions/fewer", "fewer": "_/profiles/job"} {
		e.fails(e.edit("DELETE", put[name], nil), 409, "invalid_request", "others that depend on it would not be valid: "+says)
	}
	other := strings.TrimPrefix(put["on"], "rotation/")
	e.fails(e.edit("PUT", put["again"]+"?id="+other, m{"payload": m{"on_AT": true}}), 400, "invalid_request", "the request has two different ids")
	e.fails(e.edit("PUT", "rotation", m{"payload": m{"on_AT": true}}), 400, "invalid_request", "the id is missing")
	e.fails(e.edit("POST", "rotation?id="+other, m{"name": "a", "payload": m{"on_AT": true}}), 400, "invalid_request", "a new template gets its id from the server")
	require.Equal(t, before, e.files())
	require.Equal(t, listed, list())
	require.Equal(t, `[{"exp":`+fmt.Sprint(e.Clock.Now().Unix()+86400)+`,"usages_AT":3}]`, encode(t, e.object(e.derive(parent, m{"include": "job"}), 200)["restrictions"]))
}

// TestTemplatesAreShared: two services on one directory see each other's changes, and
// those that are made by hand, within a second. A file that cannot be used changes nothing,
// and the log tells once.
func TestTemplatesAreShared(t *testing.T) {
	e := startEditable(t)
	parent := e.token(mytoken.Properties{})
	source, err := rest.TemplateDir(e.dir)
	require.NoError(t, err)
	other := e.restart(nil, rest.Options{Templates: source})
	used := func(s *service) string {
		r := s.derive(parent, m{"restrictions": "few"})
		if r.StatusCode != 200 {
			return s.object(r, 400)["error_description"].(string)
		}
		return encode(t, s.object(r, 200)["restrictions"])
	}
	id := e.object(e.edit("POST", "restrictions", m{"name": "few", "payload": m{"usages_AT": 3}}), 201)["id"].(string)
	require.Equal(t, "unknown include name: 'few'", used(other), "the set is younger than a second")
	e.Clock.Advance(time.Second)
	require.Equal(t, `[{"usages_AT":3}]`, used(other))

	file := filepath.Join(e.dir, "restrictions", "few.json")
	write := func(text string) {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		e.Clock.Advance(time.Second)
	}
	write(`{"usages_AT":4}`)
	require.Equal(t, `[{"usages_AT":4}]`, used(e.service))
	require.Equal(t, `[{"usages_AT":4}]`, used(other))
	for range 3 {
		write(`{"usages_AT":`)
		require.Equal(t, `[{"usages_AT":4}]`, used(e.service))
		require.Equal(t, `[{"usages_AT":4}]`, used(other))
	}
	require.Equal(t, 2, strings.Count(e.Log.String(), "the templates cannot be read, and the last good ones are used"), "once for each service")
	require.Equal(t, 500, e.edit("PUT", "restrictions/"+id, m{"payload": m{"usages_AT": 9}}).StatusCode)
	require.Equal(t, `{"usages_AT":`, e.files()["restrictions/few.json"])
	write(`{"usages_AT":5}`)
	require.Equal(t, `[{"usages_AT":5}]`, used(e.service))
	require.Equal(t, 1, strings.Count(e.Log.String(), "the templates can be read again"))

	require.NoError(t, os.RemoveAll(e.dir))
	e.Clock.Advance(time.Second)
	require.Equal(t, `[{"usages_AT":5}]`, used(e.service), "the last good set")
}

// faultySource is a directory whose writes fail as told.
type faultySource struct {
	rest.WritableTemplates
	before, after atomic.Pointer[error]
	opened        func()
}

func (f *faultySource) Open(name string) (fs.File, error) {
	if f.opened != nil && name == "." {
		f.opened()
	}
	return f.WritableTemplates.Open(name)
}

func (f *faultySource) WriteFile(ctx context.Context, name string, data []byte) error {
	if err := f.before.Load(); err != nil {
		return *err
	}
	err := f.WritableTemplates.WriteFile(ctx, name, data)
	if after := f.after.Load(); err == nil && after != nil {
		return *after
	}
	return err
}

// TestTemplatesNotStored: if a file cannot be written, the client learns that it failed and
// the log why. What counts afterwards is what is in the file.
func TestTemplatesNotStored(t *testing.T) {
	dir := t.TempDir()
	inner, err := rest.TemplateDir(dir)
	require.NoError(t, err)
	source := &faultySource{WritableTemplates: inner}
	e := &editable{start(t, withEditors(source)), dir}
	failed := errors.New("no space left on marker")
	write := func(n int) *reply {
		return e.edit("POST", "restrictions", m{"name": fmt.Sprint("r", n), "payload": m{"usages_AT": n}})
	}
	source.before.Store(&failed)
	e.object(write(1), 500)
	require.NotContains(t, e.do("GET", "/api/v0/pt/restrictions", "").text, `"r1"`)
	require.Empty(t, e.files())
	source.before.Store(nil)
	source.after.Store(&failed)
	r := write(1)
	require.NotContains(t, r.text, "marker")
	e.object(r, 500)
	require.Contains(t, e.do("GET", "/api/v0/pt/restrictions", "").text, `"r1"`)
	require.Contains(t, e.Log.String(), "no space left on marker")
	source.after.Store(nil)
	e.object(write(2), 201)
}

// TestTemplateOptions: editors need a source that can be written to, and names that can be
// groups. A source without editors answers 501.
func TestTemplateOptions(t *testing.T) {
	source, err := rest.TemplateDir(filepath.Join(t.TempDir(), "new", "dir"))
	require.NoError(t, err)
	s := start(t)
	secret := mytoken.NewSecret(editorPassword)
	for name, o := range map[string]rest.Options{
		"no source":        {TemplateEditors: []rest.Client{{ID: "_", Secret: secret}}},
		"fixed source":     {Templates: fstest.MapFS{}, TemplateEditors: []rest.Client{{ID: "_", Secret: secret}}},
		"a short password": {Templates: source, TemplateEditors: []rest.Client{{ID: "_", Secret: mytoken.NewSecret("short")}}},
		"no password":      {Templates: source, TemplateEditors: []rest.Client{{ID: "_"}}},
		"no group":         {Templates: source, TemplateEditors: []rest.Client{{Secret: secret}}},
		"parent":           {Templates: source, TemplateEditors: []rest.Client{{ID: "..", Secret: secret}}},
		"path":             {Templates: source, TemplateEditors: []rest.Client{{ID: "a/b", Secret: secret}}},
		"type":             {Templates: source, TemplateEditors: []rest.Client{{ID: "profiles", Secret: secret}}},
		"twice":            {Templates: source, TemplateEditors: []rest.Client{{ID: "_", Secret: secret}, {ID: "_", Secret: secret}}},
	} {
		_, err := rest.NewHandler(s.Issuer, o)
		require.ErrorIs(t, err, rest.ErrOptions, name)
		require.NotContains(t, err.Error(), editorPassword)
	}
	other := s.restart(nil, rest.Options{Templates: source})
	for _, path := range []string{"profiles", "_/profiles/x"} {
		for _, method := range []string{"POST", "PUT", "DELETE"} {
			other.fails(other.do(method, "/api/v0/pt/"+path, "", basic("_", editorPassword)...), 501, "not_yet_implemented", "writing templates is not available on this server")
		}
	}
	_, err = rest.TemplateDir(filepath.Join("template_dir.go", "x"))
	require.Error(t, err)
}

// TestTemplatesAtTheSameTime: writers follow each other, and no reader sees half a change
// or waits for a source that is slow.
func TestTemplatesAtTheSameTime(t *testing.T) {
	e := startEditable(t)
	e.object(e.edit("POST", "restrictions", m{"name": "base", "payload": m{"usages_AT": 1}}), 201)
	var running, readers sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				r := e.do(http.MethodGet, "/api/v0/pt/restrictions", "")
				if !assert.Equal(t, 200, r.StatusCode, r.text) {
					return
				}
				e.Clock.Advance(time.Second)
			}
		})
	}
	var created atomic.Int32
	for w := range 4 {
		running.Go(func() {
			for n := range 8 {
				r := e.edit("POST", "restrictions", m{"name": fmt.Sprint("n", n), "payload": m{"include": "base", "usages_other": w + 1}})
				switch r.StatusCode {
				case 201:
					created.Add(1)
				case 409:
				default:
					assert.Fail(t, r.text)
				}
			}
		})
	}
	running.Wait()
	close(done)
	readers.Wait()
	require.Equal(t, int32(8), created.Load(), "each name once")
	require.Len(t, e.files(), 9)
}

// TestSlowTemplates: while one request reads the source, the others use what is there.
func TestSlowTemplates(t *testing.T) {
	inner, err := rest.TemplateDir(t.TempDir())
	require.NoError(t, err)
	source := &faultySource{WritableTemplates: inner}
	s := start(t, withEditors(source))
	reading, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	source.opened = func() {
		once.Do(func() {
			close(reading)
			<-release
		})
	}
	s.Clock.Advance(time.Second)
	first := make(chan int)
	go func() { first <- s.do(http.MethodGet, "/api/v0/pt", "").StatusCode }()
	<-reading
	require.Equal(t, 200, s.do(http.MethodGet, "/api/v0/pt", "").StatusCode)
	close(release)
	require.Equal(t, 200, <-first)
}

// TestTemplateForms: a change may come as a form, like every request (D101).
func TestTemplateForms(t *testing.T) {
	e := startEditable(t)
	values := url.Values{"name": {"few"}, "payload": {`{"usages_AT":3}`}}
	e.object(e.form("/api/v0/pt/restrictions", values, basic("_", editorPassword)...), 201)
	require.Equal(t, `{"usages_AT":3}`+"\n", e.files()["restrictions/few.json"])
	e.fails(e.do("PUT", "/api/v0/pt/restrictions", `{"name":"a","NAME":"b"}`, basic("_", editorPassword)...), 400, "invalid_request", "the body has a member twice")
	e.fails(e.do("PUT", "/api/v0/pt/restrictions", `[`, basic("_", editorPassword)...), 400, "invalid_request", "the body is not a JSON object, or not strict JSON")
}

// memoryTemplates are templates in memory, as an embedding program may keep them.
type memoryTemplates struct {
	mu    sync.Mutex
	files fstest.MapFS
}

func (s *memoryTemplates) Open(name string) (fs.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.files.Open(name)
}

func (s *memoryTemplates) WriteFile(_ context.Context, name string, data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[name] = &fstest.MapFile{Data: data}
	return nil
}

func (s *memoryTemplates) RemoveFile(_ context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.files, name)
	return nil
}
