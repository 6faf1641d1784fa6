package terms

// Kind is the kind of a use (protocol section 2.5). The zero Kind is none, and is refused.
type Kind uint8

// The kinds of uses. Stores keep these numbers.
const (
	// AT obtains an access token. Scopes, audiences and usages_AT are judged.
	AT Kind = iota + 1
	// Other is any other counted use, such as creating a child. usages_other is judged;
	// scopes and audiences are not.
	Other
	// Uncounted is a use that spends nothing, such as introspection. Time, hosts, country
	// and the embedding program's own conditions are judged.
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

// Unlimited is the limit of a counter that only counts.
const Unlimited Limit = -1

// Counter is the state of one clause: how often it was used, and how often it still can
// be.
type Counter struct {
	AT, Other Limit // as created
	// ATUsed and OtherUsed count the uses charged to this clause, by its token and, where
	// the counter is limited, by descendants that draw on it.
	ATUsed, OtherUsed int64
	// ATLeft and OtherLeft are what may still be spent: the least over the clause and the
	// ancestors' clauses that it draws on.
	ATLeft, OtherLeft Limit
}
