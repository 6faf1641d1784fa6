package profile_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken/internal/profile"
)

func files(pairs ...string) fstest.MapFS {
	out := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return out
}

func load(t *testing.T, pairs ...string) *profile.Set {
	t.Helper()
	set, err := profile.Load(files(pairs...), nil)
	require.NoError(t, err)
	return set
}

// operator is what the operator of the tests' service defines.
var operator = []string{
	"restrictions/here.json", `{"hosts":["192.0.2.0/24"]}`,
	"restrictions/few.json", `{"usages_AT":3}`,
	"restrictions/two.json", `[{"scope":"a"},{"scope":"b"}]`,
	"restrictions/scopes.json", `{"scope":"a b","audience":["x"]}`,
	"restrictions/more-audience.json", `{"audience":["x","y"]}`,
	"rotation/on.json", `{"on_AT":true,"lifetime":60}`,
	"profiles/job.json", `{"capabilities":["AT"],"restrictions":[{"usages_AT":1}],"name":"job"}`,
	"profiles/night.json", `{"include":"job","rotation":"on","name":"night"}`,
	"grid/profiles/job.json", `{"capabilities":["AT","tokeninfo"]}`,
	"grid/restrictions/site.json", `{"include":"_/here","usages_AT":9}`,
}

// TestMergeRules goes through protocol section 2.10, rule by rule.
func TestMergeRules(t *testing.T) {
	set := load(t, operator...)
	for _, c := range []struct{ name, request, want string }{
		{"nothing to do", `{"name":"x","grant_type":"mytoken"}`, `{"name":"x","grant_type":"mytoken"}`},
		{"no request", `null`, `{}`},
		{"missing is taken over", `{"include":"job"}`, `{"capabilities":["AT"],"restrictions":[{"usages_AT":1}],"name":"job"}`},
		{"null is missing", `{"include":"job","name":null}`, `{"name":"job","capabilities":["AT"],"restrictions":[{"usages_AT":1}]}`},
		{"own scalar stays", `{"include":"job","name":"mine"}`, `{"name":"mine","capabilities":["AT"],"restrictions":[{"usages_AT":1}]}`},
		{"own empty string stays", `{"include":"job","name":""}`, `{"name":"","capabilities":["AT"],"restrictions":[{"usages_AT":1}]}`},
		{"first include beats later ones", `{"include":["night","job"]}`,
			`{"name":"night","rotation":{"on_AT":true,"lifetime":60},"capabilities":["AT"],"restrictions":[{"usages_AT":1}]}`},
		{"names in a string", `{"include":" job  grid/job "}`, `{"capabilities":["AT","tokeninfo"],"restrictions":[{"usages_AT":1}],"name":"job"}`},
		{"with @", `{"include":"@grid/job"}`, `{"capabilities":["AT","tokeninfo"]}`},
		{"arrays are united", `{"include":"grid/job","capabilities":["settings","AT"]}`, `{"capabilities":["settings","AT","tokeninfo"]}`},
		{"array and string are united", `{"include":"agent","capabilities":["AT"]}`,
			`{"capabilities":["AT","tokeninfo","manage_mytokens","create_mytoken","settings"]}`},
		{"string beats array", `{"include":"grid/job","capabilities":"AT"}`, `{"capabilities":["AT"]}`},
		{"objects are merged", `{"include":"night","rotation":"on"}`,
			`{"rotation":{"on_AT":true,"lifetime":60},"name":"night","capabilities":["AT"],"restrictions":[{"usages_AT":1}]}`},
		{"explicit false beats true", `{"rotation":{"on_AT":false,"include":"on"}}`, `{"rotation":{"on_AT":false,"lifetime":60}}`},
		{"restrictions are united", `{"include":"job","restrictions":[{"exp":5}]}`, `{"restrictions":[{"exp":5},{"usages_AT":1}],"capabilities":["AT"],"name":"job"}`},
		{"clause becomes an array", `{"include":"job","restrictions":{"exp":5}}`, `{"restrictions":[{"exp":5},{"usages_AT":1}],"capabilities":["AT"],"name":"job"}`},

		{"one clause", `{"restrictions":{"exp":5}}`, `{"restrictions":[{"exp":5}]}`},
		{"a string is one clause", `{"restrictions":"here few"}`, `{"restrictions":[{"hosts":["192.0.2.0/24"],"usages_AT":3}]}`},
		{"strings are clauses", `{"restrictions":["here","few"]}`, `{"restrictions":[{"hosts":["192.0.2.0/24"]},{"usages_AT":3}]}`},
		{"clauses and names", `{"restrictions":[{"exp":5},"here few","few"]}`,
			`{"restrictions":[{"exp":5},{"hosts":["192.0.2.0/24"],"usages_AT":3},{"usages_AT":3}]}`},
		{"include in a clause", `{"restrictions":[{"include":["here","few"],"usages_AT":1}]}`, `{"restrictions":[{"usages_AT":1,"hosts":["192.0.2.0/24"]}]}`},
		{"lists in clauses are united", `{"restrictions":[{"include":"scopes more-audience","audience":["z"]}]}`,
			`{"restrictions":[{"audience":["z","x","y"],"scope":"a b"}]}`},
		{"a name of several clauses", `{"restrictions":"two"}`, `{"restrictions":[{"scope":"a"},{"scope":"b"}]}`},
		{"in the array", `{"restrictions":[{"exp":5},"two"]}`, `{"restrictions":[{"exp":5},{"scope":"a"},{"scope":"b"}]}`},
		{"alone in a clause", `{"restrictions":[{"include":"two"}]}`, `{"restrictions":[{"scope":"a"},{"scope":"b"}]}`},
		{"duplicates", `{"restrictions":["few","few",{"usages_AT":3}]}`, `{"restrictions":[{"usages_AT":3}]}`},
		{"another group", `{"restrictions":"grid/site"}`, `{"restrictions":[{"usages_AT":9,"hosts":["192.0.2.0/24"]}]}`},
		{"shipped", `{"include":"web-default"}`,
			`{"restrictions":[{"usages_AT":15,"exp":"+12h","hosts":["this"]}],"capabilities":["AT","tokeninfo"]}`},

		{"capabilities in a string", `{"capabilities":"AT @default+MT"}`, `{"capabilities":["AT","tokeninfo","create_mytoken"]}`},
		{"separated by commas", `{"capabilities":["AT,create_mytoken,tokeninfo"]}`, `{"capabilities":["AT","create_mytoken","tokeninfo"]}`},
		{"rotation in a string", `{"rotation":"at other daily"}`, `{"rotation":{"on_AT":true,"on_other":true,"lifetime":86400}}`},
		{"rotation of rotations", `{"rotation":"at-other-weekly-auto-revoke"}`,
			`{"rotation":{"on_AT":true,"on_other":true,"auto_revoke":true,"lifetime":604800}}`},
		{"empty array stays", `{"restrictions":[],"capabilities":[]}`, `{"restrictions":[],"capabilities":[]}`},
		{"empty rotation stays", `{"rotation":{}}`, `{"rotation":{}}`},
	} {
		got, err := set.Request([]byte(c.request))
		if err != nil || !sameJSON(t, string(got), c.want) {
			t.Errorf("%s: %s\n is %s, %v\nnot %s", c.name, c.request, got, err, c.want)
		}
	}
}

