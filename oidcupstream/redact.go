package oidcupstream

import (
	"fmt"
	"io"

	"github.com/mytoken-go/sdk/internal/redact"
)

// hidden is embedded by the types that hold secrets in plain fields. They print as a
// placeholder, whatever the verb, in JSON and in log/slog.
type hidden = redact.Hidden

// String names the issuer and the client.
func (p *Provider) String() string {
	return fmt.Sprintf("oidcupstream.Provider(%s, client %s)", p.cfg.Issuer, p.cfg.ClientID)
}

// Format writes what String returns, for every verb. Without it fmt would read fields
// that requests are changing.
func (p *Provider) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, p.String()) }

// String describes the tokens without revealing them.
func (t Tokens) String() string {
	return fmt.Sprintf("oidcupstream.Tokens(subject %q, scopes %q, audiences %q, refresh token returned: %t)",
		t.Subject, t.Scopes, t.Audiences, t.RefreshToken != "")
}

// Format writes what String returns, for every verb.
func (t Tokens) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, t.String()) }

// MarshalText returns what String returns. JSON and log/slog use it: tokens are not for
// storing.
func (t Tokens) MarshalText() ([]byte, error) { return []byte(t.String()), nil }
