package sdk_test

import (
	"fmt"
	"go/scanner"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const protocolFile = "PROTOCOL.md"

// protocol is everything in PROTOCOL.md that others can cite.
type protocol struct {
	sections map[string]bool
	// defects are the tests that a row names, by the number of the row.
	defects map[string][]string
	// untested are the numbers in section 10.8, whose rows name no test.
	untested map[string]bool
	// documents are the names of all Markdown files of the repository.
	documents map[string]bool
}

var (
	headingForm = regexp.MustCompile(`(?m)^#{2,4} (\d+(?:\.\d+)*)\.? `)
	defectForm  = regexp.MustCompile(`(?m)^\| ([DN]\d+[a-z]?) \|(.*)\|$`)
	testForm    = regexp.MustCompile("`([a-z/]+)\\.(Test\\w+)`")
)

// readProtocol reads the headings and tables of PROTOCOL.md. No number may occur twice.
func readProtocol(t *testing.T) protocol {
	t.Helper()
	text := readFile(t, protocolFile)
	p := protocol{
		sections: make(map[string]bool), defects: make(map[string][]string),
		untested: make(map[string]bool), documents: make(map[string]bool),
	}
	for _, m := range headingForm.FindAllStringSubmatch(text, -1) {
		require.False(t, p.sections[m[1]], "%s has section %s twice", protocolFile, m[1])
		p.sections[m[1]] = true
	}
	tested, untested, found := strings.Cut(text, "\n### 10.8 ")
	require.True(t, found, "%s has no section 10.8", protocolFile)
	for _, part := range []string{tested, untested} {
		for _, m := range defectForm.FindAllStringSubmatch(part, -1) {
			number := m[1]
			require.Nil(t, p.defects[number], "%s has two rows %s", protocolFile, number)
			p.defects[number] = []string{}
			p.untested[number] = part == untested
			for _, named := range testForm.FindAllStringSubmatch(m[2], -1) {
				p.defects[number] = append(p.defects[number], named[1]+"."+named[2])
			}
		}
	}
	for path := range textFiles(t) {
		if strings.HasSuffix(path, ".md") {
			p.documents[filepath.Base(path)] = true
		}
	}
	return p
}

// textFiles returns the texts of the Go, Markdown and SQL files and of the transcripts in
// the repository, by path.
func textFiles(t *testing.T) map[string]string {
	t.Helper()
	files := make(map[string]string)
	require.NoError(t, filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != "." || d.Name() == "node_modules"):
			return filepath.SkipDir
		case d.IsDir() || !slices.Contains([]string{".go", ".md", ".sql", ".txtar"}, filepath.Ext(path)):
			return nil
		}
		text, err := os.ReadFile(path)
		files[filepath.ToSlash(path)] = strings.ReplaceAll(string(text), "\r\n", "\n")
		return err
	}))
	return files
}

// TestProtocolCitations resolves every citation of the protocol in comments, strings and
// documents: sections, numbers of defects, and tests that bear such a number.
func TestProtocolCitations(t *testing.T) {
	p, files := readProtocol(t), textFiles(t)
	delete(files, "protocol_test.go") // the citations in its examples dangle on purpose
	for _, path := range slices.Sorted(maps.Keys(files)) {
		for _, line := range p.dangling(path, files[path]) {
			t.Errorf("dangling: %s", line)
		}
	}
}

// TestProtocolDefects finds the tests that the tables of defects name. One test of each
// row bears the number in its name.
func TestProtocolDefects(t *testing.T) {
	p, tests := readProtocol(t), provenPromises(t)
	for _, number := range slices.Sorted(maps.Keys(p.defects)) {
		named := p.defects[number]
		assert.Equal(t, p.untested[number], len(named) == 0, "%s: only rows of section 10.8 name no test", number)
		for _, test := range named {
			assert.Contains(t, tests, test, "dangling: %s: %s names a test that does not exist", protocolFile, number)
		}
		bears := func(test string) bool { return slices.Contains(numbersOf(test), number) }
		assert.True(t, p.untested[number] || slices.ContainsFunc(named, bears), "%s: no test bears the number", number)
	}
}