// TestWhatFailsIsRefused: a request that cannot be expanded is an error with a reason,
// and has no result (D79, D80, D81). // proves P1
func TestWhatFailsIsRefused(t *testing.T) {
	deep := strings.Repeat(`[`, 30) + strings.Repeat(`]`, 30)
	set := load(t, operator...)
	for request, reason := range map[string]string{
		`{"include":"nobody"}`:                                     "unknown include name: 'nobody'",
		`{"include":"nowhere/job"}`:                                "unknown include name: 'nowhere/job'",
		`{"restrictions":"job"}`:                                   "unknown include name: 'job'", // a profile
		`{"capabilities":"@nobody"}`:                               "unknown include name",
		`{"rotation":"nobody"}`:                                    "unknown include name",
		`{"restrictions":[{"include":["few","x"]}]}`:               "unknown include name: 'x'",
		`{"include":{"name":"job"}}`:                               "include is",
		`{"include":[["job"]]}`:                                    "include is",
		`{"include":7}`:                                            "include is",
		`{"include":"night","rotation":{"on_other":true}}`:         "cannot be merged", // object and string: D80
		`{"restrictions":{"exp":5},"include":"web-default"}`:       "cannot be merged",
		`{"restrictions":"few two"}`:                               "several clauses",
		`{"restrictions":"two few"}`:                               "several clauses",
		`{"restrictions":[{"exp":5,"include":"two"}]}`:             "several clauses",
		`{"restrictions":""}`:                                      "empty string",
		`{"restrictions":[" "]}`:                                   "empty string",
		`{"restrictions":7}`:                                       "restrictions are",
		`{"restrictions":[null]}`:                                  "neither a clause nor names",
		`{"restrictions":[[{"exp":5}]]}`:                           "neither a clause nor names",
		`{"capabilities":""}`:                                      "empty string",
		`{"capabilities":{"AT":true}}`:                             "capabilities are",
		`{"capabilities":[["AT"]]}`:                                "capabilities are",
		`{"rotation":[]}`:                                          "rotation is",
		`{"rotation":true}`:                                        "rotation is",
		`{"rotation":""}`:                                          "empty string",
		`["include"]`:                                              "JSON object",
		`{"a":` + deep + `}`:                                       "JSON object",
		`{"restrictions":[],"restrictions":[{"exp":1}]}`:           "JSON object",
		`{"restrictions":["` + strings.Repeat("few ", 200) + `"]}`: "more than 128 includes",
	} {
		got, err := set.Request([]byte(request))
		var typed *profile.Error
		if got != nil || !errors.As(err, &typed) || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s\n gave %s, %v\n want %q", request, got, err, reason)
		}
	}
}

