package sdk_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tellOtherwise are error types whose text does not come from the field with the cause. A
// key names the package, the type and the field.
var tellOtherwise = map[string]string{
	"oidcupstream.cleanError.err": "text is what err says, without secrets",
}

// TestErrorsTellTheirCauses: the method Error of every error type, exported or not, uses
// each field that holds a cause. An operator reads it in the log; clients get other texts.
func TestErrorsTellTheirCauses(t *testing.T) {
	types, excused := 0, map[string]bool{}
	for _, p := range goList(t) {
		path, ours := p.path()
		if !ours {
			continue
		}
		fields, methods := errorTypes(t, path, p.GoFiles)
		for name, method := range methods {
			types++
			for _, field := range fields[name] {
				key := p.Name + "." + name + "." + field
				if tellOtherwise[key] != "" {
					excused[key] = true
					continue
				}
				assert.True(t, selects(method, field), "%s: Error leaves out the cause %s: use errtext.Join", p.ImportPath+"."+name, field)
			}
		}
	}
	assert.Greater(t, types, 40)
	assert.Len(t, excused, len(tellOtherwise), "an excuse for a field that does not exist")
}

// errorTypes returns the types of a package that have a method Error, and their fields
// that hold errors.
func errorTypes(t *testing.T, dir string, files []string) (fields map[string][]string, methods map[string]*ast.FuncDecl) {
	fields, methods = map[string][]string{}, map[string]*ast.FuncDecl{}
	structs := map[string]*ast.StructType{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(filepath.FromSlash(dir), name), nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.TypeSpec:
				if s, ok := n.Type.(*ast.StructType); ok {
					structs[n.Name.Name] = s
				}
			case *ast.FuncDecl:
				if n.Recv != nil && n.Name.Name == "Error" && n.Type.Params.NumFields() == 0 {
					methods[typeName(n.Recv.List[0].Type)] = n
				}
			}
			return true
		})
	}
	for name := range methods {
		if structs[name] == nil {
			continue
		}
		for _, field := range structs[name].Fields.List {
			if of := typeName(field.Type); of != "error" && methods[of] == nil {
				continue
			}
			for _, ident := range field.Names {
				fields[name] = append(fields[name], ident.Name)
			}
		}
	}
	return fields, methods
}

// typeName returns the name of a type without its package, or that of its elements.
func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.StarExpr:
		return typeName(e.X)
	case *ast.ArrayType:
		return typeName(e.Elt)
	case *ast.IndexExpr:
		return typeName(e.X)
	}
	return ""
}

// selects reports whether a function uses the field.
func selects(fn *ast.FuncDecl, field string) (found bool) {
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		found = found || ok && s.Sel.Name == field
		return true
	})
	return found
}

// severalReasons are error types that tell their cause for some values of their reason
// only. For the other values they have none.
var severalReasons = map[string]bool{"issuer.CodeError": true}

// TestExportedErrorsTellTheirCauses puts a cause into each exported error type and looks
// for it in the text.
func TestExportedErrorsTellTheirCauses(t *testing.T) {
	if exportedTypes == nil {
		rerunWithTypes(t, "error types with a cause")
		return
	}
	const marker = "the-cause-of-it-all"
	found := 0
	for _, typ := range exportedTypes {
		v := reflect.New(typ)
		err, ok := v.Interface().(error)
		if !ok || typ.Kind() != reflect.Struct || !plantCause(v.Elem(), errors.New(marker)) {
			continue
		}
		found++
		told := strings.Contains(err.Error(), marker)
		for n := range 16 {
			for i := range typ.NumField() {
				if f := v.Elem().Field(i); severalReasons[typ.String()] && f.Kind() == reflect.Uint8 {
					f.SetUint(uint64(n))
				}
			}
			told = told || strings.Contains(err.Error(), marker)
		}
		assert.True(t, told, "%s does not tell its cause: %s", typ, err)
	}
	require.Greater(t, found, 12)
	t.Logf("%d error types with a cause", found)
}

// plantCause sets every field of a struct that holds an error, exported or not, and
// reports whether there is one.
func plantCause(v reflect.Value, cause error) (planted bool) {
	for i := range v.NumField() {
		field := v.Field(i)
		field = reflect.NewAt(field.Type(), unsafe.Pointer(field.UnsafeAddr())).Elem()
		switch {
		case field.Type() == reflect.TypeFor[error]():
			field.Set(reflect.ValueOf(cause))
			planted = true
		case field.Kind() == reflect.Pointer && field.Type().Elem().Kind() == reflect.Struct && field.Type().Implements(reflect.TypeFor[error]()):
			field.Set(reflect.New(field.Type().Elem()))
			planted = plantCause(field.Elem(), cause) || planted
		}
	}
	return planted
}
