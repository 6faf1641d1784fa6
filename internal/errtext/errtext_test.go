package errtext

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
)

func TestJoin(t *testing.T) {
	refused := errors.New("upstream: refused: invalid_scope: not yours (HTTP 400)")
	for want, got := range map[string]string{
		"a":                        Join(nil, "a"),
		"a: b":                     Join(nil, "a", "", "b"),
		"a: " + refused.Error():    Join(refused, "a", "invalid_scope", "not yours"),
		"a: b: " + refused.Error(): Join(refused, "a", "b"),
		"field: too long":          Join(errors.New("too long"), "field", "too long"),
		"a: too long":              Join(errors.New("too long"), "a: too long"),
	} {
		assert.Equal(t, want, got)
	}
}

// TestForLog: a log shows what an operator needs, and no secret.
//
// proves P9.
func TestForLog(t *testing.T) {
	const short = "aBcDefGhiJkLmnOpqRstUvwXyZabCdeFgHijKmnO"
	for text, want := range map[string]string{
		`Get "https://user:hunter2@op.example/a/b?code=x&state=y": dial tcp 127.0.0.1:1: connect: connection refused`: `Get "https://[redacted]@op.example/a/b?[redacted]": dial tcp 127.0.0.1:1: connect: connection refused`,
		"postgres://app:hunter2@db.example:5432/app?sslmode=disable failed":                                           "postgres://[redacted]@db.example:5432/app?[redacted] failed",
		"https://op.example/cb#access_token=abc":                                                                      "https://op.example/cb#[redacted]",
		"user=app password=hunter2 database=app":                                                                      "user=app password=[redacted] database=app",
		"/redirect?code=abc&state=def&x=1":                                                                            "/redirect?code=[redacted]&state=[redacted]&x=1",
		`answer {"access_token":"abc","error":"x"}`:                                                                   `answer {"access_token":"[redacted]","error":"x"}`,
		"client_secret=abc, refresh_token=def":                                                                        "client_secret=[redacted], refresh_token=[redacted]",
		"Authorization: Bearer abc123.def":                                                                            "Authorization: Bearer [redacted]",
		"Authorization: Basic cG9ydGFsOnM=":                                                                           "Authorization: Basic [redacted]",
		"use basic authentication":                                                                                    "use basic authentication",
		"token " + short + " refused":                                                                                 "token [redacted] refused",
		"eyJhbGciOiJFUzI1NiIsInR5cCI6Ik.eyJpc3MiOiJodHRwczovL215d.MEUCIQDh0Ck1q_w-3Zp7Lb0hQ2xY9":                      "[redacted].[redacted].[redacted]",
		"dial tcp: lookup op.nowhere.invalid on 127.0.0.53:53: no such host":                                          "dial tcp: lookup op.nowhere.invalid on 127.0.0.53:53: no such host",
		"FATAL: sorry, too many clients already (SQLSTATE 53300)":                                                     "FATAL: sorry, too many clients already (SQLSTATE 53300)",
		"Error 1040 (08004): Too many connections":                                                                    "Error 1040 (08004): Too many connections",
		"x509: certificate signed by unknown authority":                                                               "x509: certificate signed by unknown authority",
		"a\x1b[31mb\u202e\nc":                                                                                         `a\u001b[31mb\u202e; c`,
		"/var/lib/portal/spill/0a1b2c3d4e5f60718293a4b5c6d7e8f9.spill: permission denied":                             "/var/lib/portal/spill/0a1b2c3d4e5f60718293a4b5c6d7e8f9.spill: permission denied",
	} {
		assert.Equal(t, want, ForLog(errors.New(text)))
	}
	assert.Empty(t, ForLog(nil))
	long := ForLog(fmt.Errorf("cause: %w", errors.New(strings.Repeat("ü\x00", 1<<20))))
	assert.LessOrEqual(t, len(long), 1024)
	assert.True(t, utf8.ValidString(long) && strings.HasSuffix(long, "…"))
	assert.NotContains(t, ForLog(&url.Error{Op: "Get", URL: "https://op.example?" + strings.Repeat("secret", 10_000), Err: errors.New("x")}), "secret")
}
