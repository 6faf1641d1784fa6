package mytoken

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/restriction"
)

// Protocol sections 1.4 and 4.3 and D41 say what exp and nbf are.
func TestTokenTimes(t *testing.T) {
	const now = issuedAt
	clause := func(nbf, exp int64) restriction.Clause {
		return restriction.Clause{NotBefore: nbf, Expires: exp, Scopes: []string{"a"}}
	}
	for name, tt := range map[string]struct {
		list     restriction.List
		lifetime uint64
		nbf, exp int64
	}{
		"unrestricted":                    {nil, 0, now, 0},
		"one end":                         {restriction.List{clause(0, now+10)}, 0, now, now + 10},
		"the largest end":                 {restriction.List{clause(0, now+10), clause(0, now+20), clause(0, now+15)}, 0, now, now + 20},
		"a clause without end":            {restriction.List{clause(0, now+10), clause(0, 0)}, 0, now, 0},
		"the smallest beginning":          {restriction.List{clause(now+5, 0), clause(now+3, 0)}, 0, now + 3, 0},
		"a clause without beginning":      {restriction.List{clause(now+5, 0), clause(0, 0)}, 0, now, 0},
		"a beginning in the past":         {restriction.List{clause(now-5, 0), clause(now+5, 0)}, 0, now, 0},
		"lifetime, unrestricted":          {nil, 60, now, now + 60},
		"lifetime ends first":             {restriction.List{clause(0, now+100)}, 60, now, now + 60},
		"restrictions end first":          {restriction.List{clause(0, now+10)}, 60, now, now + 10},
		"lifetime and a clause for ever":  {restriction.List{clause(0, now+10), clause(0, 0)}, 60, now, now + 60},
		"lifetime before the first begin": {restriction.List{clause(now+100, now+200)}, 60, now + 100, now + 60},
	} {
		t.Run(name, func(t *testing.T) {
			c := exampleClaims()
			c.Restrictions, c.Rotation = tt.list, &Rotation{Lifetime: tt.lifetime}
			c.SetTimes(time.Unix(now, 5e8))
			require.EqualValues(t, now, c.IssuedAt)
			require.Equal(t, tt.nbf, c.NotBefore)
			require.Equal(t, tt.exp, c.ExpiresAt)
		})
	}
}

// The next generation has the claims of the one before, and does not outlive the
// restrictions (D41).
func TestSuccessor(t *testing.T) {
	c := exampleClaims()
	c.Rotation = &Rotation{OnAT: true, Lifetime: 600}
	c.SetTimes(issueTime())
	require.EqualValues(t, issuedAt+600, c.ExpiresAt, "the first generation has a lifetime too")
	first := &Token{claims: c.payload()}
	second := first.Claims().Next(issueTime().Add(300 * time.Second))
	require.EqualValues(t, 2, second.Seq)
	require.Equal(t, c.JTI, second.JTI)
	require.Equal(t, c.AuthTime, second.AuthTime)
	require.EqualValues(t, issuedAt+300, second.IssuedAt)
	require.EqualValues(t, issuedAt+300, second.NotBefore)
	require.EqualValues(t, issuedAt+900, second.ExpiresAt)
	third := second.Next(issueTime().Add(800 * time.Second))
	require.EqualValues(t, issuedAt+1000, third.ExpiresAt, "the restrictions end first")
	require.EqualValues(t, 1, first.claims.Seq, "Next leaves the token alone")
}

// The error for a token that is not valid yet says from when it is, by the later of nbf
// and iat. The leeway admits the token a little earlier.
func TestNotYetValid(t *testing.T) {
	const leeway = 30 * time.Second
	for name, c := range map[string]Claims{
		"nbf": {NotBefore: 1000, IssuedAt: 900}, "iat": {NotBefore: 900, IssuedAt: 1000},
	} {
		err := c.checkTimes(time.Unix(969, 0), leeway)
		require.ErrorIs(t, err, ErrTokenNotYetValid, name)
		early := err.(*NotYetValidError)
		require.Equal(t, time.Unix(1000, 0).UTC(), early.From.UTC(), name)
		require.Equal(t, "mytoken: token is not valid yet: not before 1970-01-01T00:16:40Z", err.Error(), name)
		require.NotErrorIs(t, err, ErrTokenExpired)
		require.NoError(t, c.checkTimes(time.Unix(970, 0), leeway), name)
	}
}
