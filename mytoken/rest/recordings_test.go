package rest_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// recording is what is known about a response of the reference server.
type recording struct {
	Name   string   `json:"name"`
	Method string   `json:"method"`
	Path   string   `json:"path"`
	Status int      `json:"status"`
	Type   string   `json:"type"`
	Error  m        `json:"error"`
	Fields []string `json:"fields"`
}

// sameAs maps a recording to the step of a transcript with the same request.
var sameAs = map[string]string{
	"01-discovery":                  "discovery/mytoken configuration",
	"02-openid-configuration":       "discovery/openid configuration",
	"03-jwks":                       "discovery/jwks",
	"04-authcode-start":             "native-login/start",
	"05-poll-pending":               "native-login/pending",
	"07-consent-approve":            "native-login/approve",
	"09-oidc-redirect":              "native-login/back",
	"10-poll-success":               "native-login/fetch",
	"11-poll-again":                 "native-login/fetch again",
	"12-introspect":                 "tokeninfo/introspect",
	"13-introspect-bearer":          "tokeninfo/introspect with a bearer token",
	"14-at-json":                    "access/JSON",
	"15-at-scope-aud":               "access/scope and audience",
	"16-at-form":                    "access/form",
	"17-at-oauth-refresh-form":      "access/refresh",
	"18-at-scope-not-allowed":       "access/scope not allowed",
	"19-at-wrong-issuer":            "access/wrong issuer",
	"20-at-wrong-grant":             "access/wrong grant",
	"21-at-no-token":                "access/no token",
	"22-introspect-after-use":       "access/after use",
	"23-subtoken":                   "subtokens/subtoken",
	"24-subtoken-not-tighter":       "subtokens/not tighter",
	"25-subtoken-loosened-silently": "subtokens/adjusted",
	"26-subtoken-short":             "subtokens/short token",
	"27-subtoken-transfer":          "subtokens/transfer code",
	"28-subtoken-max-token-len":     "subtokens/max token len",
	"29-short-at":                   "subtokens/access by short token",
	"30-short-introspect":           "subtokens/introspect a short token",
	"31-transfer-create":            "subtokens/create a transfer code",
	"32-transfer-exchange":          "subtokens/redeem",
	"33-transfer-exchange-again":    "subtokens/redeem again",
	"34-transfer-exchange-subtoken": "subtokens/redeem that of a new token",
	"35-history":                    "tokeninfo/history",
	"36-history-children":           "tokeninfo/history of this and its children",
	"37-subtokens":                  "tokeninfo/subtokens",
	"38-list":                       "tokeninfo/list",
	"39-tokeninfo-notifications":    "tokeninfo/notifications",
	"40-tokeninfo-unknown":          "tokeninfo/unknown",
	"41-settings-grants":            "settings/none yet",
	"42-settings":                   "discovery/settings",
	"43-profiles":                   "profiles/groups",
	"44-profiles-caps":              "profiles/capabilities",
	"45-cap-missing-create":         "subtokens/no capability",
	"46-rotation-at":                "rotation/access",
	"47-rotation-at-new":            "rotation/access by refresh",
	"48-rotation-replay-old":        "rotation/old token",
	"49-rotation-after-autorevoke":  "rotation/after auto-revocation",
	"50-revoke-by-momid":            "revocation/by mom_id",
	"51-sub-after-revoke":           "revocation/after that",
	"52-revoke-recursive":           "revocation/recursive",
	"53-at-after-revoke":            "revocation/access after that",
	"54-introspect-after-revoke":    "revocation/introspect after that",
	"55-revoke-again":               "revocation/again",
	"56-authcode-start-web":         "web-login/start",
	"57-consent-decline":            "web-login-trusted/decline",
	"59-not-found":                  "elsewhere/unknown path",
	"60-method-not-allowed":         "elsewhere/wrong method",
}

