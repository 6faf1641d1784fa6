// House measures the layout of the code and compares it with the noted values. Run it
// through .ci/house, from the root of the repository.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

const (
	module  = "github.com/mytoken-go/sdk"
	notes   = ".ci/house.txt"
	heading = "# The best values so far. Written by .ci/house -note.\n"
)

// figure is one measure: a count, or a list that counts by its length. Fewer is better.
type figure struct {
	name   string
	count  int
	list   []string
	isList bool // an empty list is one too
}

func main() {
	note := flag.Bool("note", false, "note the current values")
	flag.Parse()
	worse, err := run(*note)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "house:", err)
		os.Exit(2)
	case worse:
		os.Exit(1)
	}
}

func run(note bool) (worse bool, err error) {
	noted, err := readNotes()
	if err != nil {
		return false, err
	}
	figures, err := measure()
	if err != nil {
		return false, err
	}
	better, worse := show(figures, noted)
	switch {
	case note:
		return false, writeNotes(figures)
	case worse:
		fmt.Println("\nA figure is worse than noted. If that is meant, say why in the commit and run .ci/house -note.")
	case better:
		fmt.Println("\nA figure is better than noted, or new. Run .ci/house -note to keep it so.")
	}
	return worse, nil
}

// measure takes all figures.
func measure() ([]figure, error) {
	files, err := goFiles()
	if err != nil {
		return nil, err
	}
	exported, err := exportedNames(files)
	if err != nil {
		return nil, err
	}
	lines, inside := 0, 0
	var elsewhere []string
	room := make(map[string]int)
	for _, f := range files {
		lines += bytes.Count(f.text, []byte("\n"))
		room[path.Dir(f.path)]++
		if bytes.Contains(f.text, []byte("geoip_disallow")) || bytes.Contains(f.text, []byte("GeoIPDisallow")) {
			if path.Dir(f.path) == "restriction" {
				inside++
			} else {
				elsewhere = append(elsewhere, f.path)
			}
		}
	}
	out := []figure{{name: "lines of Go outside tests", count: lines}}
	for _, dir := range []string{"mytoken", "mytoken/issuer"} {
		if room[dir] > 0 {
			out = append(out, figure{name: "files in " + dir, count: room[dir]})
		}
	}
	out = append(out,
		figure{name: "files in restriction that name geoip_disallow", count: inside},
		figure{name: "files elsewhere that name geoip_disallow", list: elsewhere, isList: true},
	)
	dangling, err := danglingCitations()
	if err != nil {
		return nil, err
	}
	out = append(out, figure{name: "dangling citations", count: dangling})
	modules, packages, err := linked("./mytoken")
	if err != nil {
		return nil, err
	}
	out = append(out,
		figure{name: "modules that a verifier links", list: modules, isList: true},
		figure{name: "own packages that a verifier links", list: packages, isList: true},
	)
	total := 0
	for _, f := range exported {
		total += f.count
	}
	return append(append(out, figure{name: "exported names", count: total}), exported...), nil
}

type goFile struct {
	path string
	text []byte
}

// goFiles returns the Go files outside tests. Directories whose names begin with a dot do
// not belong to the module.
func goFiles() (files []goFile, err error) {
	err = filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(name)
		files = append(files, goFile{filepath.ToSlash(name), text})
		return err
	})
	return files, err
}

// exportedNames counts the names that each public package declares: types, functions,
// constants and variables, not methods and fields. A name counts once, whatever the build
// constraints.
func exportedNames(files []goFile) ([]figure, error) {
	names := make(map[string]map[string]bool)
	for _, f := range files {
		dir := path.Dir(f.path)
		if slices.Contains(strings.Split(dir, "/"), "internal") || strings.HasPrefix(dir+"/", "examples/") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), f.path, f.text, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		if names[dir] == nil {
			names[dir] = make(map[string]bool)
		}
		for _, name := range declared(parsed) {
			if ast.IsExported(name) {
				names[dir][name] = true
			}
		}
	}
	var out []figure
	for dir, set := range names {
		if len(set) > 0 {
			out = append(out, figure{name: "exported by " + dir, count: len(set)})
		}
	}
	slices.SortFunc(out, func(a, b figure) int { return strings.Compare(a.name, b.name) })
	return out, nil
}

