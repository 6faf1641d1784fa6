package optest

import (
	"crypto"
	"net/url"
	"time"

	"github.com/mytoken-go/sdk/internal/redact"
)

// hidden makes the types that embed it print as a placeholder. They hold secrets.
type hidden = redact.Hidden

// Rotation says what a refresh does to the refresh token.
type Rotation uint8

// The rotation policies.
const (
	// RotateOff keeps the refresh token. The answer to a refresh has none.
	RotateOff Rotation = iota
	// RotateOn makes a new refresh token with every refresh. The old one stops working.
	RotateOn
	// RotateStrict is RotateOn, but a request with an old refresh token ends the whole
	// grant: all its tokens stop working.
	RotateStrict
	// RotateGrace is RotateStrict with a grace period, Options.Grace. Within it, the
	// provider accepts the last replaced token and returns its existing successor again.
	RotateGrace
)

// Options configures a server. The zero value works: one client, one user, no rotation
// and no faults. Options print as "[redacted]", because they hold client secrets.
type Options struct {
	hidden

	// Clients are the registered clients. Empty means one client with [DefaultClientID]
	// and [DefaultClientSecret]. See also [Server.AddClient].
	Clients []Client
	// Users are the users with claims. Other users can log in too, but have no claims
	// except sub.
	Users []User
	// Subject is the user who logs in if the request names none. Empty means the first of
	// Users, or "alice".
	Subject string
	// LoginPage shows browsers a page on which a person chooses a user, sees what the
	// client asks for, and logs in or cancels. Programs need no page: a request that does
	// not accept text/html, names its user as [AsUser] does, or has prompt=none is
	// answered at once. If false, every request is.
	LoginPage bool
	// Scopes are the scopes that the provider supports. Like most providers it ignores
	// others. Empty means openid, profile, email, offline_access, compute, storage.read
	// and storage.write.
	Scopes []string
	// Rotation is the rotation policy. [Server.SetRotation] changes it.
	Rotation Rotation
	// Grace is the grace period of [RotateGrace].
	Grace time.Duration
	// DefaultAudience is the audience of access tokens if nobody requested one. Empty
	// means the issuer.
	DefaultAudience []string
	// LoginAudiencesOnly makes the server refuse a refresh for an audience that the login
	// did not ask for, even if the login asked for none. Unless Rotation is RotateOff,
	// the refused refresh rotates the refresh token, and nobody gets the successor. If
	// false, a login that asked for no audience can get every one, and a refusal changes
	// nothing.
	LoginAudiencesOnly bool
	// OpaqueAccessTokens makes access tokens random strings instead of JWTs.
	OpaqueAccessTokens bool
	// PreparedTokens makes refreshes hand out the same access token and ID token again, for
	// the same grant, scopes and audiences. It is for benchmarks: signing would take most
	// of the server's time. Everything else stays as it is: the server checks each request,
	// rotates the refresh token, counts and records. A token is handed out until half of
	// its lifetime is over, it is revoked, or the signing key changes. expires_in says how
	// long it is still valid.
	PreparedTokens bool
	// AccessTokenLifetime is the lifetime of access tokens and ID tokens. 0 means one
	// hour.
	AccessTokenLifetime time.Duration
	// CodeLifetime is the lifetime of authorization codes. 0 means one minute.
	CodeLifetime time.Duration
	// RefreshAlways returns a refresh token for every login. If false, the login has to
	// ask for it with the scope offline_access or with access_type=offline.
	RefreshAlways bool
	// ClaimsInIDToken puts the user's claims into the ID token too. If false, only the
	// userinfo endpoint has them.
	ClaimsInIDToken bool
	// SignedUserInfo makes the userinfo endpoint answer with a signed JWT.
	SignedUserInfo bool
	// NoRevocation leaves out the revocation endpoint.
	NoRevocation bool
	// Clock returns the time. It must be safe for concurrent use. Nil means time.Now.
	Clock func() time.Time
	// Decide says for each authorization request who logs in and what the server grants.
	// Nil grants everything to the requested user. Decide must be safe for concurrent
	// use.
	Decide func(AuthorizationRequest) Decision
	// Faults says for each request what goes wrong. Nil means nothing. Faults must be
	// safe for concurrent use. It may block: no other request waits for it.
	Faults func(FaultPoint) Fault
	// Address is the address to listen on. Empty means a free port of 127.0.0.1.
	Address string
}

// Client is a registered client. It is a public client if it has neither Secret nor
// PublicKeys. A Client prints as "[redacted]".
type Client struct {
	hidden

	ID string
	// Secret is for client_secret_basic and client_secret_post.
	Secret string
	// PublicKeys are for private_key_jwt. Each is an *ecdsa.PublicKey, an *rsa.PublicKey
	// or an ed25519.PublicKey.
	PublicKeys []crypto.PublicKey
	// AuthMethod is the only accepted method: client_secret_basic, client_secret_post,
	// private_key_jwt or none. Empty accepts each method that Secret and PublicKeys
	// allow.
	AuthMethod string
	// RedirectURLs are the allowed redirect URLs, compared exactly. Empty allows every
	// absolute URL, because a test often learns its address late.
	RedirectURLs []string
}

// User is a user with claims such as email or eduperson_entitlement.
type User struct {
	Subject string
	Claims  map[string]any
}

// AuthorizationRequest is an authorization request, for Options.Decide.
type AuthorizationRequest struct {
	ClientID  string
	Subject   string // who would log in
	Scopes    []string
	Audiences []string
	Prompt    string
	Params    url.Values // all parameters of the request
}

// Decision is how the user and the provider answer an authorization request. The zero
// value grants everything.
type Decision struct {
	// Subject is the user who logs in. Empty means that of the request.
	Subject string
	// Error goes back instead of a code, for example access_denied. Empty grants the
	// request.
	Error string
	// Scopes are the granted scopes. Nil means all requested ones.
	Scopes []string
}

// DefaultClientID and DefaultClientSecret belong to the client that a server has if its
// Options name none.
const (
	DefaultClientID     = "portal"
	DefaultClientSecret = "portal-secret-0123456789"
)
