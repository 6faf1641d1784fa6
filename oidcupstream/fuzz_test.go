package oidcupstream

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// No answer of a provider causes a panic. A success has an access token. The text of an
// error is printable and bounded and does not show the refresh token that was sent. A
// refresh token in a JSON object is never lost.
func FuzzAnswer(f *testing.F) {
	for _, body := range []string{
		`{"access_token":"a","refresh_token":"new","scope":"a b","expires_in":3600,"token_type":"bearer","id_token":"a.e30.c"}`,
		`{"access_token":"h.eyJhdWQiOlsieCJdLCJzY29wZSI6ImEgYiJ9.s","expires_in":"1e9"}`,
		`{"access_token":"","refresh_token":"new"}`,
		`{"error":"invalid_grant","error_description":"planted-refresh-token-0123456789 is gone"}`,
		`{"error":"invalid_grant","suberror":"consent_required","error_codes":[65001,"50173"],"error_description":"AADSTS65001: x"}`,
		`{"access_token":"eyJhbGciOiJFUzI1NiJ9.eyJzY3AiOlsiYSIsImIiXSwicm9sZXMiOjd9.s","scope":["a",null],"authorization_details":[{}]}`,
		`{"error":{"code":1}}`, `null`, `[]`, `""`, `<html>`, ``, `{"access_token":"a"}{}`, `{"expires_in":-1e999}`,
	} {
		for _, status := range []int{200, 302, 400, 429, 500} {
			f.Add(status, body)
		}
	}
	const sent = "planted-refresh-token-0123456789"
	var status int
	var body string
	p, err := New(Config{Issuer: "https://op.example.org", ClientID: "c", Auth: PublicClient(), HTTPClient: &http.Client{
		Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			io.Copy(io.Discard, r.Body)
			return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
		}),
	}})
	if err != nil {
		f.Fatal(err)
	}
	p.metadata.Store(&metadata{Metadata: Metadata{Issuer: p.Issuer(), TokenEndpoint: "https://op.example.org/token"}})
	p.renewal.Store(&renewal{time.Now(), 24 * time.Hour})
	f.Fuzz(func(t *testing.T, answerStatus int, answerBody string) {
		if answerStatus < 200 || answerStatus > 599 {
			return
		}
		status, body = answerStatus, answerBody
		p.calls.length = 0 // each answer comes as if it were the first
		tokens, err := p.Refresh(t.Context(), RefreshRequest{RefreshToken: sent, Scopes: []string{"a"}, Subject: "s"})
		if (tokens == nil) == (err == nil) {
			t.Fatal(tokens, err)
		}
		read := readReply(status, []byte(body))
		members, given := read.fields, read.refreshToken
		if err == nil {
			if tokens.AccessToken == "" || tokens.RefreshToken != given || status >= 300 || tokens.ExpiresIn < 0 {
				t.Fatal(status, body, tokens)
			}
			return
		}
		text := err.Error()
		if strings.Contains(text, sent) || len(text) > 4*(maxCode+maxDescription+maxCause)+200 || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
			t.Fatalf("%q", text)
		}
		e := err.(*Error)
		if status < 300 && e.RefreshToken() != given {
			t.Fatalf("refresh token %q of %q lost: %q", given, body, e.RefreshToken())
		}
		code, _ := members.text("error")
		if e.Outcome == NotProcessed && given != "" || e.InvalidGrant() && (status == 429 || code != "invalid_grant") {
			t.Fatal(status, body, e)
		}
		if e.Outcome == NotSent || e.Outcome == Refused && (status >= 500 || status/100 == 3 || given != "" && status < 300) {
			t.Fatal(status, body, e)
		}
	})
}

// strictFields accepts the objects that the JSON library finds valid, and none else: no
// member occurs twice in them. It finds the same members as encoding/json, which the
// reading of other answers falls back to.
func FuzzFields(f *testing.F) {
	for _, text := range []string{
		`{}`, ` {"a" : 1 , "b":[1, {"c":2}],"é":"\u00e9\n" }` + "\n", `{"a":1,"a":2}`, `{"a":{"b":1,"b":2}}`, `{"a":1}{}`, `{"a":1,}`, `{"a"}`, `{`,
		`null`, `[]`, `"a"`, `{"\u0061":1,"a":2}`, "{\"\xff\":\"\xfe\"}", "{\"\xff\":1,\"\ufffd\":2}", `{"a":"\ud800"}`, `{"\ud800":0}`, "\ufeff{}",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		before := bytes.Clone(data)
		var want fields
		valid := json.Unmarshal(data, &want) == nil && want != nil
		for _, opts := range [][]jsontext.Options{nil, {jsontext.AllowInvalidUTF8(true)}} {
			got, ok := strictFields(data, opts...)
			if ok != (valid && jsontext.Value(data).IsValid(opts...)) {
				t.Fatalf("%q: %v", data, ok)
			}
			if ok && !reflect.DeepEqual(got, want) {
				t.Fatalf("%q: %q, want %q", data, got, want)
			}
		}
		got, err := parseFields(data)
		if (err == nil) != valid || isObject(data) != valid || valid && !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: %q, %v, want %q", data, got, err, want)
		}
		for name, raw := range got {
			var text *string
			isText := json.Unmarshal(raw, &text) == nil && text != nil
			if found, ok := got.text(name); ok != isText || ok && found != *text || got.hasText(name) != (found != "") {
				t.Fatalf("%q: %q, %v", raw, found, ok)
			}
		}
		if !bytes.Equal(data, before) {
			t.Fatalf("%q became %q", before, data)
		}
	})
}