// TestCycles: Load finds a template that includes itself, however indirectly (D79).
func TestCycles(t *testing.T) {
	chain := []string{}
	for i := range 20 {
		chain = append(chain, fmt.Sprintf("rotation/r%d.json", i), fmt.Sprintf(`{"include":"r%d"}`, i+1))
	}
	chain = append(chain, "rotation/r20.json", `{"on_AT":true}`)
	for name, c := range map[string]struct {
		files  []string
		reason string
	}{
		"itself":        {[]string{"rotation/a.json", `{"include":"a"}`}, "includes itself"},
		"each other":    {[]string{"restrictions/a.json", `{"include":"b"}`, "restrictions/b.json", `{"exp":1,"include":"_/a"}`}, "includes itself"},
		"capabilities":  {[]string{"capabilities/a.json", `["AT","@b"]`, "capabilities/b.json", `["AT","@a"]`}, "includes itself"},
		"profiles":      {[]string{"profiles/a.json", `{"include":["agent","a"]}`}, "includes itself"},
		"from profiles": {[]string{"profiles/a.json", `{"rotation":"r"}`, "rotation/r.json", `"r"`}, "includes itself"},
		"too deep":      {chain, "nested more than"},
	} {
		_, err := profile.Load(files(c.files...), nil)
		if err == nil || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	reject := func(typ profile.Type, payload []byte) error {
		if strings.Contains(string(payload), "hosst") {
			return errors.New("unknown key")
		}
		return nil
	}
	for _, c := range [][]string{
		{"readme.txt", "hello"},
		{"restrictions/a.txt", `{"exp":1}`},
		{"restriction/a.json", `{"exp":1}`},
		{"a/b/restrictions/c.json", `{"exp":1}`},
		{"profiles/restrictions/c.json", `{"exp":1}`},
		{"restrictions/a b.json", `{"exp":1}`},
		{"restrictions/.json", `{"exp":1}`},
		{"restrictions/@a.json", `{"exp":1}`},
		{"restrictions/a.json", `{"exp":1`},
		{"restrictions/a.json", `null`},
		{"restrictions/a.json", `[]`},
		{"restrictions/a.json", `{"exp":1,"exp":2}`},
		{"restrictions/a.json", `{"hosst":["x"]}`},
		{"restrictions/a.json", `7`},
		{"capabilities/a.json", `[]`},
		{"capabilities/a.json", `{}`},
		{"rotation/a.json", `[]`},
		{"profiles/a.json", `{"restrictions":[{"hosst":["x"]}]}`},
		{"profiles/a.json", `{"restriction":[{"exp":1}]}`},
		{"profiles/a.json", `["AT"]`},
		{"profiles/a.json", `{"capabilities":[]}`},
	} {
		if _, err := profile.Load(files(c...), reject); err == nil {
			t.Errorf("%s with %s was accepted", c[0], c[1])
		}
	}
}

func TestList(t *testing.T) {
	set := load(t, operator...)
	if got := set.Groups(); !reflect.DeepEqual(got, []string{"_", "grid"}) {
		t.Errorf("groups %q", got)
	}
	now := time.Unix(1_800_000_000, 0)
	times := profile.TimesAt(now, nil)
	entries, err := set.List("_", profile.Profiles, times)
	if err != nil || len(entries) != 4 {
		t.Fatalf("%v, %v", entries, err)
	}
	web := entries[3]
	if web.Name != "web-default" || !sameJSON(t, string(web.Payload),
		`{"restrictions":[{"usages_AT":15,"exp":1800043200,"hosts":["this"]}],"capabilities":["AT","tokeninfo"]}`) {
		t.Errorf("%s: %s", web.Name, web.Payload)
	}
	again, err := set.List("_", profile.Profiles, times)
	if err != nil || again[3].ID != web.ID || again[2].ID == web.ID || len(web.ID) != 36 {
		t.Errorf("ids %q, %q", again[3].ID, web.ID)
	}
	if entries, err := set.List("nowhere", profile.Profiles, times); entries != nil || err != nil {
		t.Errorf("%v, %v", entries, err)
	}
	for text, want := range map[string]int64{"+1d": 1_800_086_400, "1800000001": 1_800_000_001} {
		if got, err := times(text); err != nil || got != want {
			t.Errorf("%s is %d, %v", text, got, err)
		}
	}
	if _, err := times("soon"); err == nil {
		t.Error("soon is a time")
	}
	for name, want := range map[string]string{"two": `[{"scope":"a"},{"scope":"b"}]`, "few": `[{"usages_AT":3}]`} {
		if got, err := set.Expand(profile.Restrictions, name); err != nil || string(got) != want {
			t.Errorf("%s is %s, %v", name, got, err)
		}
	}
	if _, err := set.Expand(profile.Restrictions, "nobody"); err == nil {
		t.Error("nobody was expanded")
	}
}

// TestReplaceShipped: the operator's file wins over the built-in piece.
func TestReplaceShipped(t *testing.T) {
	set := load(t, "profiles/agent.json", `{"capabilities":"AT"}`)
	got, err := set.Request([]byte(`{"include":"agent"}`))
	if err != nil || string(got) != `{"capabilities":["AT"]}` {
		t.Errorf("%s, %v", got, err)
	}
}

// FuzzRequest: expansion never panics, and its result does not change when it is expanded
// again.
func FuzzRequest(f *testing.F) {
	for _, seed := range []string{`{"include":"job night"}`, `{"restrictions":["two",{"include":"few"}]}`, `{"rotation":"at","capabilities":"@all AT"}`, `{}`, `[`} {
		f.Add(seed)
	}
	set, err := profile.Load(files(operator...), nil)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, request string) {
		once, err := set.Request([]byte(request))
		if err != nil {
			if once != nil {
				t.Fatalf("%q with %v", once, err)
			}
			return
		}
		twice, err := set.Request(once)
		if err != nil || !sameJSON(t, string(once), string(twice)) {
			t.Fatalf("%q gave %q, and that %q, %v", request, once, twice, err)
		}
	})
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return false
	}
	return reflect.DeepEqual(x, y)
}

