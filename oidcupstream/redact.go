package oidcupstream

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

// The types below hold secrets. Each prints as its name and what is harmless about it, whatever the verb.

func (c ClientAuth) redacted() string { return "oidcupstream.ClientAuth(" + c.Method() + ")" }

// String returns the method's name and no secret.
func (c ClientAuth) String() string { return c.redacted() }

// Format writes what String returns, for every verb.
func (c ClientAuth) Format(f fmt.State, _ rune) { io.WriteString(f, c.redacted()) }

// MarshalJSON returns what String returns.
func (c ClientAuth) MarshalJSON() ([]byte, error) { return json.Marshal(c.redacted()) }

// LogValue returns what String returns.
func (c ClientAuth) LogValue() slog.Value { return slog.StringValue(c.redacted()) }

func (p *Provider) redacted() string {
	return fmt.Sprintf("oidcupstream.Provider(%s, client %s)", p.cfg.Issuer, p.cfg.ClientID)
}

// String names issuer and client.
func (p *Provider) String() string { return p.redacted() }

// Format writes what String returns, for every verb. Without it fmt would read, unsynchronised, what requests are changing.
func (p *Provider) Format(f fmt.State, _ rune) { io.WriteString(f, p.redacted()) }

// LogValue returns what String returns.
func (p *Provider) LogValue() slog.Value { return slog.StringValue(p.redacted()) }

func (t Tokens) redacted() string {
	return fmt.Sprintf("oidcupstream.Tokens(subject %q, scopes %q, audiences %q, refresh token returned: %t)",
		t.Subject, t.Scopes, t.Audiences, t.RefreshToken != "")
}

// String describes the tokens without revealing them.
func (t Tokens) String() string { return t.redacted() }

// Format writes what String returns, for every verb.
func (t Tokens) Format(f fmt.State, _ rune) { io.WriteString(f, t.redacted()) }

// MarshalJSON returns what String returns: tokens are not for storing.
func (t Tokens) MarshalJSON() ([]byte, error) { return json.Marshal(t.redacted()) }

// LogValue returns what String returns.
func (t Tokens) LogValue() slog.Value { return slog.StringValue(t.redacted()) }

func (r AuthorizationRequest) redacted() string {
	return fmt.Sprintf("oidcupstream.AuthorizationRequest(scopes %q, audiences %q)", r.Scopes, r.Audiences)
}

// String describes the request without state, nonce and verifier.
func (r AuthorizationRequest) String() string { return r.redacted() }

// Format writes what String returns, for every verb.
func (r AuthorizationRequest) Format(f fmt.State, _ rune) { io.WriteString(f, r.redacted()) }

// MarshalJSON returns what String returns.
func (r AuthorizationRequest) MarshalJSON() ([]byte, error) { return json.Marshal(r.redacted()) }

// LogValue returns what String returns.
func (r AuthorizationRequest) LogValue() slog.Value { return slog.StringValue(r.redacted()) }

func (r Redirect) redacted() string { return "oidcupstream.Redirect([redacted])" }

// String returns a placeholder.
func (r Redirect) String() string { return r.redacted() }

// Format writes what String returns, for every verb.
func (r Redirect) Format(f fmt.State, _ rune) { io.WriteString(f, r.redacted()) }

// MarshalJSON returns what String returns.
func (r Redirect) MarshalJSON() ([]byte, error) { return json.Marshal(r.redacted()) }

// LogValue returns what String returns.
func (r Redirect) LogValue() slog.Value { return slog.StringValue(r.redacted()) }

func (r ExchangeRequest) redacted() string {
	return fmt.Sprintf("oidcupstream.ExchangeRequest(scopes %q, audiences %q)", r.Scopes, r.Audiences)
}

// String describes the request without code, verifier and nonce.
func (r ExchangeRequest) String() string { return r.redacted() }

// Format writes what String returns, for every verb.
func (r ExchangeRequest) Format(f fmt.State, _ rune) { io.WriteString(f, r.redacted()) }

// MarshalJSON returns what String returns.
func (r ExchangeRequest) MarshalJSON() ([]byte, error) { return json.Marshal(r.redacted()) }

// LogValue returns what String returns.
func (r ExchangeRequest) LogValue() slog.Value { return slog.StringValue(r.redacted()) }

func (r RefreshRequest) redacted() string {
	return fmt.Sprintf("oidcupstream.RefreshRequest(scopes %q, audiences %q)", r.Scopes, r.Audiences)
}

// String describes the request without the refresh token.
func (r RefreshRequest) String() string { return r.redacted() }

// Format writes what String returns, for every verb.
func (r RefreshRequest) Format(f fmt.State, _ rune) { io.WriteString(f, r.redacted()) }

// MarshalJSON returns what String returns.
func (r RefreshRequest) MarshalJSON() ([]byte, error) { return json.Marshal(r.redacted()) }

// LogValue returns what String returns.
func (r RefreshRequest) LogValue() slog.Value { return slog.StringValue(r.redacted()) }