// TestProtocolDangling shows what counts as a citation, and what does not.
func TestProtocolDangling(t *testing.T) {
	p := protocol{
		sections: map[string]bool{"2": true, "2.6": true}, defects: map[string][]string{"D14": nil, "D29a": nil},
		documents: map[string]bool{protocolFile: true},
	}
	for text, want := range map[string]int{
		"// protocol section 2.6.":                           0,
		"// Protocol sections 2 and 2.6, D14":                0,
		"// PROTOCOL.md section 2.6 (D14, D29a)":             0,
		"// mom_id of the protocol (section\n// 2.6).":       0,
		"// RFC 6749 section 5.1 and RFC 7009\n// section 2": 0,
		"// RFC 6749, section 5.1; WHATWG URL, section 5":    0,
		`var a = "D38" // D14`:                               0,
		`var a = "78D8281D-D746-4734"`:                       0,
		`var a = []string{"not a host!", "D3"}`:              0,

		"// protocol section 2.7":            1,
		"// protocol section\n// 2.7":        1,
		"// protocol sections 2.6 and 9.9":   1,
		"// PROTOCOL.md section 3":           1,
		"// protocol 5.4.2":                  1,
		"// RFC 6749, and section 5.1":       1,
		"// see section 2.6":                 1,
		"// design 5.2":                      1,
		"// NOTES.md says so":                1,
		"// cut (D15)":                       1,
		"// D14, N1":                         1,
		`var a = "the answer is cut (D15)"`:  1,
		"func TestD14_D15_Cut(t *testing.T)": 1,
	} {
		assert.Len(t, p.dangling("a_test.go", "package a\n\n"+text+"\n"), want, text)
	}
	assert.Equal(t, []string{"a.go:4: section 2.7 of PROTOCOL.md does not exist"}, p.dangling("a.go", "package a\n\n// first\n// protocol section 2.7\n"))
	assert.Equal(t, []string{"a.sql:2: PROTOCOL.md has no row D15"}, p.dangling("a.sql", "-- all\n-- D15\n"))
	assert.Equal(t, []string{"a.txtar:1: PROTOCOL.md has no row D15"}, p.dangling("a.txtar", "D15\n\n-- D16 --\nD17\n"))
}

var (
	sectionForm  = regexp.MustCompile(`(?i)\bsections?\s+(\d+(?:\.\d+)*(?:(?:,\s+|,?\s+(?:and|or|to)\s+)\d+\.\d+(?:\.\d+)*|\s+and\s+\d+\b)*)`)
	oursForm     = regexp.MustCompile("(?i)(?:\\bprotocol|\\bPROTOCOL\\.md[)`]*|\\bof the protocol \\()$")
	foreignForm  = regexp.MustCompile(`(?:\bRFC ?\d+|\bWHATWG URL|\bOpenID Connect [\w .]+|\bSP 800-\w+),?$`)
	bareForm     = regexp.MustCompile(`(?i)\bprotocol\s+(\d+(?:\.\d+)+)`)
	elsewhere    = regexp.MustCompile(`(?i)\b(?:design|architecture)\s+\d+(?:\.\d+)*`)
	documentRef  = regexp.MustCompile(`\b[\w-]+\.md\b`)
	numberForm   = regexp.MustCompile(`\b[DN]\d{1,3}[a-z]?\b`)
	digitsForm   = regexp.MustCompile(`\d+(?:\.\d+)*`)
	testDForm    = regexp.MustCompile(`(?m)^func Test((?:[DN]\d+[a-z]?_)+)`)
	numberInName = regexp.MustCompile(`([DN])0*(\d+[a-z]?)_`)
)

