package population_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/terms"
	"github.com/mytoken-go/sdk/mytoken/issuer/internal/population"
)

// A count is believed for a minute, and for a second if the user has too many. Tokens that
// are made meanwhile are added.
func TestPopulation(t *testing.T) {
	var p population.Population
	owner, now, stored, asked := terms.OwnerID{1}, time.Unix(1_900_000_000, 0), 3, 0
	of := func(at time.Duration) int {
		n, err := p.Of(owner, 5, now.Add(at), func() (int, error) { asked++; return stored, nil })
		require.NoError(t, err)
		return n
	}
	p.Grew(owner) // nobody has counted yet
	require.Equal(t, []int{3, 1}, []int{of(0), asked})
	p.Grew(owner)
	stored = 5
	require.Equal(t, []int{4, 1}, []int{of(59 * time.Second), asked}, "it is remembered")
	require.Equal(t, []int{5, 2}, []int{of(time.Minute), asked}, "it is counted anew")
	stored = 2
	require.Equal(t, []int{5, 2}, []int{of(time.Minute + 900*time.Millisecond), asked}, "too many are believed")
	require.Equal(t, []int{2, 3}, []int{of(time.Minute + time.Second), asked}, "but not for long")

	fault := errors.New("fault")
	_, err := p.Of(terms.OwnerID{2}, 5, now, func() (int, error) { return 9, fault })
	require.ErrorIs(t, err, fault)
	n, err := p.Of(terms.OwnerID{2}, 5, now, func() (int, error) { return 1, nil })
	require.NoError(t, err)
	require.Equal(t, 1, n, "an error leaves no count")
}
