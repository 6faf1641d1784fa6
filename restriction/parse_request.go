package restriction

import (
	"net/netip"
	"slices"
	"time"
)

// RequestOptions says how [ParseRequest] reads the forms that only requests may use.
type RequestOptions struct {
	// Now is the time of the request. Relative times such as "+1d12h" count from it, and
	// a clause that expired before it is an [ErrPast]. If Now is zero, relative and local
	// times are an [ErrSyntax], and no clause is too old.
	Now time.Time

	// Address replaces the host "this". If it is not valid, "this" is an [ErrInvalid].
	Address netip.Addr

	// Location is the time zone of local times. nil is UTC.
	Location *time.Location
}

// ParseRequest reads the restrictions of a request. It is as strict as [Parse] and
// returns the same errors, with these differences:
//
//   - A time may be a string: integer seconds, "+N" seconds from now, "+1d12h" with the
//     units ns, us, ms, s, m, h, d, w and y, or a local time "2006-01-02 15:04" (protocol
//     section 2.2). ParseRequest drops parts of a second.
//   - The host "this", in upper or lower case, becomes the requester's address.
//   - ParseRequest removes clauses that state nothing. That only makes the list narrower.
//     If no other clause remains, it returns [ErrEmptyClause].
//   - ParseRequest fixes what counts from the creation of the token, and brings values into
//     their normal form, as [List.Normalize] does. If Now is zero, the former stays open.
//   - The result has passed [List.ValidateAt].
//
// An empty array asks for no restrictions; the result is then nil. ParseRequest does not
// expand the names of templates: an element that is a string is an [ErrSyntax].
func ParseRequest(data []byte, o RequestOptions) (List, error) {
	location := o.Location
	if location == nil {
		location = time.UTC
	}
	list, err := decodeList(data, func(text string) (int64, error) {
		if o.Now.IsZero() && !isDigits(text) {
			return 0, badValue(ErrSyntax, "a time must be an integer here")
		}
		return readTime(text, o.Now, location)
	})
	if err != nil || len(list) == 0 {
		return nil, err
	}
	if list = slices.DeleteFunc(list, func(c Clause) bool { return c.IsEmpty() }); len(list) == 0 {
		return nil, &ClauseError{Err: ErrEmptyClause}
	}
	if list, err = list.ReplaceThis(o.Address); err != nil {
		return nil, err
	}
	list = list.Normalize(o.Now)
	return list, list.ValidateAt(o.Now)
}
