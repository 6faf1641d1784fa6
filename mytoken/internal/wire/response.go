package wire

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
)

// TokenResponse is the mytoken response object (protocol section 1.12).
type TokenResponse struct {
	Mytoken      Secret           `json:"mytoken,omitempty"`
	TransferCode Secret           `json:"transfer_code,omitempty"`
	MomID        string           `json:"mom_id,omitempty"`
	ExpiresIn    int64            `json:"expires_in,omitzero"` // seconds, never negative
	Capabilities capability.Set   `json:"capabilities,omitempty"`
	MytokenType  string           `json:"mytoken_type"`
	Restrictions restriction.List `json:"restrictions,omitempty"`
	Rotation     jsontext.Value   `json:"rotation,omitzero"`
	TokenUpdate  *TokenResponse   `json:"token_update,omitempty"`
}

// LoginResponse starts a login (protocol section 5.4.1). With a polling code the token
// goes to the program that polls, without one to the browser.
type LoginResponse struct {
	ConsentURI  string `json:"consent_uri"`
	PollingCode Secret `json:"polling_code,omitempty"`
	ExpiresIn   int64  `json:"expires_in,omitzero"` // seconds
	Interval    int64  `json:"interval,omitzero"`   // seconds between polls
}

// Consent is what a login asks for, for the script of a consent page (protocol section
// 5.18.4).
type Consent struct {
	OIDCIssuer      string           `json:"oidc_issuer"`
	ApplicationName string           `json:"application_name,omitempty"`
	TokenName       string           `json:"token_name,omitempty"`
	ClientType      string           `json:"client_type"` // who gets the token
	SSHKey          string           `json:"ssh_key_fp,omitempty"`
	IP              string           `json:"ip,omitempty"`
	ExpiresAt       int64            `json:"expires_at"`
	Capabilities    capability.Set   `json:"capabilities"`
	Restrictions    restriction.List `json:"restrictions"`
	Rotation        jsontext.Value   `json:"rotation,omitzero"`
	Tags            []ShownTag       `json:"tags,omitempty"`
	SupportedScopes []string         `json:"supported_scopes"`
	AllCapabilities []Capability     `json:"all_capabilities"`
}

// Forward tells a page's script which URL to open. The status is [StatusForward].
type Forward struct {
	AuthorizationURI string `json:"authorization_uri,omitempty"`
	URL              string `json:"url,omitempty"`
}

// AccessTokenResponse is the response of the access token endpoint (protocol section
// 5.5).
type AccessTokenResponse struct {
	AccessToken Secret         `json:"access_token"`
	TokenType   string         `json:"token_type"`
	ExpiresIn   int64          `json:"expires_in,omitzero"` // seconds
	Scope       string         `json:"scope,omitempty"`
	Audience    []string       `json:"audience,omitempty"`
	TokenUpdate *TokenResponse `json:"token_update,omitempty"`
	// RefreshToken is the rotated mytoken for clients that present it as a refresh token
	// and do not know TokenUpdate (D44).
	RefreshToken    Secret `json:"refresh_token,omitempty"`
	IssuedTokenType string `json:"issued_token_type,omitempty"` // of a token exchange (RFC 8693)
	MomID           string `json:"mom_id,omitempty"`            // of a mytoken that a token exchange issued
}

// Update is a response that holds only a rotated token.
type Update struct {
	TokenUpdate *TokenResponse `json:"token_update"`
}

// Introspection is the response to the action introspect (protocol section 5.8.1).
type Introspection struct {
	Valid     bool   `json:"valid"`
	MomID     string `json:"mom_id"`
	TokenType string `json:"token_type"`
	Token     Claims `json:"token"`
}

// Claims are the claims of a mytoken (protocol section 1.2). Restrictions also say how
// often each clause was used.
type Claims struct {
	Version      string         `json:"ver"`
	TokenType    string         `json:"token_type"`
	Issuer       string         `json:"iss"`
	Subject      string         `json:"sub"`
	Seq          uint64         `json:"seq_no"`
	Name         string         `json:"name,omitempty"`
	Audience     string         `json:"aud"`
	OIDCSubject  string         `json:"oidc_sub"`
	OIDCIssuer   string         `json:"oidc_iss"`
	Capabilities capability.Set `json:"capabilities"`
	ExpiresAt    int64          `json:"exp,omitzero"`
	NotBefore    int64          `json:"nbf"`
	IssuedAt     int64          `json:"iat"`
	AuthTime     int64          `json:"auth_time,omitzero"`
	JTI          string         `json:"jti"`
	Restrictions jsontext.Value `json:"restrictions,omitzero"`
	Rotation     jsontext.Value `json:"rotation,omitzero"`
}

// History is the response to the action event_history (protocol section 5.8.2). Events is
// null if there are none.
type History struct {
	Events      []Event        `json:"events"`
	Truncated   bool           `json:"truncated,omitzero"`
	TokenUpdate *TokenResponse `json:"token_update,omitempty"`
}

