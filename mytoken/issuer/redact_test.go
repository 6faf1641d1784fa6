package issuer_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/redact"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store/storetest"
)

// No value that the issuer returns, no error, no notice and no log line shows a
// secret, however it is printed or encoded.
//
// proves P9
func TestNothingPrintsSecrets(t *testing.T) {
	l := live(t)
	values := append([]any{}, l.results...)
	for _, n := range l.notices.get() {
		values = append(values, n)
		if n.Err != nil {
			values = append(values, n.Err)
		}
	}
	secret := mytoken.NewSecret("planted-secret-0123456789")
	l.secrets = append(l.secrets, secret.Reveal())
	values = append(values, withSecrets(secret)...)
	values = append(values, l.Config, l.Issuer)

	var wrapped []any
	for _, v := range values {
		wrapped = append(wrapped, v, []any{v}, map[string]any{"v": v}, struct{ V any }{v}, reflect.Indirect(reflect.ValueOf(v)).Interface())
		if err, ok := v.(error); ok {
			wrapped = append(wrapped, fmt.Errorf("wrapped: %w", err), errors.Join(err, err))
			for ; err != nil; err = errors.Unwrap(err) {
				wrapped = append(wrapped, err.Error())
			}
		}
	}
	var out bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&out, nil))
	jsonLogger := slog.New(slog.NewJSONHandler(&out, nil))
	for _, v := range wrapped {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		logger.Info("x", "v", v)
		jsonLogger.Info("x", "v", v)
		if text, err := json.Marshal(v); err == nil {
			out.Write(text)
		}
	}
	for _, leak := range storetest.FindSecrets(out.Bytes(), l.secrets...) {
		around := out.Bytes()[max(0, leak.Offset-200) : leak.Offset+4]
		t.Errorf("%s: %s…", leak, around)
	}
	for _, leak := range storetest.FindSecrets(l.log.Bytes(), l.secrets...) {
		t.Errorf("log: %s", leak)
	}
	require.NotZero(t, out.Len())
	require.NotEmpty(t, storetest.FindSecrets(out.Bytes(), redact.Placeholder))
}

// withSecrets are values of every type that the methods of an issuer take or
// return, with the secret in each field that is one, the types that hold one in
// a plain field, and every error, also without what it usually says.
func withSecrets(secret mytoken.Secret) []any {
	all := []any{
		issuer.FinishRequest{Query: url.Values{"code": {secret.Reveal()}, "state": {secret.Reveal()}}},
		issuer.Login{URL: "https://op.example.org/authorize?state=" + secret.Reveal(), State: secret},
		&issuer.BusyError{}, &mytoken.CapabilityError{}, &issuer.CodeError{Reason: issuer.CodeFailed}, &issuer.LoginError{},
		&issuer.PolicyError{}, &issuer.ReconnectError{}, &issuer.RefusedError{}, &issuer.RequestError{}, &issuer.StoreError{},
		&issuer.TokenError{}, &issuer.UpstreamError{}, &issuer.RefusedError{Explanation: &restriction.Explanation{}},
	}
	seen := make(map[reflect.Type]bool)
	iss := reflect.TypeFor[*issuer.Issuer]()
	for k := range iss.NumMethod() {
		m := iss.Method(k).Type
		for n := range m.NumIn() {
			all = plant(all, seen, m.In(n), secret)
		}
		for n := range m.NumOut() {
			all = plant(all, seen, m.Out(n), secret)
		}
	}
	return all
}

// plant appends a value of the type, and a pointer to it, if it has a secret.
func plant(all []any, seen map[reflect.Type]bool, typ reflect.Type, secret mytoken.Secret) []any {
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
		typ = typ.Elem()
	}
	if seen[typ] || typ.Kind() != reflect.Struct || !strings.HasSuffix(typ.PkgPath(), "/mytoken") {
		return all
	}
	seen[typ] = true
	p := reflect.New(typ)
	if fill(p.Elem(), secret, 3) {
		all = append(all, p.Interface(), p.Elem().Interface())
	}
	return all
}

// fill puts the secret wherever it can be, and reports whether there is such a
// place.
func fill(v reflect.Value, secret mytoken.Secret, depth int) (found bool) {
	for k := range v.NumField() {
		f := v.Field(k)
		switch {
		case !f.CanSet():
		case f.Type() == reflect.TypeFor[mytoken.Secret]():
			f.Set(reflect.ValueOf(secret))
			found = true
		case f.Kind() == reflect.Struct:
			found = fill(f, secret, depth) || found
		case f.Kind() == reflect.Pointer && f.Type().Elem().Kind() == reflect.Struct && depth > 0:
			inner := reflect.New(f.Type().Elem())
			if fill(inner.Elem(), secret, depth-1) {
				f.Set(inner)
				found = true
			}
		}
	}
	return found
}
