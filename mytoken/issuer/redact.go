package issuer

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// The types below hold a secret in a plain field, because it is part of an
// address that a browser is sent to or comes from. They print and encode
// without it, whatever the verb.

func (l Login) redacted() string {
	address, _, _ := strings.Cut(l.URL, "?")
	return fmt.Sprintf("mytoken.Login(%s, expires %s)", address, l.Expires)
}

// String tells where the browser is sent, without the parameters.
func (l Login) String() string { return l.redacted() }

// Format writes what String returns, for every verb.
func (l Login) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, l.redacted()) }

// MarshalJSON returns what String returns.
func (l Login) MarshalJSON() ([]byte, error) { return json.Marshal(l.redacted()) }

// LogValue returns what String returns.
func (l Login) LogValue() slog.Value { return slog.StringValue(l.redacted()) }

func (r FinishRequest) redacted() string {
	return fmt.Sprintf("mytoken.FinishRequest(%d parameters, from %s)", len(r.Query), r.Client.Address)
}

// String describes the request without its parameters.
func (r FinishRequest) String() string { return r.redacted() }

// Format writes what String returns, for every verb.
func (r FinishRequest) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, r.redacted()) }

// MarshalJSON returns what String returns.
func (r FinishRequest) MarshalJSON() ([]byte, error) { return json.Marshal(r.redacted()) }

// LogValue returns what String returns.
func (r FinishRequest) LogValue() slog.Value { return slog.StringValue(r.redacted()) }
