package mytoken

import (
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
)

// The types below are the answers of an issuer. A client of a server gets the same ones;
// what its server does not tell stays zero.

// Issued is a token that is handed out, or a code for one (protocol section 1.12).
type Issued struct {
	Type ResponseType
	// Token is the compact or short token. It is empty if Type is ResponseTransferCode.
	Token Secret
	// TransferCode is set if Type is ResponseTransferCode, and expires at CodeExpires.
	TransferCode Secret
	CodeExpires  time.Time
	// ID is the mom_id.
	ID TokenID
	// Expires is when the token expires; zero if it never does.
	Expires      time.Time
	Capabilities capability.Set
	Restrictions restriction.List
	Rotation     *Rotation
	// Claims are those of the token, whatever its form. Only an issuer can tell them: to a
	// client they are nil, because it has checked no signature.
	Claims *Token
	// Update replaces the token that authorised the request; nil if that was not rotated.
	// Store it before anything else.
	Update *Issued
	// Unread says which part of a server's answer a client could not read; nil if it read
	// all of it. The token itself is never lost to that.
	Unread error
}

// AccessToken is an access token of the provider.
type AccessToken struct {
	Token     Secret
	TokenType string
	// Expires is zero if the provider did not say.
	Expires time.Time
	Scopes  []string
	// Audiences are those of the token, if it is a JWT.
	Audiences []string
	// Update replaces the presented mytoken; nil if that was not rotated. Store it before
	// anything else.
	Update *Issued
}

// Record describes a token in a list (protocol section 5.8.3).
type Record struct {
	ID TokenID
	// Parent is the token that it was created from, listed or not; zero for a
	// first token.
	Parent  TokenID
	Name    string
	Address string // at creation; empty if not known
	Created time.Time
	// Expires is when its current generation expires; zero: never.
	Expires  time.Time
	LastUsed time.Time // zero: never; may lag behind by a minute
	// Revoked says that the token is not live. Descendants of a token that was
	// revoked alone live on below it.
	Revoked      bool
	Provider     string // issuer
	Capabilities capability.Set
	Restrictions restriction.List
	Rotation     *Rotation
	Counters     []Counter // one per clause
	Children     []*Record
}

// MaxRecords bounds lists and histories. What exceeds it is left out, and
// Truncated says so.
const MaxRecords = 20000

// Records are tokens with their descendants.
type Records struct {
	Roots     []*Record
	Truncated bool
	// Update replaces the authorising token; nil if it was not rotated.
	Update *Issued
}
