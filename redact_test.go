package sdk_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unsafe"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/redact"
)

// exportedTypes are all exported types of all public packages. Reflection cannot list the
// types of a package. So TestNoTypeShowsASecret writes a file that sets this variable,
// and runs itself again with that file in the build. Nobody has to keep a list.
var exportedTypes []reflect.Type

// secretField matches the names of fields that hold secrets.
var secretField = regexp.MustCompile(`(?i)(token|code|secret|verifier|nonce|state|pem|password|compact|assertion|cookie|query|claims)s?$|^url$`)

// harmlessFields match secretField and hold no secret. A key names the type and the
// field, and its value says what the field holds.
var harmlessFields = map[string]string{
	"Error.Code":         "an error code",
	"LoginError.Code":    "an error code",
	"UpstreamError.Code": "an error code",
	"ClaimSource.URL":    "an address that the operator configures",
}

// TestNoTypeShowsASecret fills a value of each exported type with secrets, prints, logs
// and encodes it in every way, and looks for them.
//
// proves P9.
func TestNoTypeShowsASecret(t *testing.T) {
	if exportedTypes == nil {
		rerunWithTypes(t, "secrets planted")
		return
	}
	plants := newPlanter()
	for _, typ := range exportedTypes {
		if typ.Kind() == reflect.Interface || typ.Kind() == reflect.Func {
			continue
		}
		v := reflect.New(typ)
		plants.fill(v.Elem(), "", 0)
		for _, leak := range leaks(v) {
			t.Errorf("%s: %s", typ, leak)
		}
	}
	t.Logf("%d types, %d secrets planted", len(exportedTypes), plants.planted)
	require.Greater(t, len(exportedTypes), 100)
	require.Greater(t, plants.planted, 100)
	for name := range harmlessFields {
		assert.True(t, plants.excused[name], "harmlessFields names %s, which does not exist or needs no excuse", name)
	}
}

// rerunWithTypes runs the test again, with a file that lists the exported types. The
// second run has to log that it did something.
func rerunWithTypes(t *testing.T, logs string) {
	source := typesFile(t)
	dir := t.TempDir()
	root, err := os.Getwd()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "types.go"), source, 0o600))
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{
		filepath.Join(root, "redact_types_test.go"): filepath.Join(dir, "types.go"),
	}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600))
	cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-vet=off", "-v",
		"-overlay", filepath.Join(dir, "overlay.json"), "-run", "^"+t.Name()+"$", ".")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), logs)
}

// typesFile writes a test file that sets exportedTypes.
func typesFile(t *testing.T) []byte {
	var imports, types strings.Builder
	for i, p := range goList(t) {
		path, ours := strings.CutPrefix(p.ImportPath, module+"/")
		if !ours || p.Name == "main" || slices.Contains(strings.Split(path, "/"), "internal") || strings.HasPrefix(path, "examples/") {
			continue
		}
		names := typeNames(t, path, p.GoFiles)
		if len(names) == 0 {
			continue
		}
		fmt.Fprintf(&imports, "\tp%d %q\n", i, p.ImportPath)
		for _, name := range names {
			fmt.Fprintf(&types, "\t\treflect.TypeFor[p%d.%s](),\n", i, name)
		}
	}
	return fmt.Appendf(nil, "package sdk_test\n\nimport (\n\t\"reflect\"\n%s)\n\nfunc init() {\n\texportedTypes = []reflect.Type{\n%s\t}\n}\n", &imports, &types)
}

// typeNames returns the exported types that the files of a package declare.
func typeNames(t *testing.T, dir string, files []string) (names []string) {
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(filepath.FromSlash(dir), name), nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, decl := range file.Decls {
			group, ok := decl.(*ast.GenDecl)
			if !ok || group.Tok != token.TYPE {
				continue
			}
			for _, spec := range group.Specs {
				spec := spec.(*ast.TypeSpec)
				if !spec.Name.IsExported() {
					continue
				}
				require.Nil(t, spec.TypeParams, "%s is generic: name a type that instantiates it here", spec.Name)
				names = append(names, spec.Name.Name)
			}
		}
	}
	return names
}

// planted is the secret that nothing may show.
const planted = "planted-secret-0123456789"

// planter fills values with secrets where secrets belong, and with other text elsewhere.
type planter struct {
	planted int
	excused map[string]bool      // the harmless fields that occur
	open    map[reflect.Type]int // how often a type occurs around the current value
}

