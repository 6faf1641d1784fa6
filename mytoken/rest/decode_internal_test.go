package rest

import (
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mytoken-go/sdk/mytoken/internal/wire"
)

// TestFromForm: forms become JSON with the exact names of the protocol, or are refused.
func TestFromForm(t *testing.T) {
	s := shapeOf(reflect.TypeFor[wire.TokenRequest]())
	for form, want := range map[string]string{
		"":                                             `{}`,
		"grant_type=mytoken":                           `{"grant_type":"mytoken"}`,
		"GRANT_TYPE=mytoken&unknown=x":                 `{"grant_type":"mytoken"}`,
		"issuer=https%3A%2F%2Fx":                       `{"oidc_issuer":"https://x"}`,
		"error_on_restrictions=true":                   `{"error_on_restrictions":true}`,
		"max_token_len=64":                             `{"max_token_len":64}`,
		"capabilities=AT+tokeninfo":                    `{"capabilities":"AT tokeninfo"}`,
		"capabilities=%5B%22AT%22%5D":                  `{"capabilities":["AT"]}`,
		"restrictions=%7B%22exp%22%3A1%7D":             `{"restrictions":{"exp":1}}`,
		"restrictions=1d":                              `{"restrictions":"1d"}`,
		"restrictions=&name=":                          `{}`,
		"restrictions=%5B":                             "",
		"restrictions=%7B%22a%22%3A1%2C%22a%22%3A2%7D": "",
		"max_token_len=x":                              "",
		"max_token_len=99999999999999":                 "",
		"error_on_restrictions=perhaps":                "",
		"name=a&name=b":                                "",
		"oidc_issuer=a&issuer=b":                       "",
		"%":                                            "",
		"name=M%FCller":                                "",
		"restrictions=%FF":                             "",
		"capabilities=AT&capabilities=%FF":             "",
	} {
		got, err := s.fromForm([]byte(form))
		if (err != nil) != (want == "") || err == nil && string(got) != want {
			t.Errorf("%s: %s, %v, want %s", form, got, err, want)
		}
	}
	access := shapeOf(reflect.TypeFor[wire.AccessTokenRequest]())
	got, err := access.fromForm([]byte("resource=a&resource=b"))
	if err != nil || string(got) != `{"resource":["a","b"]}` {
		t.Errorf("%s, %v", got, err)
	}
}

// FuzzDecode: every accepted request is strict JSON with known names, each once. Decoding
// it again changes nothing.
func FuzzDecode(f *testing.F) {
	f.Add(`{"Grant_Type":"mytoken","restrictions":[{"exp":1}],"x":{}}`, "grant_type=mytoken&restrictions=%5B%5D")
	f.Add(`null`, "a=b&resource=c")
	f.Add(` {"mytoken":null} `, "capabilities=%22AT%22")
	s := shapeOf(reflect.TypeFor[wire.TokenRequest]())
	f.Fuzz(func(t *testing.T, body, form string) {
		fromJSON, jsonErr := s.fromJSON([]byte(body))
		fromForm, formErr := s.fromForm([]byte(form))
		for _, c := range []struct {
			text []byte
			err  error
		}{{fromJSON, jsonErr}, {fromForm, formErr}} {
			if c.err != nil {
				continue
			}
			var members map[string]jsontext.Value
			if err := json.Unmarshal(c.text, &members); err != nil {
				t.Fatalf("%q: %v", c.text, err)
			}
			for name := range members {
				if field, ok := s.byName[name]; !ok || field.name != name {
					t.Fatalf("%q has the name %q", c.text, name)
				}
			}
			again, err := s.fromJSON(c.text)
			if err != nil || string(again) != string(c.text) {
				t.Fatalf("%q became %q, %v", c.text, again, err)
			}
		}
		if values, err := url.ParseQuery(form); err == nil && formErr == nil && len(values) == 0 && string(fromForm) != "{}" {
			t.Fatalf("%q from nothing", fromForm)
		}
	})
}

// TestRefusalIsCheap: a request with 50,000 clauses is refused before anything is
// allocated for them.
func TestRefusalIsCheap(t *testing.T) {
	const clauses = 50_000
	s := shapeOf(reflect.TypeFor[wire.TokenRequest]())
	body := []byte(`{"grant_type":"mytoken","restrictions":[` + strings.Repeat(`{"exp":4102444800},`, clauses) + `{}]}`)
	allocations := testing.AllocsPerRun(20, func() {
		if _, err := s.fromJSON(body); err != errTooMany {
			t.Fatal(err)
		}
	})
	if allocations > clauses/50 { // other goroutines count as well
		t.Errorf("%.0f allocations", allocations)
	}
}
