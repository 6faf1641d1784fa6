package client

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mytoken-go/sdk/mytoken"
)

// FuzzReadUsed: what an introspection says about clauses is refused or understood whole.
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
		if len(list) != len(used) {
			t.Fatalf("%d clauses, %d counters", len(list), len(used))
		}
		for i := range list {
			for _, key := range list[i].Keys() {
				if key == keyUsedAT || key == keyUsedOther {
					t.Fatalf("clause %d still has %s", i, key)
				}
			}
		}
	})
}

// FuzzPeekRotation: what cannot be read may rotate, so that nothing is lost by it.
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
		if !readable && (r != mytoken.Rotation{} || !mayRotate(s, useAT) || !mayRotate(s, useOther)) {
			t.Fatalf("%q is unreadable and does not rotate", token)
		}
		if readable && (mayRotate(s, useAT) != r.OnAT || mayRotate(s, useOther) != r.OnOther || rotates(s) != (r.OnAT || r.OnOther)) {
			t.Fatalf("%q is %+v", token, r)
		}
		if readable && strings.Count(token, ".") != 2 {
			t.Fatalf("%q is no JWT", token)
		}
	})
}

// FuzzReadToken: an answer gives a token or an error.
func FuzzReadToken(f *testing.F) {
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
		if (token == nil) == (err == nil) {
			t.Fatal(token, err)
		}
		if token == nil {
			return
		}
		if token.Token.IsEmpty() && token.TransferCode.IsEmpty() {
			t.Fatal("a token without a token")
		}
		for _, expires := range []time.Time{token.Expires, token.CodeExpires} {
			if !expires.IsZero() && expires.Before(asked) {
				t.Fatalf("expires %s", expires)
			}
		}
		if token.Claims != nil {
			t.Fatal("claims of a token that nobody verified")
		}
	})
}

// FuzzRetryAfter: a header gives a time that can be waited for.
func FuzzRetryAfter(f *testing.F) {
	for _, text := range []string{"", "0", "120", "-1", "99999999999999999999", "Fri, 31 Dec 1999 23:59:59 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "soon"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if wait := retryAfter(text, time.Unix(1900000000, 0)); wait < 0 {
			t.Fatalf("%q is %s", text, wait)
		}
	})
}
