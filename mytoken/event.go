package mytoken

import "time"

// Event is an entry of a token's history (protocol section 7).
type Event struct {
	Token     TokenID
	Name      string // see EventCreated and its kind; servers may have others
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
	// Update replaces the token that authorised the request; nil if that was not
	// rotated. Store it before anything else.
	Update *Issued
}

// The names of the events that an issuer writes (protocol section 7.2).
const (
	EventCreated             = "created"
	EventATCreated           = "AT_created"
	EventMTCreated           = "MT_created"
	EventInheritedRT         = "inherited_RT"
	EventTokenRotated        = "token_rotated"
	EventTransferCodeCreated = "transfer_code_created"
	EventTransferCodeUsed    = "transfer_code_used"
	EventIntrospected        = "tokeninfo_introspect"
	EventHistoryRead         = "tokeninfo_history"
	EventHistoryOtherRead    = "tokeninfo_history_other_token"
	EventSubtokensRead       = "tokeninfo_subtokens"
	EventListRead            = "tokeninfo_list_mytokens"
	EventRevoked             = "revoked"
	EventRevokedOther        = "revoked_other_token"
)
