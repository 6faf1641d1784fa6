package sdk_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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

// path returns the path of a package within this module. It is empty for the root.
func (p listed) path() (path string, ours bool) {
	path, ours = strings.CutPrefix(p.ImportPath, module)
	return strings.TrimPrefix(path, "/"), ours
}

// packages lists the packages of this module and all that they import. It asks the go
// command once.
var packages = sync.OnceValues(func() ([]listed, error) {
	var stderr bytes.Buffer
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Name,Doc,GoFiles,Imports,Deps,Standard", "./...")
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w\n%s", err, &stderr)
	}
	var all []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
})

func goList(t *testing.T) []listed {
	t.Helper()
	all, err := packages()
	require.NoError(t, err)
	return all
}

// libraries are the paths of libraries by the short names that the rules use.
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
	"xssh":    "golang.org/x/crypto/ssh",
}

// rules say what each package may import besides the standard library and the shared
// packages. A line names a package and, after the colon, packages of this module by their
// paths and libraries by their short names. The layers are in order: a package imports
// from lines above its own. A package without a line fails the test, so that somebody
// thinks about its place.
var rules = parseRules(`
internal/benchtest: sync
internal/dbtest:
internal/errtext:
internal/fresh/freshtest:
internal/paralleltest:
internal/livehttp/relaytest:
internal/ownfile/ownfiletest:
internal/jws: jwx json
internal/weburl:

capability: json
restriction: json
restriction/forecast: capability restriction
restriction/maxmind: geoip2 restriction
restriction/plan: capability restriction restriction/forecast
restriction/timeline: restriction restriction/forecast

store:
store/internal/rules: store
store/memstore: store store/internal/rules
store/seal: store
store/sqlstore: goose store store/internal/rules
store/sqlstore/internal/killtest:
store/storetest: store
store/internal/broken: store store/storetest
internal/enginetest: internal/dbtest store store/memstore store/sqlstore

oidcupstream: go-jose go-oidc json oauth2 sync internal/jws internal/weburl
oidcupstream/guest: json internal/jws oidcupstream internal/weburl
oidcupstream/optest: go-jose go-oidc oauth2 oidcupstream

mytoken: json internal/errtext internal/jws capability restriction restriction/forecast internal/weburl
mytoken/internal/profile: json capability restriction
mytoken/internal/requestid:
mytoken/issuer/internal/errand: internal/errtext
mytoken/issuer/internal/outage: internal/errtext
mytoken/issuer/internal/population:
mytoken/issuer/internal/turns:
mytoken/issuer/internal/tagging: store mytoken
mytoken/issuer/internal/refresh: flock json internal/errtext store store/seal oidcupstream
mytoken/issuer/internal/waiting: store
mytoken/issuer: json oauth2 internal/errtext capability restriction restriction/forecast store store/seal oidcupstream mytoken mytoken/internal/profile mytoken/internal/requestid mytoken/issuer/internal/errand mytoken/issuer/internal/outage mytoken/issuer/internal/population mytoken/issuer/internal/refresh mytoken/issuer/internal/tagging mytoken/issuer/internal/turns mytoken/issuer/internal/waiting internal/weburl
mytoken/issuer/keyfile: store/seal mytoken
mytoken/mytokentest: oauth2 capability store store/memstore store/seal oidcupstream oidcupstream/optest mytoken mytoken/issuer

mytoken/internal/oldtext: store store/seal
mytoken/internal/budget: time
mytoken/internal/qr: barcode
mytoken/internal/wire: json capability restriction
mytoken/client/bearer:
mytoken/client: flock json oauth2 capability restriction restriction/forecast mytoken mytoken/internal/qr mytoken/internal/wire mytoken/client/bearer internal/weburl
mytoken/rest/internal/npm: internal/dbtest
mytoken/rest/internal/pages: capability restriction restriction/forecast restriction/timeline mytoken mytoken/internal/qr mytoken/internal/wire mytoken/issuer
mytoken/rest: json internal/errtext internal/weburl capability restriction mytoken mytoken/internal/budget mytoken/internal/profile mytoken/internal/requestid mytoken/internal/wire mytoken/issuer mytoken/rest/internal/pages
mytoken/sshd: xssh internal/errtext mytoken mytoken/internal/budget mytoken/issuer mytoken/issuer/keyfile
`)

// rule says what one package may import.
type rule struct {
	path    string
	allowed []string
}

// parseRules reads one rule from each line. Empty lines separate layers.
func parseRules(text string) (list []rule) {
	for line := range strings.Lines(text) {
		path, allowed, found := strings.Cut(strings.TrimSpace(line), ":")
		if !found && path != "" {
			panic("a rule without a colon: " + path)
		}
		if path != "" {
			list = append(list, rule{path, strings.Fields(allowed)})
		}
	}
	return list
}

// shared packages import the standard library only. Every package may import them.
var shared = []string{"internal/clip", "internal/durable", "internal/fresh", "internal/jsonscan", "internal/legible", "internal/livehttp", "internal/loopback", "internal/ownfile", "internal/plain", "internal/redact", "internal/rescue", "internal/terms", "internal/unique", "internal/words"}

// exampleLibraries are the libraries that examples may import, besides every package of
// this module. Only examples and tests import database drivers.
var exampleLibraries = strings.Fields("pgx mysql sqlite oauth2 go-oidc flock xssh")

