package weburl

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"https://host.example.org":         "",
		"https://host.example.org:8443/a/": "",
		"http://[::1]:80/a?b=c":            "",
		"https://bücher.example.org/é":     "",

		"":                            "is not an absolute URL",
		"host.example.org":            "is not an absolute URL",
		"//host.example.org":          "is not an absolute URL",
		"https://":                    "is not an absolute URL",
		"https://:443":                "is not an absolute URL",
		"urn:example":                 "is not an absolute URL",
		"https://host.example.org/#a": "has a fragment: remove the part from #",
		"https://host.example.org/#":  "has a fragment",
		"https://[::1/":               "is not a URL",
		"https://host.example.org/%":  "is not a URL",

		" https://host.example.org":        "the character U+0020 at place 1,",
		"https://host.example.org/a b":     "the character U+0020 at place 27,",
		"https://host.example.org\n":       "the character U+000A at place 25,",
		"https://host.example.org/\u202e":  "the character U+202E",
		"https://host.example.org/\u00a0":  "the character U+00A0",
		"https://host.example.org/\xff":    "the character U+FFFD",
		"https://host.example.org/\u200b/": "the character U+200B",

		"https://host.example.org:65535": "",
		"https://host.example.org:":      "has no port from 1 to 65535",
		"https://host.example.org:0":     "has no port",
		"https://host.example.org:65536": "has no port",
		"https://host.example.org:0443":  "has no port",
		"https://[::1]:/":                "has no port",
	} {
		u, err := Parse(text)
		if want == "" {
			require.NoError(t, err, text)
			require.Equal(t, "/", u.JoinPath("/").Path[:1])
			continue
		}
		require.ErrorContains(t, err, want, text)
	}
	_, err := Parse("https://alice:hunter2@host.example.org")
	require.ErrorContains(t, err, "has a user")
	require.NotContains(t, err.Error(), "hunter2")
	require.NotContains(t, err.Error(), "alice")
}

func TestSecure(t *testing.T) {
	for text, want := range map[string]bool{
		"https://host.example.org": true, "http://127.0.0.1:8000": true, "http://[::1]": true,
		"http://host.example.org": false, "http://localhost": false, "http://127.0.0.1.example.org": false, "ftp://127.0.0.1": false, "http://0.0.0.0": false,
	} {
		u, err := Parse(text)
		require.NoError(t, err)
		require.Equal(t, want, Secure(u), text)
	}
}

// Where a URL is compared with what browsers send, it has their spelling.
func TestCheckSpelling(t *testing.T) {
	for text, want := range map[string]string{
		"https://host.example.org":        "",
		"https://host.example.org/":       "",
		"https://host.example.org:443/a/": "",
		"https://192.0.2.1:8443/a":        "",
		"https://[2001:db8::1]:8443":      "",
		"https://xn--bcher-kva.example":   "",
		"https://4.example.org/a.b/..c":   "",

		"https://bücher.example":          "with xn--",
		"https://Host.example.org:8443":   "write host.example.org:8443, as browsers do",
		"https://[2001:db8:0:0:0:0:0:1]":  "write 2001:db8::1",
		"https://[fe80::1%25eth0]":        "has a zone",
		"https://127.1":                   "all of its four numbers",
		"https://192.0.2.01":              "all of its four numbers",
		"https://2130706433":              "all of its four numbers",
		"https://host.example.org//":      "write /",
		"https://host.example.org/a//b":   "write /a/b",
		"https://host.example.org/a/../b": "write /b",
		"https://host.example.org/a/.":    "write /a",
	} {
		u, err := Parse(text)
		require.NoError(t, err, text)
		if err = CheckSpelling(u); want == "" {
			require.NoError(t, err, text)
		} else {
			require.ErrorContains(t, err, want, text)
		}
	}
}

func TestOrigin(t *testing.T) {
	for text, want := range map[string]string{
		"https://Host.example.org:443/a": "https://host.example.org", "http://host.example.org:80": "http://host.example.org",
		"http://host.example.org:443": "http://host.example.org:443", "https://[::1]:8443/": "https://[::1]:8443",
	} {
		u, err := Parse(text)
		require.NoError(t, err)
		require.Equal(t, want, Origin(u))
	}
}
