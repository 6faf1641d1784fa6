package oidcupstream

import (
	"fmt"
	"io"

	"github.com/mytoken-go/sdk/internal/redact"
)

// hidden makes the types that embed it print as a placeholder: for every verb of fmt, in
// JSON and in log/slog. They hold secrets in plain fields.
type hidden = redact.Hidden

// String returns the issuer and the client identifier.
func (p *Provider) String() string {
	return fmt.Sprintf("oidcupstream.Provider(%s, client %s)", p.cfg.Issuer, p.cfg.ClientID)
}

// Format writes the text of String, for every verb. Without it, fmt would read fields
// that concurrent requests change.
func (p *Provider) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, p.String()) }

// String returns the subject, the scopes, the audiences, and whether there is a refresh
// token. It reveals no token.
func (t Tokens) String() string {
	return fmt.Sprintf("oidcupstream.Tokens(subject %q, scopes %q, audiences %q, refresh token returned: %t)",
		t.Subject, t.Scopes, t.Audiences, t.RefreshToken != "")
}

// Format writes the text of String, for every verb.
func (t Tokens) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, t.String()) }

// MarshalText returns the text of String. JSON and log/slog use it, so nobody stores
// tokens by accident.
func (t Tokens) MarshalText() ([]byte, error) { return []byte(t.String()), nil }
