package sdk_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}

// TestReadmeShowsTheProgram: what the README shows is what is compiled and run,
// and what that writes.
func TestReadmeShowsTheProgram(t *testing.T) {
	readme := readFile(t, "README.md")
	for _, shown := range []struct{ fence, path string }{
		{"```go\n", "examples/quickstart/main.go"},
		{"```text\n", "examples/quickstart/testdata/table.txt"},
		{"```text\n", "restriction/timeline/testdata/fourphase.txt"},
	} {
		if !strings.Contains(readme, shown.fence+readFile(t, shown.path)+"```\n") {
			t.Errorf("the README does not show %s as it is", shown.path)
		}
	}
}

// TestReadmeLinks: relative links lead somewhere.
func TestReadmeLinks(t *testing.T) {
	for _, doc := range []string{"README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "PROTOCOL.md"} {
		for _, link := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(readFile(t, doc), -1) {
			if _, err := os.Stat(link[1]); err != nil {
				t.Errorf("%s: %v", doc, err)
			}
		}
	}
}

// TestPromises: the README leads from each promise to tests, the tests exist,
// and each says in its comment or body that it proves that promise.
func TestPromises(t *testing.T) {
	proven := provenPromises(t)
	rows := regexp.MustCompile(`(?m)^\| (P\d+) \|[^|]*\|(.*)\|$`).FindAllStringSubmatch(readFile(t, "README.md"), -1)
	if len(rows) != 10 {
		t.Fatalf("the README has %d promises", len(rows))
	}
	for _, row := range rows {
		promise := row[1]
		names := regexp.MustCompile("`(\\S+)\\.(\\w+)`").FindAllStringSubmatch(row[2], -1)
		if len(names) == 0 {
			t.Errorf("%s has no test", promise)
		}
		for _, n := range names {
			if !proven[n[1]+"."+n[2]][promise] {
				t.Errorf("%s: %s.%s does not exist or does not say that it proves it", promise, n[1], n[2])
			}
		}
	}
}

// provenPromises reads the comments of all tests: by directory and name, which
// promises each says it proves.
func provenPromises(t *testing.T) map[string]map[string]bool {
	t.Helper()
	out := make(map[string]map[string]bool)
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != "." || d.Name() == "testdata" || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || !strings.HasSuffix(path, "_test.go") && !strings.Contains(filepath.ToSlash(path), "storetest/") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			promises := make(map[string]bool)
			for _, group := range file.Comments {
				if group == f.Doc || group.Pos() >= f.Pos() && group.End() <= f.End() {
					for _, line := range regexp.MustCompile(`(?s)proves (.*?)(?:\.|:|\n\n|$)`).FindAllStringSubmatch(group.Text(), -1) {
						for _, p := range regexp.MustCompile(`P\d+`).FindAllString(line[1], -1) {
							promises[p] = true
						}
					}
				}
			}
			out[filepath.ToSlash(filepath.Dir(path))+"."+f.Name.Name] = promises
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