// TestRecordings compares status, media type, fields and errors with what the reference
// server answered to the same request. The table in testdata/differences.md has to list
// and explain every difference.
func TestRecordings(t *testing.T) {
	text, err := os.ReadFile("testdata/recordings.json")
	if err != nil {
		t.Fatal(err)
	}
	var recordings []recording
	if err := json.Unmarshal(text, &recordings); err != nil {
		t.Fatal(err)
	}
	answers := goldenAnswers(t)
	table := differences(t)
	for _, r := range recordings {
		step, ok := sameAs[r.Name]
		if !ok {
			t.Errorf("%s: not compared", r.Name)
			continue
		}
		a, ok := answers[step]
		if !ok {
			t.Errorf("%s: no step %q", r.Name, step)
			continue
		}
		if a.method != r.Method {
			t.Errorf("%s: %s compared with %s", r.Name, r.Method, a.method)
		}
		got := strings.Join(r.compare(a), "; ")
		if want := table[r.Name]; got != want {
			t.Errorf("%s differs: %s\nthe table says: %s", r.Name, got, want)
		}
		delete(table, r.Name)
	}
	for name := range table {
		t.Errorf("%s is in the table and was not compared", name)
	}
}

// golden is a response in a transcript.
type golden struct {
	method, path string
	status       int
	media        string
	body         any
}

func goldenAnswers(t *testing.T) map[string]golden {
	t.Helper()
	files, err := filepath.Glob("testdata/transcripts/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]golden)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var asked []string
		for _, f := range parseArchive(string(text)).files {
			if strings.HasSuffix(f.name, " >") {
				asked = strings.Fields(f.data)
				continue
			}
			head, body, _ := strings.Cut(f.data, "\n\n")
			g := golden{method: asked[0], path: asked[1]}
			if _, err := fmt.Sscanf(head, "HTTP/1.1 %d", &g.status); err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(head) {
				if v, ok := strings.CutPrefix(line, "Content-Type: "); ok {
					g.media = strings.TrimSpace(v)
				}
			}
			_ = json.Unmarshal([]byte(body), &g.body) // pages stay nil
			out[strings.TrimSuffix(filepath.Base(file), ".txtar")+"/"+strings.TrimSuffix(f.name, " <")] = g
		}
	}
	return out
}

// compare lists the differences.
func (r *recording) compare(a golden) []string {
	var out []string
	if a.status != r.Status {
		out = append(out, fmt.Sprintf("status %d, not %d", a.status, r.Status))
	}
	if a.media != r.Type {
		out = append(out, fmt.Sprintf("type %q, not %q", a.media, r.Type))
	}
	body, _ := a.body.(m)
	if r.Error != nil && body["error"] != nil {
		for _, field := range []string{"error", "error_description"} {
			if body[field] != r.Error[field] {
				out = append(out, fmt.Sprintf("%s %q, not %q", field, body[field], r.Error[field]))
			}
		}
	}
	have := fieldsOf(a.body, "")
	slices.Sort(have)
	have = slices.Compact(have)
	for _, f := range r.Fields {
		if !slices.Contains(have, f) {
			out = append(out, "without "+f)
		}
	}
	for _, f := range have {
		if !slices.Contains(r.Fields, f) {
			out = append(out, "with "+f)
		}
	}
	return out
}

// fieldsOf lists the fields of a value with their types.
func fieldsOf(v any, path string) (out []string) {
	switch v := v.(type) {
	case m:
		if len(v) == 0 && path != "" {
			return []string{path + ": object"}
		}
		for name, inner := range v {
			if path != "" {
				name = path + "." + name
			}
			out = append(out, fieldsOf(inner, name)...)
		}
	case []any:
		if len(v) == 0 {
			return []string{path + ": array"}
		}
		for _, inner := range v {
			out = append(out, fieldsOf(inner, path+"[]")...)
		}
	case string:
		return []string{path + ": string"}
	case float64:
		return []string{path + ": number"}
	case bool:
		return []string{path + ": boolean"}
	case nil:
		if path != "" {
			return []string{path + ": null"}
		}
	}
	return out
}

// differences reads the table.
func differences(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("testdata/differences.md")
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 3 || !strings.Contains(cells[0], "`") {
			continue
		}
		name := strings.Trim(cells[0], " `")
		out[name] = strings.Trim(cells[1], " `")
		if strings.TrimSpace(cells[2]) == "" {
			t.Errorf("%s: no reason", name)
		}
	}
	return out
}
