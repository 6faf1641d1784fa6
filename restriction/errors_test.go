package restriction

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestErrPast distinguishes a clause that has expired from one that makes no sense.
func TestErrPast(t *testing.T) {
	for _, test := range []struct {
		text string
		past bool
	}{
		{`[{"scope":"a"},{"exp":1799999999}]`, true},
		{`[{"exp":1800000000}]`, false},
		{`[{"nbf":1800000005,"exp":1800000001}]`, false},
	} {
		list := mustParse(t, test.text)
		_, requested := ParseRequest([]byte(test.text), RequestOptions{Now: epoch})
		for _, err := range []error{list.ValidateAt(epoch), requested} {
			assert.Equal(t, test.past, errors.Is(err, ErrPast), "%s: %v", test.text, err)
			if test.past {
				require.ErrorIs(t, err, ErrInvalid)
				assert.EqualError(t, err, "restriction: clause 1: exp: invalid: already expired: 2027-01-15T07:59:59Z is in the past; choose a later time")
			}
		}
	}
}

// TestReason has a row for each kind of error that a form may show.
func TestReason(t *testing.T) {
	factories := map[string]Factory{"own": func([]byte) (Condition, error) { return nil, errors.New("no weekday") }}
	for _, test := range []struct {
		err  error
		want string
	}{
		{(List{{Expires: 5}}).ValidateAt(epoch), "1970-01-01T00:00:05Z is in the past; choose a later time"},
		{(List{{UsagesAT: Usages(-2)}}).Validate(), "-2 is negative; 0 allows no use"},
		{(List{{Scopes: make([]string, MaxEntries+1)}}).Validate(), "more than 1024 entries in a list"},
		{(List{{}}).Validate(), "empty clause"},
		{(&Options{Conditions: factories}).Check(List{{Extra: []Extra{{"own", []byte("1")}}}}), "no weekday"},
		{(&Options{}).Check(List{{Hosts: []string{"a.example.org"}}}), "host names are switched off here; use addresses or networks such as 192.0.2.0/24"},
		{(&Options{}).Check(List{{Extra: []Extra{{"own", []byte("1")}}}}), "unsupported key"},
		{syntaxError("need an array of clauses"), "need an array of clauses"},
		{ErrNothingLeft, "no clause is left"},
		{errors.New("something else"), "something else"},
	} {
		assert.Equal(t, test.want, Reason(test.err), "%v", test.err)
	}
}
