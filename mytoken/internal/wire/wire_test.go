package wire_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/mytoken-go/sdk/mytoken/internal/wire"
)

const secret = "planted-secret-0123456789abcdef"

// TestSecretsAreRedacted looks for a planted secret wherever a value may be printed. Only
// JSON may carry it. // proves P9
func TestSecretsAreRedacted(t *testing.T) {
	planted := wire.NewSecret(secret)
	values := []any{
		wire.TokenRequest{Mytoken: planted, PollingCode: planted, TransferCode: planted},
		&wire.AccessTokenRequest{Mytoken: planted, RefreshToken: planted},
		wire.RevocationRequest{Token: planted},
		wire.TokenResponse{Mytoken: planted, TransferCode: planted, TokenUpdate: &wire.TokenResponse{Mytoken: planted}},
		&wire.AccessTokenResponse{AccessToken: planted, RefreshToken: planted},
		wire.LoginResponse{PollingCode: planted},
		wire.ExchangeRequest{SubjectToken: planted, ActorToken: planted},
		wire.StandardTokenRequest{Token: planted, ClientSecret: planted},
		planted,
	}
	for _, v := range values {
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "value", v)
		for _, text := range []string{fmt.Sprint(v), fmt.Sprintf("%v %+v %#v %s %q", v, v, v, v, v), log.String()} {
			if strings.Contains(text, secret) {
				t.Errorf("%T shows its secret: %s", v, text)
			}
		}
		encoded, err := wire.Marshal(v)
		if err != nil || !strings.Contains(string(encoded), secret) {
			t.Errorf("%T does not carry its secret: %s, %v", v, encoded, err)
		}
	}
}

// TestNamesInAnyCase: names match in any case (protocol section 0), and no member may be
// repeated.
func TestNamesInAnyCase(t *testing.T) {
	var req wire.TokenRequest
	err := wire.Unmarshal([]byte(`{"grant_Type":"mytoken","MYTOKEN":"x","unknown":[{}],"Restrictions":[{"exp":1}]}`), &req)
	if err != nil || req.GrantType != "mytoken" || req.Mytoken.Reveal() != "x" || string(req.Restrictions) != `[{"exp":1}]` {
		t.Fatalf("%+v, %v", req, err)
	}
	for _, twice := range []string{`{"scope":"a","scope":"b"}`, `{"scope":"a","SCOPE":"b"}`} {
		if err := wire.Unmarshal([]byte(twice), &wire.AccessTokenRequest{}); err == nil {
			t.Errorf("%s was accepted", twice)
		}
	}
}

func TestWordsAndLists(t *testing.T) {
	for text, want := range map[string]wire.Words{
		`null`: nil, `""`: nil, `"a  b"`: {"a", "b"}, `["a b","c"]`: {"a", "b", "c"}, `["b a b","a"]`: {"b", "a"},
	} {
		var got wire.Words
		if err := got.UnmarshalJSON([]byte(text)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %q, %v; want %q", text, got, err, want)
		}
		var asked wire.Asked
		if err := asked.UnmarshalJSON([]byte(text)); err != nil || !reflect.DeepEqual(asked, wire.Asked(want)) {
			t.Errorf("%s asks for %q, %v; want %q", text, asked, err, want)
		}
	}
	for _, text := range []string{`1`, `{}`, `[1]`, `[["a"]]`, `true`, `[null]`, `["a",null]`} {
		var words wire.Words
		var list wire.List
		if new(wire.Asked).UnmarshalJSON([]byte(text)) == nil {
			t.Errorf("%s was accepted", text)
		}
		if words.UnmarshalJSON([]byte(text)) == nil || list.UnmarshalJSON([]byte(text)) == nil {
			t.Errorf("%s was accepted", text)
		}
	}
	var list wire.List
	if err := list.UnmarshalJSON([]byte(`"this one"`)); err != nil || !reflect.DeepEqual(list, wire.List{"this one"}) {
		t.Errorf("%q, %v", list, err)
	}
	encoded, err := wire.Marshal(wire.AccessTokenRequest{GrantType: "mytoken", Scope: wire.Asked{"a", "b"}})
	if err != nil || string(encoded) != `{"grant_type":"mytoken","scope":"a b"}` {
		t.Errorf("%s, %v", encoded, err)
	}
}

// TestNothingIsNull: empty lists are null, and zero members are left out, as the protocol
// says.
func TestNothingIsNull(t *testing.T) {
	for _, c := range []struct {
		value any
		want  string
	}{
		{wire.History{}, `{"events":null}`},
		{wire.TokenList{}, `{"mytokens":null}`},
		{wire.GrantSettings{}, `{"grant_types":null}`},
		{wire.Error{Code: "x"}, `{"error":"x"}`},
		{wire.TokenResponse{MytokenType: "token"}, `{"mytoken_type":"token"}`},
		{wire.LoginResponse{ConsentURI: "u"}, `{"consent_uri":"u"}`},
		{wire.StandardIntrospection{}, `{"active":false}`},
	} {
		got, err := wire.Marshal(c.value)
		if err != nil || string(got) != c.want || !json.Valid(got) {
			t.Errorf("%T: %s, %v; want %s", c.value, got, err, c.want)
		}
	}
}
