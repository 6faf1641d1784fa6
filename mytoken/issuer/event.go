package issuer

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