func newPlanter() *planter { return &planter{excused: map[string]bool{}, open: map[reflect.Type]int{}} }

const (
	maxFillDepth = 10
	harmless     = "harmless"
)

// fill sets a value. It writes the secret what into texts, or a harmless text if what is
// empty.
func (p *planter) fill(v reflect.Value, what string, depth int) {
	typ := v.Type()
	if depth > maxFillDepth || p.open[typ] > 1 {
		return
	}
	p.open[typ]++
	defer func() { p.open[typ]-- }()
	switch {
	case typ == reflect.TypeFor[redact.Secret]():
		p.planted++
		v.Set(reflect.ValueOf(redact.New(planted)))
		return
	case typ.Name() == "Sealed": // ciphertext, which is harmless (P7)
		v.SetBytes([]byte(harmless))
		return
	}
	switch typ.Kind() {
	case reflect.String:
		v.SetString(p.text(what))
	case reflect.Slice:
		if typ.Elem().Kind() == reflect.Uint8 {
			text := p.text(what)
			if typ.Name() == "RawMessage" || typ.Name() == "Value" {
				text = `"` + text + `"`
			}
			v.SetBytes([]byte(text))
			return
		}
		v.Set(reflect.MakeSlice(typ, 1, 1))
		p.fill(v.Index(0), what, depth+1)
	case reflect.Array:
		if typ.Elem().Kind() != reflect.Uint8 && v.Len() > 0 {
			p.fill(v.Index(0), what, depth+1)
		}
	case reflect.Pointer:
		v.Set(reflect.New(typ.Elem()))
		p.fill(v.Elem(), what, depth+1)
	case reflect.Map:
		key, elem := reflect.New(typ.Key()).Elem(), reflect.New(typ.Elem()).Elem()
		p.fill(key, "", depth+1)
		p.fill(elem, what, depth+1)
		v.Set(reflect.MakeMap(typ))
		v.SetMapIndex(key, elem)
	case reflect.Func:
		v.Set(p.function(typ, depth))
	case reflect.Interface:
		if typ == reflect.TypeFor[error]() {
			v.Set(reflect.ValueOf(errors.New(p.text(""))))
		}
	case reflect.Struct:
		if strings.HasPrefix(typ.PkgPath(), module) {
			p.fields(v, depth)
		}
	}
}

// text returns the secret what and counts it, or a harmless text if what is empty.
func (p *planter) text(what string) string {
	if what == "" {
		return harmless
	}
	p.planted++
	return what
}

// function returns a function without parameters, in which types hide values from fmt.
// Its results are secrets.
func (p *planter) function(typ reflect.Type, depth int) reflect.Value {
	if typ.NumIn() > 0 {
		return reflect.Zero(typ)
	}
	var results []reflect.Value
	for i := range typ.NumOut() {
		out := reflect.New(typ.Out(i)).Elem()
		p.fill(out, planted, depth+1)
		results = append(results, out)
	}
	return reflect.MakeFunc(typ, func([]reflect.Value) []reflect.Value { return results })
}

// fields fills a struct of this module, with its unexported fields. The name of a field
// decides whether it gets a secret.
func (p *planter) fields(v reflect.Value, depth int) {
	typ := v.Type()
	for i := range typ.NumField() {
		f := typ.Field(i)
		name := typ.Name() + "." + f.Name
		inner := ""
		switch {
		case harmlessFields[name] != "" && secretField.MatchString(f.Name):
			p.excused[name] = true
		case secretField.MatchString(f.Name), f.Name == "Key" && f.Type == reflect.TypeFor[[]byte]():
			inner = planted
			if strings.EqualFold(f.Name, "url") {
				inner = "https://provider.example/path?state=" + planted
			}
		}
		p.fill(reflect.NewAt(f.Type, unsafe.Pointer(v.Field(i).UnsafeAddr())).Elem(), inner, depth+1)
	}
}

// renderings are the forms in which a secret could be shown.
var renderings = map[string]string{
	"as it is":   planted,
	"in hex":     fmt.Sprintf("%x", planted),
	"in HEX":     fmt.Sprintf("%X", planted),
	"in base64":  base64.RawStdEncoding.EncodeToString([]byte(planted))[:16],
	"as numbers": strings.Trim(fmt.Sprint([]byte(planted)), "[]"),
	"as bytes":   strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", []byte(planted)), "[]byte{"), "}"),
}