// dangling returns the citations in a file that lead nowhere, each with its line.
func (p protocol) dangling(path, text string) []string {
	var out []string
	report := func(line int, format string, args ...any) {
		out = append(out, fmt.Sprintf("%s:%d: %s", path, line, fmt.Sprintf(format, args...)))
	}
	number := func(line int, n string) {
		if _, ok := p.defects[n]; !ok {
			report(line, "%s has no row %s", protocolFile, n)
		}
	}
	section := func(line int, n string) {
		if !p.sections[n] {
			report(line, "section %s of %s does not exist", n, protocolFile)
		}
	}
	for _, s := range passages(path, text) {
		for _, m := range sectionForm.FindAllStringSubmatchIndex(s.text, -1) {
			before := strings.Join(strings.Fields(s.text[:m[0]]), " ")
			switch {
			case foreignForm.MatchString(before):
			case path == protocolFile, oursForm.MatchString(before):
				for _, n := range digitsForm.FindAllString(s.text[m[2]:m[3]], -1) {
					section(s.lineAt(m[2]), n)
				}
			default:
				report(s.lineAt(m[0]), "%q names no document", strings.Join(strings.Fields(s.text[m[0]:m[1]]), " "))
			}
		}
		for _, m := range bareForm.FindAllStringSubmatchIndex(s.text, -1) {
			section(s.lineAt(m[2]), s.text[m[2]:m[3]])
		}
		for _, m := range elsewhere.FindAllStringIndex(s.text, -1) {
			report(s.lineAt(m[0]), "%q is not in the repository", s.text[m[0]:m[1]])
		}
		for _, m := range documentRef.FindAllStringIndex(s.text, -1) {
			if name := s.text[m[0]:m[1]]; !p.documents[name] {
				report(s.lineAt(m[0]), "%s is not in the repository", name)
			}
		}
		for _, m := range numberForm.FindAllStringIndex(s.text, -1) {
			if s.prose(m[0], m[1]) {
				number(s.lineAt(m[0]), s.text[m[0]:m[1]])
			}
		}
	}
	if strings.HasSuffix(path, "_test.go") {
		for _, m := range testDForm.FindAllStringSubmatchIndex(text, -1) {
			for _, n := range numbersOf(text[m[2]:m[3]]) {
				number(1+strings.Count(text[:m[0]], "\n"), n)
			}
		}
	}
	return out
}

// numbersOf returns the numbers in the name of a test, such as D9 and D10 in
// TestD09_D10_Scope.
func numbersOf(name string) (numbers []string) {
	for _, m := range numberInName.FindAllStringSubmatch(name, -1) {
		numbers = append(numbers, m[1]+m[2])
	}
	return numbers
}

// passage is a piece of prose: a comment, a string, or a whole document. It has the line
// breaks of the file.
type passage struct {
	line   int // where it begins, counted from 1
	text   string
	quoted bool // it is a string
}

// lineAt returns the line of the byte at an offset.
func (s passage) lineAt(at int) int { return s.line + strings.Count(s.text[:at], "\n") }

// prose reports whether a number stands among words. Otherwise it is part of a value,
// such as an identifier or the code of a country.
func (s passage) prose(from, to int) bool {
	if s.quoted && !strings.Contains(s.text, " ") {
		return false
	}
	const value = `"'-_`
	return (from == 0 || !strings.ContainsRune(value, rune(s.text[from-1]))) &&
		(to == len(s.text) || !strings.ContainsRune(value, rune(s.text[to])))
}

// passages returns the prose of a file. Comments on consecutive lines are one passage.
func passages(path, text string) []passage {
	switch filepath.Ext(path) {
	case ".md":
		return []passage{{line: 1, text: text}}
	case ".txtar": // the rest is requests and answers
		about, _, _ := strings.Cut(text, "\n-- ")
		return []passage{{line: 1, text: about}}
	case ".sql":
		return []passage{{line: 1, text: regexp.MustCompile(`(?m)^[ \t]*--`).ReplaceAllString(text, "")}}
	}
	set := token.NewFileSet()
	file := set.AddFile(path, -1, len(text))
	var s scanner.Scanner
	s.Init(file, []byte(text), nil, scanner.ScanComments)
	var out []passage
	last := 0 // line of the last comment
	for {
		pos, tok, literal := s.Scan()
		line := file.Line(pos)
		switch tok {
		case token.EOF:
			return out
		case token.STRING:
			out = append(out, passage{line: line, text: literal[1 : len(literal)-1], quoted: true})
		case token.COMMENT:
			comment := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(literal, "//"), "/*"), "*/")
			if last > 0 && line == last+1 && !out[len(out)-1].quoted {
				out[len(out)-1].text += "\n" + comment
			} else {
				out = append(out, passage{line: line, text: comment})
			}
			last = line + strings.Count(literal, "\n")
		}
	}
}
