package wire

// Configuration is the discovery document (protocol section 5.1).
type Configuration struct {
	Issuer                 string     `json:"issuer"`
	AccessTokenEndpoint    string     `json:"access_token_endpoint"`
	MytokenEndpoint        string     `json:"mytoken_endpoint"`
	TokeninfoEndpoint      string     `json:"tokeninfo_endpoint,omitempty"`
	RevocationEndpoint     string     `json:"revocation_endpoint,omitempty"`
	UserSettingsEndpoint   string     `json:"usersettings_endpoint"`
	NotificationsEndpoint  string     `json:"notifications_endpoint,omitempty"`
	TokenTransferEndpoint  string     `json:"token_transfer_endpoint,omitempty"`
	ProfilesEndpoint       string     `json:"profiles_endpoint,omitempty"`
	JWKSURI                string     `json:"jwks_uri"`
	Providers              []Provider `json:"providers_supported"`
	SigningAlgorithm       string     `json:"token_signing_alg_value"`
	Documentation          string     `json:"service_documentation,omitempty"`
	Version                string     `json:"version"`
	TokeninfoActions       []string   `json:"tokeninfo_endpoint_actions_supported,omitempty"`
	AccessTokenGrantTypes  []string   `json:"access_token_endpoint_grant_types_supported"`
	MytokenGrantTypes      []string   `json:"mytoken_endpoint_grant_types_supported"`
	OIDCFlows              []string   `json:"mytoken_endpoint_oidc_flows_supported"`
	ResponseTypes          []string   `json:"response_types_supported"`
	RestrictionKeys        []string   `json:"restriction_claims_supported"`
	TokenEndpoint          string     `json:"token_endpoint"` // of access tokens, for oidc-agent
	IntrospectionEndpoint  string     `json:"introspection_endpoint,omitempty"`
	AuthorizationServerURI string     `json:"oauth_authorization_server,omitempty"` // address of the metadata (RFC 8414)
	// SSHKeys are the host keys of the SSH server, if one is served.
	SSHKeys []SSHHostKey `json:"ssh_keys,omitempty"`
	// IdempotencyKeySupported says that a request with [HeaderIdempotencyKey] can be
	// repeated, an extension.
	IdempotencyKeySupported bool `json:"idempotency_key_supported,omitempty"`
	// IDTokenAlgorithms are the algorithms of the keys, the active one first, under the name
	// that OpenID Connect libraries read. Without it they expect RS256 alone.
	IDTokenAlgorithms []string `json:"id_token_signing_alg_values_supported,omitempty"`
}

// SSHHostKey is a host key of the SSH server in the discovery document.
type SSHHostKey struct {
	Type        string `json:"type"`
	Fingerprint string `json:"fingerprint"`
}

// Provider is an OpenID provider in the discovery document.
type Provider struct {
	Issuer string   `json:"issuer"`
	Name   string   `json:"name,omitempty"`
	Scopes []string `json:"scopes_supported"`
}

// AuthorizationServer is the metadata of the standard endpoints (RFC 8414 section 2).
type AuthorizationServer struct {
	Issuer                   string   `json:"issuer"`
	TokenEndpoint            string   `json:"token_endpoint"`
	JWKSURI                  string   `json:"jwks_uri"`
	ResponseTypes            []string `json:"response_types_supported"`
	GrantTypes               []string `json:"grant_types_supported"`
	TokenAuthMethods         []string `json:"token_endpoint_auth_methods_supported"`
	RevocationEndpoint       string   `json:"revocation_endpoint"`
	RevocationAuthMethods    []string `json:"revocation_endpoint_auth_methods_supported"`
	IntrospectionEndpoint    string   `json:"introspection_endpoint,omitempty"`
	IntrospectionAuthMethods []string `json:"introspection_endpoint_auth_methods_supported,omitempty"`
	Scopes                   []string `json:"scopes_supported,omitempty"`
	Documentation            string   `json:"service_documentation,omitempty"`
	IdempotencyKeySupported  bool     `json:"idempotency_key_supported,omitempty"` // as in Configuration
}

// Settings is the document of the user settings endpoint (protocol section 5.9). Public
// clients crash without the endpoint that they look for.
type Settings struct {
	GrantTypeEndpoint string `json:"grant_type_endpoint"`
	EmailEndpoint     string `json:"email_endpoint"`
	TagsEndpoint      string `json:"tags_endpoint"`
}

// Capability is an entry of the list of capabilities (protocol section 5.25).
type Capability struct {
	ReadWrite CapabilityInfo  `json:"read_write_capability"`
	ReadOnly  *CapabilityInfo `json:"read_only_capability,omitempty"`
	Children  []Capability    `json:"children,omitempty"`
}

// CapabilityInfo describes a capability. Name is the full name, with "read@".
type CapabilityInfo struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	IsReadOnly  bool   `json:"is_read_only,omitzero"`
	Level       string `json:"capability_level,omitempty"` // a sentence
}