// The files may be those of a volume of Kubernetes, in which files and folders are links
// into a folder that begins with dots, and an editor may have left files of its own.
func TestFilesOfAVolume(t *testing.T) {
	volume := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		name = filepath.Join(volume, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o700))
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	}
	write("..2026_01/capabilities/one.json", `["AT"]`)
	write("..2026_01/group/capabilities/two.json", `["AT"]`)
	write("..2026_01/three.json", `["AT"]`)
	write("plain/capabilities/.one.json.swp", "an editor")
	write(".git/config", "a folder of another program")
	link := func(to, name string) {
		t.Helper()
		if err := os.Symlink(to, filepath.Join(volume, name)); err != nil {
			t.Skip(err)
		}
	}
	link("..2026_01", "..data")
	link("..data/capabilities", "capabilities")
	link("..data/group", "group")
	link("../../..data/three.json", "plain/capabilities/three.json")
	set, err := profile.Load(os.DirFS(volume), nil)
	require.NoError(t, err)
	for _, name := range []string{"one", "group/two", "plain/three"} {
		got, err := set.Expand(profile.Capabilities, name)
		require.NoError(t, err, name)
		require.JSONEq(t, `["AT"]`, string(got))
	}
	link(".", "plain/loop")
	_, err = profile.Load(os.DirFS(volume), nil)
	require.ErrorContains(t, err, "plain/loop/")
	require.NoError(t, os.Remove(filepath.Join(volume, "plain/loop")))
	write("plain/capabilities/four.json~", `["AT"]`)
	_, err = profile.Load(os.DirFS(volume), nil)
	require.ErrorContains(t, err, "plain/capabilities/four.json~: not <type>/<name>.json")
}