// leaks prints, logs and encodes the value to which the pointer v leads, in every way
// that programs do. It returns the ways that show the planted secret.
func leaks(v reflect.Value) (found []string) {
	for _, shown := range []struct {
		name  string
		value any
	}{
		{"value", v.Elem().Interface()},
		{"pointer", v.Interface()},
		{"in a field", struct{ Field any }{v.Elem().Interface()}},
		{"in a list", reflect.Append(reflect.MakeSlice(reflect.SliceOf(v.Type()), 0, 1), v).Interface()},
	} {
		show := func(how string, print func(b *bytes.Buffer)) {
			var b bytes.Buffer
			func() {
				defer func() { _ = recover() }() // some types print only what a constructor made
				print(&b)
			}()
			for form, text := range renderings {
				if strings.Contains(b.String(), text) {
					found = append(found, fmt.Sprintf("%s shows the secret %s by %s: %.200q", shown.name, form, how, b.String()))
				}
			}
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			show(verb, func(b *bytes.Buffer) { fmt.Fprintf(b, verb, shown.value) })
		}
		show("slog text", func(b *bytes.Buffer) { logTo(slog.NewTextHandler(b, nil), shown.value) })
		show("slog JSON", func(b *bytes.Buffer) { logTo(slog.NewJSONHandler(b, nil), shown.value) })
		show("encoding/json", func(b *bytes.Buffer) { _ = json.NewEncoder(b).Encode(shown.value) })
		show("JSON v2", func(b *bytes.Buffer) { _ = jsonv2.MarshalWrite(b, shown.value) })
		if err, ok := shown.value.(error); ok {
			show("error text", func(b *bytes.Buffer) { b.WriteString(err.Error()) })
			show("wrapped error", func(b *bytes.Buffer) { fmt.Fprintf(b, "%v %+v", errors.Join(err), fmt.Errorf("x: %w", err)) })
		}
	}
	return found
}

func logTo(h slog.Handler, v any) {
	slog.New(h).Info("message", "value", v, slog.Group("group", "value", v))
}

// The types whose names begin with "leak" show their secret in one way each. Those whose
// names begin with "safe" do not.
type (
	leakPlain   struct{ RefreshToken string }
	leakBytes   struct{ PEM []byte }
	leakNested  struct{ List []map[string]*leakPlain }
	leakHidden  struct{ code string }
	leakString  struct{ Code string }
	leakNumbers struct{ Nonce []byte }
	leakFormat  struct{ Verifier string }
	leakError   struct{ Cookie string }
	safeSecret  struct{ Token redact.Secret }
	safeUnder   struct{ token redact.Secret }
	safeHidden  struct {
		redact.Hidden
		Code string
	}
	safeHarmless struct{ Name string }
)

func (leakString) String() string                { return "fine" }
func (leakNumbers) MarshalJSON() ([]byte, error) { return []byte(`"fine"`), nil }
func (leakFormat) Format(f fmt.State, _ rune)    { fmt.Fprint(f, "fine") }
func (e leakError) Error() string                { return e.Cookie }
func (e leakError) Format(f fmt.State, _ rune)   { fmt.Fprint(f, "fine") }
func (e leakError) MarshalText() ([]byte, error) { return []byte("fine"), nil }
func (e leakHidden) used() string                { return e.code }
func (s safeUnder) used() string                 { return s.token.Reveal() }

// The search finds each kind of leak and nothing else.
func TestLeaksAreFound(t *testing.T) {
	for _, v := range []any{
		new(leakPlain), new(leakBytes), new(leakNested), new(leakHidden), new(leakString), new(leakNumbers), new(leakFormat), new(leakError),
		new(safeSecret), new(safeUnder), new(safeHidden), new(safeHarmless),
	} {
		newPlanter().fill(reflect.ValueOf(v).Elem(), "", 0)
		leaking := strings.HasPrefix(reflect.TypeOf(v).Elem().Name(), "leak")
		assert.Equal(t, leaking, len(leaks(reflect.ValueOf(v))) > 0, "%T", v)
	}
	require.Equal(t, planted, leakHidden{planted}.used())
	require.Equal(t, planted, safeUnder{redact.New(planted)}.used())
}
