package wire

import "github.com/go-json-experiment/json/jsontext"

// The tag form lists other names of a member in forms.

// TokenRequest is the body of the mytoken endpoint for all grants (protocol section 5.4),
// and of the consent page on demand (protocol section 5.18.3).
type TokenRequest struct {
	GrantType string `json:"grant_type"`

	OIDCFlow    string `json:"oidc_flow,omitempty"`
	ClientType  string `json:"client_type,omitempty"`
	RedirectURI string `json:"redirect_uri,omitempty"`

	PollingCode  Secret `json:"polling_code,omitempty"`
	TransferCode Secret `json:"transfer_code,omitempty"`

	Mytoken             Secret `json:"mytoken,omitempty"`
	ErrorOnRestrictions bool   `json:"error_on_restrictions,omitzero"`

	OIDCIssuer      string `json:"oidc_issuer,omitempty" form:"issuer"`
	Name            string `json:"name,omitempty"`
	ResponseType    string `json:"response_type,omitempty"`
	MaxTokenLen     int    `json:"max_token_len,omitzero"`
	ApplicationName string `json:"application_name,omitempty"`

	// SubscribeNotifications asks for notifications about the new token. It is read so that
	// it can be refused.
	SubscribeNotifications jsontext.Value `json:"subscribe_notifications,omitzero"`

	Include      jsontext.Value `json:"include,omitzero"`
	Restrictions jsontext.Value `json:"restrictions,omitzero"`
	Capabilities jsontext.Value `json:"capabilities,omitzero"`
	Rotation     jsontext.Value `json:"rotation,omitzero"`
	Tags         jsontext.Value `json:"tags,omitzero"`
}

// AccessTokenRequest is the body of the access token endpoint (protocol section 5.5).
type AccessTokenRequest struct {
	GrantType    string `json:"grant_type"`
	Mytoken      Secret `json:"mytoken,omitempty"`
	RefreshToken Secret `json:"refresh_token,omitempty"`
	OIDCIssuer   string `json:"oidc_issuer,omitempty" form:"issuer"`
	Scope        Asked  `json:"scope,omitempty"`
	Audience     Asked  `json:"audience,omitempty"`
	// Resource is an alias of Audience that may be repeated (RFC 8707).
	Resource Asked  `json:"resource,omitempty"`
	Comment  string `json:"comment,omitempty"`
}

// TransferRequest is the body of the transfer endpoint (protocol section 5.6).
type TransferRequest struct {
	Mytoken Secret `json:"mytoken,omitempty"`
}

// RevocationRequest is the body of the revocation endpoint (protocol section 5.7).
type RevocationRequest struct {
	Token      Secret `json:"token,omitempty"`
	Recursive  bool   `json:"recursive,omitzero"`
	MomID      string `json:"mom_id,omitempty" form:"momid"`
	OIDCIssuer string `json:"oidc_issuer,omitempty" form:"oidcissuer,issuer"`
}

// TokeninfoRequest is the body of the tokeninfo endpoint (protocol section 5.8). Use and
// the members behind it describe the use that the action explain is about.
type TokeninfoRequest struct {
	Action  string `json:"action,omitempty"`
	Mytoken Secret `json:"mytoken,omitempty"`
	MomIDs  List   `json:"mom_ids,omitempty" form:"mom_id"`

	Use      string `json:"use,omitempty"` // UseAT or UseOther; empty means UseAT
	Scope    Asked  `json:"scope,omitempty"`
	Audience Asked  `json:"audience,omitempty"`
	Resource Asked  `json:"resource,omitempty"`
	At       int64  `json:"at,omitzero"` // Unix seconds; 0 means now
}

// The kinds of use that the action explain knows.
const (
	UseAT    = "AT"
	UseOther = "other"
)

// GrantSettingRequest is the body of the grant settings endpoint (protocol section 5.10).
type GrantSettingRequest struct {
	Mytoken   Secret `json:"mytoken,omitempty"`
	GrantType string `json:"grant_type,omitempty"`
}

// TagRequest is the body of the endpoints for the user's tags (protocol section 5.21). In
// the body of a change, Tag is the new name.
type TagRequest struct {
	Mytoken Secret `json:"mytoken,omitempty"`
	Tag     string `json:"tag,omitempty"`
	Color   string `json:"color,omitempty"`
}

