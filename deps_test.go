package sdk_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/mytoken-go/sdk"

// listed is a package as go list describes it.
type listed struct {
	ImportPath string
	Name       string
	Doc        string   // first sentence of the package comment
	GoFiles    []string // without tests
	Imports    []string // of its non-test files
	Deps       []string
	Standard   bool
}

func goList(t *testing.T) []listed {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Name,Doc,GoFiles,Imports,Deps,Standard", "./...")
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	var all []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// Libraries by the short names that the rules below use.
var libraries = map[string]string{
	"barcode": "github.com/boombuler/barcode",
	"json":    "github.com/go-json-experiment/json",
	"jwx":     "github.com/lestrrat-go/jwx",
	"oauth2":  "golang.org/x/oauth2",
	"go-oidc": "github.com/coreos/go-oidc",
	"go-jose": "github.com/go-jose/go-jose",
	"sync":    "golang.org/x/sync",
	"time":    "golang.org/x/time",
	"geoip2":  "github.com/oschwald/geoip2-golang",
	"goose":   "github.com/pressly/goose",
	"pgx":     "github.com/jackc/pgx",
	"mysql":   "github.com/go-sql-driver/mysql",
	"sqlite":  "modernc.org/sqlite",
	"flock":   "github.com/gofrs/flock",
}

// rules say what each package may import, besides the standard library:
// packages of this module by path, libraries by short name. A package that is
// not listed here fails the test, so that its place is thought about.
var rules = map[string]string{
	"internal/dbtest": "",
	"internal/jws":    "jwx json",

	"capability":          "json",
	"restriction":         "json",
	"restriction/maxmind": "geoip2 restriction",
	"store":               "",
	"store/memstore":      "store store/internal/rules",
	"store/seal":          "store",
	"store/storetest":     "store",
	"store/sqlstore":      "store goose store/internal/rules",
	"oidcupstream":        "oauth2 go-oidc go-jose sync",
	"oidcupstream/optest": "oidcupstream oauth2 go-oidc go-jose",

	"restriction/forecast": "restriction capability",
	"restriction/plan":     "restriction restriction/forecast capability",

	"mytoken":             "internal/jws capability restriction restriction/forecast json",
	"mytoken/issuer":      "mytoken mytoken/issuer/internal/refresh capability restriction restriction/forecast store store/seal oidcupstream json oauth2 mytoken/internal/profile",
	"mytoken/mytokentest": "mytoken mytoken/issuer oidcupstream oidcupstream/optest store store/memstore store/seal",

	"mytoken/client":        "mytoken mytoken/internal/wire mytoken/internal/qr mytoken/client/bearer restriction restriction/forecast json oauth2 flock",
	"mytoken/client/bearer": "",

	"mytoken/internal/qr":   "barcode",
	"mytoken/internal/wire": "capability restriction json",
	"mytoken/rest":          "mytoken mytoken/issuer mytoken/internal/wire capability restriction json time mytoken/internal/profile mytoken/rest/internal/pages",
	"oidcupstream/guest":    "internal/jws oidcupstream json",

	"mytoken/issuer/internal/refresh":  "store store/seal oidcupstream json",
	"store/sqlstore/internal/killtest": "",
	"store/internal/rules":             "store",
	"restriction/timeline":             "restriction restriction/forecast",
	"mytoken/internal/profile":         "restriction json",
	"mytoken/rest/internal/pages":      "mytoken mytoken/issuer mytoken/internal/wire mytoken/internal/qr capability restriction restriction/forecast restriction/timeline",
}

// shared packages import the standard library only. Every package may import them.
var shared = []string{"internal/clip", "internal/durable", "internal/jsonscan", "internal/loopback", "internal/redact", "internal/terms"}

// exampleRule says what examples may import besides packages of this module.
// Drivers are for them and for tests alone.
const exampleRule = "pgx mysql sqlite oauth2 go-oidc"

// TestImportsPointDown keeps the layers apart.
func TestImportsPointDown(t *testing.T) {
	seen := make(map[string]bool)
	for _, p := range goList(t) {
		path, ours := strings.CutPrefix(p.ImportPath, module)
		path = strings.TrimPrefix(path, "/")
		if !ours || path == "" || len(p.GoFiles) == 0 {
			continue // nobody imports it
		}
		if strings.HasPrefix(path, "examples/") {
			for _, imported := range p.Imports {
				if !strings.HasPrefix(imported, module+"/") && !permitted(imported, strings.Fields(exampleRule)) {
					t.Errorf("%s must not import %s", path, imported)
				}
			}
			continue
		}
		var allowed []string
		if !slices.Contains(shared, path) {
			rule, ok := rules[path]
			if !ok {
				t.Errorf("%s has no rule: say what it may import", path)
				continue
			}
			allowed = append(strings.Fields(rule), shared...)
		}
		seen[path] = true
		for _, imported := range p.Imports {
			if !permitted(imported, allowed) {
				t.Errorf("%s must not import %s", path, imported)
			}
		}
	}
	for _, path := range slices.AppendSeq(slices.Clone(shared), maps.Keys(rules)) {
		if !seen[path] {
			t.Errorf("the rule for %s is about no package", path)
		}
	}
}

func permitted(imported string, allowed []string) bool {
	if first, _, _ := strings.Cut(imported, "/"); !strings.Contains(first, ".") {
		return true // standard library
	}
	return slices.ContainsFunc(allowed, func(name string) bool {
		if library, ok := libraries[name]; ok {
			return imported == library || strings.HasPrefix(imported, library+"/")
		}
		return imported == module+"/"+name
	})
}

// forTests are packages that only tests import.
var forTests = []string{"store/storetest", "internal/dbtest"}

// TestUsersGetNoTestLibraries looks at everything that a user's program links.
func TestUsersGetNoTestLibraries(t *testing.T) {
	for _, p := range goList(t) {
		if !strings.HasPrefix(p.ImportPath, module) || strings.Contains(p.ImportPath, "/examples/") {
			continue
		}
		for _, dep := range p.Deps {
			for _, banned := range []string{"github.com/stretchr/", "pgregory.net/rapid", "modernc.org/", "github.com/jackc/", "github.com/go-sql-driver/", "github.com/zitadel/", "github.com/maxmind/mmdbwriter", "github.com/makiuchi-d/", "github.com/chromedp/"} {
				if strings.HasPrefix(dep, banned) {
					t.Errorf("%s links %s", p.ImportPath, dep)
				}
			}
			if dep == "testing" && !slices.Contains(forTests, strings.TrimPrefix(p.ImportPath, module+"/")) {
				t.Errorf("%s links the package testing", p.ImportPath)
			}
		}
	}
}

// TestVerifierLinksLittle: a program that only verifies tokens brings along no store, no
// sealing and no OpenID client.
func TestVerifierLinksLittle(t *testing.T) {
	for _, p := range goList(t) {
		if p.ImportPath != module+"/mytoken" {
			continue
		}
		for _, dep := range p.Deps {
			for _, banned := range []string{
				module + "/store", module + "/oidcupstream", module + "/mytoken/issuer",
				libraries["go-oidc"], libraries["go-jose"], libraries["oauth2"],
			} {
				if dep == banned || strings.HasPrefix(dep, banned+"/") {
					t.Errorf("%s links %s", p.ImportPath, dep)
				}
			}
		}
		return
	}
	t.Error("there is no package mytoken")
}

// TestPackageComments: every package says what it is for.
func TestPackageComments(t *testing.T) {
	for _, p := range goList(t) {
		if !strings.HasPrefix(p.ImportPath, module) || len(p.GoFiles) == 0 || p.Name == "main" && p.Doc != "" {
			continue
		}
		if !strings.HasPrefix(p.Doc, "Package "+p.Name+" ") {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}