// TestImportsPointDown keeps the layers apart.
func TestImportsPointDown(t *testing.T) {
	allowed := make(map[string][]string)
	for _, path := range shared {
		allowed[path] = nil
	}
	for _, r := range rules {
		for _, name := range r.allowed {
			_, above := allowed[name]
			assert.True(t, libraries[name] != "" || above, "the rule of %s allows %s, which has no rule above it", r.path, name)
		}
		assert.NotContains(t, allowed, r.path, "%s has two rules", r.path)
		allowed[r.path] = append(slices.Clone(r.allowed), shared...)
	}
	seen := make(map[string]bool)
	for _, p := range goList(t) {
		path, ours := p.path()
		if !ours || path == "" || len(p.GoFiles) == 0 {
			continue // nobody imports it
		}
		seen[path] = true
		may, ok := allowed[path]
		if example := strings.HasPrefix(path, "examples/"); !ok && !example {
			t.Errorf("%s has no rule: say what it may import", path)
			continue
		} else if example {
			may = exampleLibraries
		}
		for _, imported := range p.Imports {
			if strings.HasPrefix(path, "examples/") && strings.HasPrefix(imported, module+"/") {
				continue
			}
			assert.True(t, permitted(imported, may), "%s must not import %s", path, imported)
		}
	}
	for path := range allowed {
		assert.True(t, seen[path], "the rule of %s is about no package", path)
	}
}

// permitted reports whether an import is of the standard library or one of the allowed
// packages and libraries.
func permitted(imported string, allowed []string) bool {
	if first, _, _ := strings.Cut(imported, "/"); !strings.Contains(first, ".") {
		return true
	}
	return slices.ContainsFunc(allowed, func(name string) bool {
		if library, ok := libraries[name]; ok {
			return within(imported, library)
		}
		return imported == module+"/"+name
	})
}

// within reports whether a package is a given one or lies below it.
func within(path, parent string) bool { return path == parent || strings.HasPrefix(path, parent+"/") }

// forTests are packages that only tests import.
var forTests = []string{"store/storetest", "store/internal/broken", "internal/benchtest", "internal/dbtest", "internal/enginetest", "internal/fresh/freshtest", "internal/paralleltest", "internal/livehttp/relaytest", "internal/ownfile/ownfiletest", "mytoken/internal/oldtext", "mytoken/rest/internal/npm"}

// TestUsersGetNoTestLibraries looks at everything that a user's program links.
func TestUsersGetNoTestLibraries(t *testing.T) {
	banned := []string{
		"github.com/stretchr", "pgregory.net/rapid", "modernc.org", "github.com/jackc", "github.com/go-sql-driver",
		"github.com/zitadel", "github.com/maxmind/mmdbwriter", "github.com/makiuchi-d", "github.com/chromedp",
	}
	for _, p := range goList(t) {
		path, ours := p.path()
		if !ours || strings.HasPrefix(path, "examples/") {
			continue
		}
		for _, dep := range p.Deps {
			for _, library := range banned {
				assert.False(t, within(dep, library), "%s links %s", p.ImportPath, dep)
			}
			if dep == "testing" {
				assert.Contains(t, forTests, path, "%s links the package testing", p.ImportPath)
			}
			assert.NotEqual(t, "time/tzdata", dep, "%s links the time zones: programs decide that", p.ImportPath)
		}
	}
}

// TestVerifierLinksLittle looks at a program that only verifies tokens, and at the package
// that it imports. They link no store, no sealing and no OpenID client, and of all
// libraries for JOSE only jwx.
func TestVerifierLinksLittle(t *testing.T) {
	all := goList(t)
	for _, path := range []string{"mytoken", "examples/verifier"} {
		i := slices.IndexFunc(all, func(p listed) bool { return p.ImportPath == module+"/"+path })
		require.NotEqual(t, -1, i, "there is no package %s", path)
		require.NotEmpty(t, all[i].Deps)
		for _, dep := range all[i].Deps {
			for _, banned := range []string{
				module + "/store", module + "/oidcupstream", module + "/mytoken/issuer", module + "/mytoken/mytokentest",
				libraries["go-oidc"], libraries["go-jose"], libraries["oauth2"],
			} {
				assert.False(t, within(dep, banned), "%s links %s", path, dep)
			}
		}
	}
}

// TestOnlySSHLinksSSH: whoever serves no SSH links no library for it.
func TestOnlySSHLinksSSH(t *testing.T) {
	found := false
	for _, p := range goList(t) {
		path, ours := p.path()
		if !ours || strings.HasPrefix(path, "examples/") {
			continue
		}
		links := slices.ContainsFunc(p.Deps, func(dep string) bool { return within(dep, libraries["xssh"]) })
		assert.Equal(t, path == "mytoken/sshd", links, "%s links golang.org/x/crypto/ssh: %t", p.ImportPath, links)
		found = found || links
	}
	require.True(t, found)
}

// TestPackageComments finds packages that do not say what they are for.
func TestPackageComments(t *testing.T) {
	for _, p := range goList(t) {
		if _, ours := p.path(); !ours || len(p.GoFiles) == 0 || p.Name == "main" && p.Doc != "" {
			continue
		}
		assert.True(t, strings.HasPrefix(p.Doc, "Package "+p.Name+" "), "%s has no package comment", p.ImportPath)
	}
}
