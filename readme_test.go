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

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// readFile returns the text of a file with plain line breaks.
func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}

// TestReadmeShowsTheQuickstart compares the table in the README with that of the program,
// which is compiled, run and tested, and each piece of code with the source of the program.
func TestReadmeShowsTheQuickstart(t *testing.T) {
	assert.Contains(t, readmeBlocks(t, "text"), readFile(t, "examples/quickstart/testdata/table.txt"), "the README does not show the table as it is")
	source, pieces := readFile(t, "examples/quickstart/main.go"), 0
	for _, block := range readmeBlocks(t, "go") {
		if strings.Contains(block, "\npackage main\n") {
			continue // see TestReadmeProgramsRun
		}
		pieces++
		code := "\t" + strings.ReplaceAll(strings.TrimSuffix(block, "\n"), "\n", "\n\t") + "\n"
		assert.True(t, strings.Contains(source, code), "the quickstart does not have this code:\n%s", block)
	}
	assert.NotZero(t, pieces, "the README shows no code of the quickstart")
}

// TestReadmeLinks follows the relative links and pictures of the documents.
func TestReadmeLinks(t *testing.T) {
	for _, doc := range []string{"README.md", "PROMISES.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "PROTOCOL.md"} {
		for _, link := range regexp.MustCompile(`(?:\]\(|src=")([^)"#:]+)[)"]`).FindAllStringSubmatch(prose(readFile(t, doc)), -1) {
			_, err := os.Stat(link[1])
			assert.NoError(t, err, doc)
		}
	}
}

// prose returns a document without its fenced blocks.
func prose(text string) string {
	return regexp.MustCompile("(?ms)^```.*?^```$").ReplaceAllString(text, "")
}

// TestPromises follows the table of PROMISES.md from each promise to its tests. The tests
// exist, and a comment in each says that it proves the promise.
func TestPromises(t *testing.T) {
	proven := provenPromises(t)
	rows := regexp.MustCompile(`(?m)^\| (P\d+) \|[^|]*\|(.*)\|$`).FindAllStringSubmatch(readFile(t, "PROMISES.md"), -1)
	require.Len(t, rows, 10, "promises")
	for _, row := range rows {
		promise := row[1]
		names := regexp.MustCompile("`(\\S+)\\.(\\w+)`").FindAllStringSubmatch(row[2], -1)
		assert.NotEmpty(t, names, "%s has no test", promise)
		for _, n := range names {
			assert.True(t, proven[n[1]+"."+n[2]][promise], "%s.%s does not exist, or does not say that it proves %s", n[1], n[2], promise)
		}
	}
}

// TestAttacks follows the table of attacks in SECURITY.md to its tests.
func TestAttacks(t *testing.T) {
	_, table, found := strings.Cut(readFile(t, "SECURITY.md"), "\n## Attacks that tests make\n")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "\n## ")
	named := regexp.MustCompile("`(\\S+)\\.(\\w+)`").FindAllStringSubmatch(table, -1)
	require.NotEmpty(t, named)
	tests := provenPromises(t)
	for _, n := range named {
		assert.Contains(t, tests, n[1]+"."+n[2])
	}
}

// provenPromises returns all functions of test files and of the conformance suite, by
// directory and name, with the promises that their comments say they prove.
func provenPromises(t *testing.T) map[string]map[string]bool {
	t.Helper()
	out := make(map[string]map[string]bool)
	require.NoError(t, filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
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
	}))
	return out
}
