package issuer_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/redact"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store/storetest"
)

// No value that the issuer returns, no error, no notice and no log line shows a secret,
// however it is printed or encoded.
//
// proves P9
func TestNothingPrintsSecrets(t *testing.T) {
	l := live(t)
	require.NoError(t, l.Issuer.Close(t.Context())) // printing the store reads what refreshes write
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
	values = append(values, l.Config)

	wrapped := []any{l.Issuer, []any{l.Issuer}, struct{ V any }{l.Issuer}}
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
		assert.Fail(t, "a secret is printed", "%s: %s…", leak, around)
	}
	for _, leak := range storetest.FindSecrets(l.log.Bytes(), l.secrets...) {
		assert.Fail(t, "a secret is logged", "%s", leak)
	}
	require.NotZero(t, out.Len())
	require.NotEmpty(t, storetest.FindSecrets(out.Bytes(), redact.Placeholder))
	require.Equal(t, "issuer.Issuer("+l.Config.Issuer+")", fmt.Sprintf("%d", l.Issuer))
}

// withSecrets returns the types that hold a secret in a plain field, and every error
// without what it usually says. TestNoTypeShowsASecret looks at all types of all
// packages.
func withSecrets(secret mytoken.Secret) []any {
	return []any{
		issuer.FinishRequest{Path: "/redirect", Query: url.Values{"code": {secret.Reveal()}, "state": {secret.Reveal()}}},
		issuer.Login{URL: "https://op.example.org/authorize?state=" + secret.Reveal(), State: secret},
		&issuer.BusyError{}, &mytoken.CapabilityError{}, &issuer.CodeError{Reason: issuer.CodeFailed}, &issuer.LoginError{},
		&issuer.PolicyError{}, &issuer.ReconnectError{}, &issuer.RefusedError{}, &issuer.RequestError{}, &issuer.StoreError{},
		&issuer.TokenError{}, &issuer.UpstreamError{}, &issuer.RefusedError{Explanation: &restriction.Explanation{}},
	}
}
