package mytoken

import (
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/internal/terms"
	"github.com/mytoken-go/sdk/restriction"
)

// An issuer answers with the types below, and so does the client of a server. A client
// leaves zero what its server does not tell.

// Issued is a new token, or a code for one (protocol section 1.12).
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
	// Claims is what the token says, whatever its form. A client leaves it nil, because
	// it has checked no signature.
	Claims *Token
	// Update replaces the token that authorised the request. It is nil if that token was
	// not rotated. Store it before anything else.
	Update *Issued
	// Unread says which part of a server's answer a client could not read. The token or
	// code is there all the same.
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
	// Update replaces the presented mytoken. It is nil if that was not rotated. Store it
	// before anything else.
	Update *Issued
}

// Record describes a token in a list (protocol section 5.8.3).
type Record struct {
	ID TokenID
	// Parent is the token from which this one was created, even if the list does not have
	// it. It is zero for a first token.
	Parent  TokenID
	Name    string
	Address string // at creation; empty if not known
	Created time.Time
	// Expires is when its current generation expires; zero if never.
	Expires  time.Time
	LastUsed time.Time // zero: never; may lag behind by a minute
	// Revoked says that the token is not live. If it was revoked without its descendants,
	// they live on.
	Revoked  bool
	Provider string // issuer URL
	// Label is what the service that embeds the issuer wrote on the token; see
	// issuer.LoginRequest. A client leaves it empty.
	Label string
	// Tags are those of the token, its own and those that it inherits, in the order of their
	// names.
	Tags []Tag
	// Brief says that the list does not tell the fields from Capabilities to Counters.
	// They are empty then, whatever the token may do. A client always sets it, because no
	// server tells them.
	Brief        bool
	Capabilities capability.Set
	Restrictions restriction.List
	Rotation     *Rotation
	Counters     []Counter // one per clause
	Children     []*Record
}

// Records are tokens with their descendants.
type Records struct {
	Roots []*Record
	// Truncated says that there are more tokens than were returned, or more tags.
	Truncated bool
	// Update replaces the token that authorised the request. It is nil if that token was
	// not rotated. Store it before anything else.
	Update *Issued
}

// Event is an entry of a token's history (protocol section 7).
type Event struct {
	Token     TokenID
	Name      string // one of protocol section 7.2; servers may have others
	Comment   string
	Address   string // IP address of the client
	UserAgent string // of the client
	Time      time.Time
}

// History is a list of events, newest first.
type History struct {
	Events []Event
	// Truncated says that there are more events than were returned.
	Truncated bool
	// Update replaces the token that authorised the request. It is nil if that token was
	// not rotated. Store it before anything else.
	Update *Issued
}

// Counter counts the uses of one clause, access tokens (AT) and other uses apart. AT and
// Other are the limits, ATUsed and OtherUsed are the uses so far, and ATLeft and
// OtherLeft are the uses that are left.
//
// A use also counts against the ancestors' clauses on which the clause draws. What is
// left is the least that any of them has left.
type Counter = terms.Counter

// Limit is how often a clause may be used. The zero Limit admits no use.
type Limit = terms.Limit

// Unlimited is the limit of a clause that may be used any number of times.
const Unlimited = terms.Unlimited