// SSHTagRequest is the data of the SSH actions for the user's tags (protocol section 5.12).
type SSHTagRequest struct {
	Tag   string `json:"tag"`
	Color string `json:"color,omitempty"`
	Name  string `json:"name,omitempty"` // the new one
}

// TokenTagRequest is the body of the endpoint for the tags of a token.
type TokenTagRequest struct {
	Mytoken         Secret `json:"mytoken,omitempty"`
	MomID           string `json:"mom_id,omitempty" form:"momid"`
	Tag             string `json:"tag"`
	IncludeChildren bool   `json:"include_children,omitzero"`
}

// TokenTag is a tag in a request for a token.
type TokenTag struct {
	Tag             string `json:"tag"`
	IncludeChildren bool   `json:"include_children,omitzero"`
}

// SSHKeyRequest is the body of the endpoint for SSH keys (protocol section 5.11).
type SSHKeyRequest struct {
	GrantType       string         `json:"grant_type"`
	Mytoken         Secret         `json:"mytoken,omitempty"`
	Key             string         `json:"ssh_key,omitempty"`    // one line as in authorized_keys
	Fingerprint     string         `json:"ssh_key_fp,omitempty"` // of the key to delete
	Name            string         `json:"name,omitempty"`
	Restrictions    jsontext.Value `json:"restrictions,omitzero"`
	Capabilities    jsontext.Value `json:"capabilities,omitzero"`
	ApplicationName string         `json:"application_name,omitempty"`
	PollingCode     Secret         `json:"polling_code,omitempty"`
}

// TemplateRequest is the body of a request that changes a profile or a template (protocol
// section 5.14).
type TemplateRequest struct {
	ID      string         `json:"id,omitempty"`
	Name    string         `json:"name,omitempty"`
	Payload jsontext.Value `json:"payload,omitzero"`
}

// ConsentDecision is what the consent page's script sends when the user agrees (protocol
// section 5.18.2). An absent member keeps what was asked for, except Rotation: without it
// there is none.
type ConsentDecision struct {
	OIDCIssuer   string         `json:"oidc_issuer,omitempty"`
	Restrictions jsontext.Value `json:"restrictions,omitzero"`
	Capabilities jsontext.Value `json:"capabilities,omitzero"`
	Name         *string        `json:"name,omitzero"`
	Rotation     jsontext.Value `json:"rotation,omitzero"`
	Tags         jsontext.Value `json:"tags,omitzero"`
}

// ExchangeRequest is the body of the standard token endpoint: a token exchange (RFC 8693
// section 2.1) or a refresh (RFC 6749 section 6). Name, Restrictions, Capabilities,
// Rotation and Tags are extensions for a narrower mytoken.
type ExchangeRequest struct {
	GrantType          string         `json:"grant_type"`
	Resource           Asked          `json:"resource,omitempty"`
	Audience           Asked          `json:"audience,omitempty"`
	Scope              Asked          `json:"scope,omitempty"`
	RequestedTokenType string         `json:"requested_token_type,omitempty"`
	SubjectToken       Secret         `json:"subject_token,omitempty"`
	SubjectTokenType   string         `json:"subject_token_type,omitempty"`
	ActorToken         Secret         `json:"actor_token,omitempty"`
	ActorTokenType     string         `json:"actor_token_type,omitempty"`
	RefreshToken       Secret         `json:"refresh_token,omitempty"`
	Name               string         `json:"name,omitempty"`
	Restrictions       jsontext.Value `json:"restrictions,omitzero"`
	Capabilities       jsontext.Value `json:"capabilities,omitzero"`
	Rotation           jsontext.Value `json:"rotation,omitzero"`
	Tags               jsontext.Value `json:"tags,omitzero"`
}

// StandardTokenRequest is the body of the standard introspection and revocation endpoints
// (RFC 7662 section 2.1, RFC 7009 section 2.1).
type StandardTokenRequest struct {
	Token         Secret `json:"token,omitempty"`
	TokenTypeHint string `json:"token_type_hint,omitempty"`
	ClientID      string `json:"client_id,omitempty"`
	ClientSecret  Secret `json:"client_secret,omitempty"`
}
