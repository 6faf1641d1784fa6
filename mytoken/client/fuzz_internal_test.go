package client

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
)

// readUsed refuses the clauses of an introspection, or finds one count per clause.
func FuzzReadUsed(f *testing.F) {
	for _, text := range []string{
		``, `null`, `[]`, `[{"exp":1,"usages_AT":5,"usages_AT_done":2,"usages_other_done":0}]`, `[{"usages_AT_done":"x"}]`,
		`[{"scope":"a"},{"scope":"a","usages_other_done":7}]`, `[{"x":[1,{"y":null}]}]`, `{}`, `[{"usages_AT_done":1}]`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		list, used, err := readUsed(jsontext.Value(text))
		if err != nil {
			return
		}
		require.Len(t, used, len(list))
		for i := range list {
			require.NotContains(t, list[i].Keys(), keyUsedAT)
			require.NotContains(t, list[i].Keys(), keyUsedOther)
		}
	})
}

// An unreadable token may rotate, so that its successor is not lost.
func FuzzPeekRotation(f *testing.F) {
	for _, payload := range []string{
		`{"token_type":"mytoken","rotation":{"on_AT":true}}`, `{"token_type":"mytoken"}`, `{"token_type":"mytoken","rotation":null}`,
		`{"token_type":"other"}`, `{"rotation":{}}`, `{"token_type":"mytoken","rotation":{"on_AT":1}}`, `x`, ``,
	} {
		f.Add("h." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".s")
		f.Add(payload)
	}
	f.Fuzz(func(t *testing.T, token string) {
		r, readable := peekRotation(token)
		s := mytoken.NewSecret(token)
		if !readable {
			require.Zero(t, r)
			require.True(t, mayRotate(s, useAT) && mayRotate(s, useOther))
			return
		}
		require.Equal(t, r.OnAT, mayRotate(s, useAT))
		require.Equal(t, r.OnOther, mayRotate(s, useOther))
		require.Equal(t, r.OnAT || r.OnOther, rotates(s))
		require.Equal(t, 2, strings.Count(token, "."), "only a JWT is readable")
	})
}

// An answer gives a token or an error.
func FuzzReadIssued(f *testing.F) {
	for _, text := range []string{
		`{"mytoken":"a","mytoken_type":"token","expires_in":7}`, `{"transfer_code":"c"}`, `{"mytoken":"a","restrictions":7}`,
		`{"mytoken":"a","rotation":{"on_AT":"x"}}`, `{"mytoken":"a","token_update":{"mytoken":"b","token_update":{"mytoken":"c"}}}`,
		`{"mytoken":""}`, `null`, `[]`, `{"mytoken":"a","expires_in":9223372036854775807}`, `{"mytoken":"a","expires_in":-5}`,
	} {
		f.Add([]byte(text))
	}
	asked := time.Unix(1900000000, 0)
	f.Fuzz(func(t *testing.T, body []byte) {
		token, err := readIssued("fuzz", body, asked)
		if err != nil {
			require.Nil(t, token)
			return
		}
		require.False(t, token.Token.IsEmpty() && token.TransferCode.IsEmpty())
		for _, expires := range []time.Time{token.Expires, token.CodeExpires} {
			require.True(t, expires.IsZero() || !expires.Before(asked), "expires %s", expires)
		}
		require.Nil(t, token.Claims, "nobody verified the token")
	})
}

// The header Retry-After never gives a negative time.
func FuzzRetryAfter(f *testing.F) {
	for _, text := range []string{"", "0", "120", "-1", "99999999999999999999", "Fri, 31 Dec 1999 23:59:59 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "soon"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		require.GreaterOrEqual(t, retryAfter(http.Header{"Retry-After": {text}}, time.Unix(1900000000, 0)), time.Duration(0))
	})
}
