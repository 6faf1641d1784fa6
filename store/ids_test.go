package store_test

import (
	"testing"
	"time"

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
		if x != [2]bool{true, false} {
			t.Errorf("%s: zero %t, set %t", name, x[0], x[1])
		}
	}
}

func TestMicros(t *testing.T) {
	if got := store.At(time.Time{}); got != 0 {
		t.Errorf("the zero time is %d", got)
	}
	if got := store.Micros(0).Time(); !got.IsZero() {
		t.Errorf("zero is %v", got)
	}
	zone := time.FixedZone("", 3600)
	instant := time.Date(2031, 2, 3, 4, 5, 6, 789_012_999, zone)
	m := store.At(instant)
	if want := instant.Truncate(time.Microsecond).UTC(); m.Time() != want {
		t.Errorf("got %v, want %v", m.Time(), want)
	}
	if got, want := m.Add(90*time.Second), store.At(instant.Add(90*time.Second)); got != want {
		t.Errorf("90 seconds later is %d, want %d", got, want)
	}
	if got := m.Add(-time.Microsecond); got != m-1 {
		t.Errorf("a microsecond earlier is %d, want %d", got, m-1)
	}
}