// declared returns the names that a file declares in its package.
func declared(file *ast.File) (names []string) {
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil {
				names = append(names, d.Name.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.TypeSpec:
					names = append(names, s.Name.Name)
				case *ast.ValueSpec:
					for _, name := range s.Names {
						names = append(names, name.Name)
					}
				}
			}
		}
	}
	return names
}

// danglingCitations counts what the tests of PROTOCOL.md report.
func danglingCitations() (int, error) {
	out, err := exec.Command("go", "test", "-count=1", "-run", "^TestProtocol", ".").CombinedOutput()
	n := bytes.Count(out, []byte(": dangling: "))
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s\n", out)
		if n == 0 {
			return 0, fmt.Errorf("the tests of PROTOCOL.md: %w", err)
		}
	}
	return n, nil
}

// linked returns the modules of others, and the packages of ours, that a program links
// which imports a package.
func linked(pkg string) (modules, packages []string, err error) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.Module.Path}} {{.ImportPath}}{{end}}", pkg).Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return nil, nil, fmt.Errorf("go list: %w\n%s", err, failed.Stderr)
	} else if err != nil {
		return nil, nil, err
	}
	for line := range strings.Lines(string(out)) {
		from, imported, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch own, ours := strings.CutPrefix(imported, module+"/"); {
		case from == "":
		case ours:
			packages = append(packages, own)
		case !slices.Contains(modules, from):
			modules = append(modules, from)
		}
	}
	slices.Sort(modules)
	slices.Sort(packages)
	return modules, packages, nil
}

// show prints the table, and says whether anything is better or worse than noted.
func show(figures []figure, noted map[string]string) (better, worse bool) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "FIGURE\tNOW\tNOTED\t")
	for _, f := range figures {
		value, known := noted[f.name]
		verdict := ""
		switch {
		case !known:
			verdict, better = "new", true
		case f.size() > f.notedSize(value):
			verdict, worse = "WORSE", true
		case f.size() < f.notedSize(value):
			verdict, better = "better", true
		}
		if known {
			value = strconv.Itoa(f.notedSize(value))
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\n", f.name, f.size(), value, verdict)
	}
	w.Flush()
	for _, f := range figures {
		if f.isList && len(f.list) > 0 {
			fmt.Printf("\n%s:\n", f.name)
			for _, entry := range f.list {
				mark := " "
				if value, known := noted[f.name]; known && !slices.Contains(strings.Fields(value), entry) {
					mark = "+"
				}
				fmt.Printf("  %s %s\n", mark, entry)
			}
		}
	}
	return better, worse
}

func (f figure) size() int {
	if f.isList {
		return len(f.list)
	}
	return f.count
}

// String is the value as it is noted.
func (f figure) String() string {
	if f.isList {
		return strings.Join(f.list, " ")
	}
	return strconv.Itoa(f.count)
}

// notedSize is the size of a noted value. One that cannot be read is -1, so that it gets
// noticed.
func (f figure) notedSize(value string) int {
	if f.isList {
		return len(strings.Fields(value))
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		return -1
	}
	return n
}

// readNotes reads one figure a line: its name, a colon, its value.
func readNotes() (map[string]string, error) {
	text, err := os.ReadFile(notes)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	noted := make(map[string]string)
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && !strings.HasPrefix(name, "#") {
			noted[name] = strings.TrimSpace(value)
		}
	}
	return noted, nil
}

func writeNotes(figures []figure) error {
	text := heading
	for _, f := range figures {
		text += strings.TrimSpace(f.name+": "+f.String()) + "\n"
	}
	return os.WriteFile(notes, []byte(text), 0o644)
}
