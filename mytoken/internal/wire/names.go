package wire

// Paths below the issuer URL that clients know without discovery (protocol section
// 5.0.1).
const (
	PathMytokenConfiguration = "/.well-known/mytoken-configuration"
	PathOpenIDConfiguration  = "/.well-known/openid-configuration"
	PathConsent              = "/c"
)

// The grant types (protocol sections 5.4 and 5.5).
const (
	GrantOIDCFlow      = "oidc_flow"
	GrantPollingCode   = "polling_code"
	GrantMytoken       = "mytoken"
	GrantTransferCode  = "transfer_code"
	GrantSSH           = "ssh"
	GrantRefreshToken  = "refresh_token"
	GrantTokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange" // RFC 8693
)

// The kinds of an OpenID Connect flow and of the client that starts it (protocol section
// 5.4.1).
const (
	FlowAuthorizationCode = "authorization_code"
	ClientNative          = "native"
	ClientWeb             = "web"
)

// The actions of the tokeninfo endpoint (protocol section 5.8).
const (
	ActionIntrospect    = "introspect"
	ActionHistory       = "event_history"
	ActionSubtokens     = "subtokens"
	ActionList          = "list_mytokens"
	ActionNotifications = "notifications"
	ActionExplain       = "explain" // a dry run, which extends the protocol
)

// The token types of RFC 8693 section 3.
const (
	TokenTypeAccessToken  = "urn:ietf:params:oauth:token-type:access_token"
	TokenTypeRefreshToken = "urn:ietf:params:oauth:token-type:refresh_token"
	TokenTypeJWT          = "urn:ietf:params:oauth:token-type:jwt"
)

// NotAccessToken is the token_type of a mytoken where OAuth expects that of an access
// token (RFC 8693 section 2.2.1).
const NotAccessToken = "N_A"

// HeaderIdempotencyKey names a request that counts as a use, so that it can be repeated
// (protocol section 5.0.9). Its value is a string in double quotes.
const HeaderIdempotencyKey = "Idempotency-Key"

// Cookies of the web flow (protocol section 5.0.4).
const (
	CookieMytoken      = "mytoken"
	CookieTransferCode = "mytoken-transfercode"
)

// The actions of the SSH server (protocol section 5.12).
const (
	SSHAccessToken = "AT"
	SSHMytoken     = "MT"
	SSHIntrospect  = "introspect"
	SSHHistory     = "history"
	SSHSubtokens   = "list-subtokens"
	SSHList        = "list-all-mytokens"
	SSHRevoke      = "revoke"
	SSHTags        = "tags-list"
	SSHTagCreate   = "tag-create"
	SSHTagUpdate   = "tag-update"
	SSHTagDelete   = "tag-delete"
	SSHTagAdd      = "add-tag"
	SSHTagRemove   = "remove-tag"
)
