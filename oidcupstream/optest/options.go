package optest

import (
	"crypto"
	"net/url"
	"time"

	"github.com/mytoken-go/sdk/internal/redact"
)

// hidden is embedded by types that hold secrets. They print as a placeholder.
type hidden = redact.Hidden

// Rotation says what a refresh does to the refresh token.
type Rotation uint8

const (
	// RotateOff: refresh tokens stay as they are, and answers to a refresh hold none.
	RotateOff Rotation = iota
	// RotateOn: every refresh makes a new refresh token; the old one simply stops working.
	RotateOn
	// RotateStrict: as RotateOn, and presenting an old one revokes the whole grant: all its tokens stop working.
	RotateStrict
	// RotateGrace: as RotateStrict, but within Options.Grace after a rotation the token just replaced is still accepted and
	// answered with the successor that exists already.
	RotateGrace
)

// Options configures a server. The zero value works: one client, one user, no rotation, no faults.
type Options struct {
	hidden

	// Clients that may use the server; more can be added with AddClient. Empty means one with the identifier "portal" and
	// the secret "portal-secret-0123456789".
	Clients []Client
	// Users that have claims. Others can log in too, with nothing but a subject.
	Users []User
	// Subject of the user who logs in if the request does not say otherwise; empty means the first of Users, or "alice".
	Subject string
	// Scopes that the provider supports; others are ignored in requests, as most providers do. Empty means openid, profile,
	// email, offline_access, compute, storage.read and storage.write.
	Scopes []string
	// Rotation policy; zero means RotateOff. SetRotation changes it.
	Rotation Rotation
	// Grace for RotateGrace.
	Grace time.Duration
	// DefaultAudience of access tokens for which no audience was requested. Empty means the issuer.
	DefaultAudience []string
	// LoginAudiencesOnly refuses an audience that the login did not ask for, even if it asked for none; a refresh token
	// that rotates is used up then, and its successor is given to nobody. Otherwise a login that asked for none gets any,
	// and a refusal costs nothing.
	LoginAudiencesOnly bool
	// OpaqueAccessTokens makes access tokens random strings instead of JWTs.
	OpaqueAccessTokens bool
	// AccessTokenLifetime; 0 means one hour. ID tokens live as long.
	AccessTokenLifetime time.Duration
	// CodeLifetime of authorization codes; 0 means one minute.
	CodeLifetime time.Duration
	// RefreshAlways gives a refresh token for every login. Otherwise the request has to ask for it, with the scope
	// offline_access or with access_type=offline.
	RefreshAlways bool
	// ClaimsInIDToken puts the user's claims into the ID token also; otherwise they are at the userinfo endpoint alone.
	ClaimsInIDToken bool
	// SignedUserInfo makes the userinfo endpoint answer with a signed JWT.
	SignedUserInfo bool
	// NoRevocation leaves out the revocation endpoint.
	NoRevocation bool
	// Clock tells the time; nil means time.Now.
	Clock func() time.Time
	// Decide is asked at each authorization request who logs in and what is granted; nil grants everything to Subject. It
	// may be called concurrently.
	Decide func(AuthorizationRequest) Decision
	// Faults is asked at each request what shall go wrong; nil means nothing ever does. It may be called concurrently, and
	// may block: no other request waits for it.
	Faults func(FaultPoint) Fault
	// Address to listen on; empty means a free port of 127.0.0.1.
	Address string
}

// Client is a registered client. Without Secret and PublicKeys it is a public client.
type Client struct {
	hidden

	ID string
	// Secret for client_secret_basic and client_secret_post.
	Secret string
	// PublicKeys for private_key_jwt: *ecdsa.PublicKey, *rsa.PublicKey or ed25519.PublicKey.
	PublicKeys []crypto.PublicKey
	// AuthMethod, if not empty, is the only method accepted: client_secret_basic, client_secret_post, private_key_jwt, none.
	AuthMethod string
	// RedirectURLs that are allowed, compared exactly. Empty allows any: a test often knows its address only later.
	RedirectURLs []string
}

// User is somebody who can log in, with claims for the userinfo endpoint such as email or eduperson_entitlement.
type User struct {
	Subject string
	Claims  map[string]any
}

// AuthorizationRequest is what Options.Decide is told.
type AuthorizationRequest struct {
	ClientID  string
	Subject   string // who would log in
	Scopes    []string
	Audiences []string
	Prompt    string
	Params    url.Values // everything that was sent
}

// Decision is what the user, and the provider, make of an authorization request. The zero value grants it as it is.
type Decision struct {
	// Subject who logs in; empty means the one that was proposed.
	Subject string
	// Error, if not empty, is sent back instead of a code: access_denied, login_required and so on.
	Error string
	// Scopes granted, if not nil.
	Scopes []string
}

// DefaultClientID and DefaultClientSecret belong to the client that exists if Options name none.
const (
	DefaultClientID     = "portal"
	DefaultClientSecret = "portal-secret-0123456789"
)