// Event is an entry of a history.
type Event struct {
	Event     string `json:"event"`
	Comment   string `json:"comment,omitempty"`
	IP        string `json:"ip"`
	UserAgent string `json:"user_agent"`
	MomID     string `json:"mom_id"`
	Time      int64  `json:"time"`
}

// Tree is a token with its descendants (protocol section 5.8.3).
type Tree struct {
	Token    Entry  `json:"token"`
	Children []Tree `json:"children,omitempty"`
}

// Entry describes a token in a [Tree].
type Entry struct {
	IP        string `json:"ip"`
	Name      string `json:"name"`
	Created   int64  `json:"created"`
	ExpiresAt int64  `json:"expires_at,omitzero"`
	MomID     string `json:"mom_id"`
	Revoked   bool   `json:"revoked,omitzero"` // not live; listed for a while

	Tags []ShownTag `json:"tags,omitempty"`
}

// ShownTag is a tag of a token (protocol section 5.21).
type ShownTag struct {
	Tag             string `json:"tag"`
	Color           string `json:"color"`
	IncludeChildren bool   `json:"include_children"`
}

// Tag is a tag of a user.
type Tag struct {
	Tag   string `json:"tag"`
	Color string `json:"color"`
}

// Tags is the list of a user's tags. It is null if there are none.
type Tags struct {
	Tags        []Tag          `json:"tags"`
	TokenUpdate *TokenResponse `json:"token_update,omitempty"`
}

// Subtokens is the response to the action subtokens.
type Subtokens struct {
	Mytokens    Tree           `json:"mytokens"`
	TokenUpdate *TokenResponse `json:"token_update,omitempty"`
}

// TokenList is the response to the action list_mytokens (protocol section 5.8.4).
// Mytokens is null if there are none.
type TokenList struct {
	Mytokens    []Tree         `json:"mytokens"`
	Truncated   bool           `json:"truncated,omitzero"`
	TokenUpdate *TokenResponse `json:"token_update,omitempty"`
}

// DryRun is the response to the action explain.
type DryRun struct {
	Explanation *Explanation `json:"mytoken_explanation"`
}

// GrantSettings is the response of the grant settings endpoint (protocol section 5.10).
// GrantTypes is null if the user has never changed one.
type GrantSettings struct {
	GrantTypes  []GrantSetting `json:"grant_types"`
	TokenUpdate *TokenResponse `json:"token_update,omitempty"`
}

// GrantSetting says whether a user enabled a grant type.
type GrantSetting struct {
	GrantType string `json:"grant_type"`
	Enabled   bool   `json:"enabled"`
}

// SSHKeys is the list of SSH keys (protocol section 5.11). Keys is null if there are none.
type SSHKeys struct {
	GrantEnabled bool           `json:"grant_enabled"`
	Keys         []SSHKey       `json:"ssh_keys"`
	TokenUpdate  *TokenResponse `json:"token_update,omitempty"`
}

// SSHKey describes an SSH key of a user. The times are Unix seconds.
type SSHKey struct {
	Name        string `json:"name,omitempty"`
	Fingerprint string `json:"ssh_key_fp"`
	Created     int64  `json:"created"`
	LastUsed    int64  `json:"last_used,omitzero"`
}

// SSHKeyLogin starts the login for an SSH key.
type SSHKeyLogin struct {
	LoginResponse
	TokenUpdate *TokenResponse `json:"token_update,omitempty"`
}

// NewSSHKey says how to use an SSH key that was stored.
type NewSSHKey struct {
	User       Secret `json:"ssh_user"`
	HostConfig Secret `json:"ssh_host_config"` // names the user
}

// Template is a profile or template (protocol section 5.14).
type Template struct {
	ID      string         `json:"id"`
	Name    string         `json:"name"`
	Payload jsontext.Value `json:"payload"`
}

// StandardIntrospection is the response of the standard introspection endpoint (RFC 7662
// section 2.2). About an inactive token it says nothing else.
type StandardIntrospection struct {
	Active       bool             `json:"active"`
	Scope        string           `json:"scope,omitempty"`
	TokenType    string           `json:"token_type,omitempty"`
	ExpiresAt    int64            `json:"exp,omitzero"`
	IssuedAt     int64            `json:"iat,omitzero"`
	NotBefore    int64            `json:"nbf,omitzero"`
	Subject      string           `json:"sub,omitempty"`
	Audience     string           `json:"aud,omitempty"`
	Issuer       string           `json:"iss,omitempty"`
	JTI          string           `json:"jti,omitempty"`
	MomID        string           `json:"mom_id,omitempty"`
	OIDCSubject  string           `json:"oidc_sub,omitempty"`
	OIDCIssuer   string           `json:"oidc_iss,omitempty"`
	Capabilities capability.Set   `json:"capabilities,omitempty"`
	Restrictions restriction.List `json:"restrictions,omitempty"`
}
