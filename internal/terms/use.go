package terms

// Kind is the kind of a use (protocol section 2.5). The zero Kind is not valid.
type Kind uint8

// The kinds of uses. Stores keep these numbers.
const (
	// AT obtains an access token. Every restriction except usages_other applies.
	AT Kind = iota + 1
	// Other is any other counted use, such as creating a child. Every restriction except
	// usages_AT and those on scopes and audiences applies.
	Other
	// Uncounted is a use that spends nothing, such as introspection. Only restrictions on
	// time, hosts and country apply, and the conditions of the embedding program.
	Uncounted
)

// String returns "AT", "other", "uncounted" or "invalid".
func (k Kind) String() string {
	switch k {
	case AT:
		return "AT"
	case Other:
		return "other"
	case Uncounted:
		return "uncounted"
	}
	return "invalid"
}

// Limit is how often a counter may be spent. The zero Limit admits no use.
type Limit int64

// Unlimited is the limit of a counter that counts uses without bounding them.
const Unlimited Limit = -1

// Counter is the state of one clause: how often it was used, and how often it still can
// be.
type Counter struct {
	AT, Other Limit // as created
	// ATUsed and OtherUsed count the uses charged to this clause: those of its own token
	// and, if the counter is limited, those of descendants that draw on it.
	ATUsed, OtherUsed int64
	// ATLeft and OtherLeft are how many uses are left: the least over the clause and the
	// ancestors' clauses that it draws on. They are Unlimited if none of these has a
	// limit.
	ATLeft, OtherLeft Limit
}
