package wire

// Error is the body of every response with a status of 400 and above (protocol section
// 5.0.5).
type Error struct {
	Code        string `json:"error"`
	Description string `json:"error_description,omitempty"`
	// RestrictedBy names the keys of the restrictions that refused. It and Explanation
	// are additions to the protocol.
	RestrictedBy []string     `json:"restricted_by,omitempty"`
	Explanation  *Explanation `json:"mytoken_explanation,omitempty"`
}

// The error codes of the protocol (section 5.0.5).
const (
	ErrorInvalidRequest           = "invalid_request"
	ErrorInvalidGrant             = "invalid_grant"
	ErrorInvalidToken             = "invalid_token"
	ErrorExpiredToken             = "expired_token"
	ErrorAuthorizationPending     = "authorization_pending"
	ErrorAccessDenied             = "access_denied"
	ErrorInsufficientCapabilities = "insufficient_capabilities"
	ErrorUsageRestricted          = "usage_restricted"
	ErrorOIDC                     = "oidc_error"
	ErrorNotFound                 = "not_found"
	ErrorNotYetImplemented        = "not_yet_implemented"
	ErrorInternal                 = "internal_server_error"
	ErrorTemporarilyUnavailable   = "temporarily_unavailable"
)

// Error codes of the standards that the protocol does not have (RFC 6749 section 5.2, RFC
// 8693 section 2.2.2).
const (
	ErrorInvalidClient        = "invalid_client"
	ErrorUnsupportedGrantType = "unsupported_grant_type"
	ErrorInvalidScope         = "invalid_scope"
	ErrorInvalidTarget        = "invalid_target"
)

// Statuses that net/http does not have (protocol section 5.0.5).
const (
	StatusForward       = 278 // the page's script opens the URL in the body
	StatusProviderError = 555 // the OpenID provider reported an error
)
