package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/mytoken-go/sdk/store"
)

func TestIDsAreZeroUntilSet(t *testing.T) {
	for name, x := range map[string][2]bool{
		"TokenID":  {store.TokenID{}.IsZero(), store.TokenID{63: 1}.IsZero()},
		"GrantID":  {store.GrantID{}.IsZero(), store.GrantID{15: 1}.IsZero()},
		"OwnerID":  {store.OwnerID{}.IsZero(), store.OwnerID{31: 1}.IsZero()},
		"UseID":    {store.UseID{}.IsZero(), store.UseID{15: 1}.IsZero()},
		"LeaseID":  {store.LeaseID{}.IsZero(), store.LeaseID{15: 1}.IsZero()},
		"Sum":      {store.Sum{}.IsZero(), store.Sum{31: 1}.IsZero()},
		"TicketID": {store.TicketID{}.IsZero(), store.TicketID{31: 1}.IsZero()},
	} {
		assert.Equal(t, [2]bool{true, false}, x, "%s: zero, set", name)
	}
}

func TestMicros(t *testing.T) {
	assert.Zero(t, store.At(time.Time{}))
	assert.True(t, store.Micros(0).Time().IsZero())
	instant := time.Date(2031, 2, 3, 4, 5, 6, 789_012_999, time.FixedZone("", 3600))
	m := store.At(instant)
	assert.Equal(t, instant.Truncate(time.Microsecond).UTC(), m.Time())
	assert.Equal(t, store.At(instant.Add(90*time.Second)), m.Add(90*time.Second))
	assert.Equal(t, m-1, m.Add(-time.Microsecond))
}
