package waiting_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/mytoken-go/sdk/mytoken/issuer/internal/waiting"
	"github.com/mytoken-go/sdk/store"
)

func ref(n byte) store.TicketRef {
	return store.TicketRef{Kind: store.TicketState, ID: store.TicketID{n}}
}

// TestLogins counts logins that expire, move and leave.
func TestLogins(t *testing.T) {
	w, now := waiting.New(2), time.Unix(1000, 0)
	enter := func(n byte, now time.Time) (time.Duration, bool) { return w.Enter(ref(n), now.Add(time.Minute), now) }

	for n := range byte(2) {
		_, ok := enter(n, now.Add(time.Duration(n)*time.Second))
		assert.True(t, ok)
	}
	wait, ok := enter(2, now.Add(10*time.Second))
	assert.False(t, ok, "the limit holds")
	assert.Equal(t, 50*time.Second, wait, "until the first one expires")

	w.Move(ref(0), ref(7))
	w.Leave(ref(0)) // it is elsewhere
	_, ok = enter(2, now.Add(10*time.Second))
	assert.False(t, ok)
	w.Leave(ref(7))
	_, ok = enter(2, now.Add(10*time.Second))
	assert.True(t, ok, "a place is free")

	_, ok = enter(3, now.Add(61*time.Second))
	assert.False(t, ok, "the last instant of the second login")
	_, ok = enter(3, now.Add(61*time.Second+1))
	assert.True(t, ok, "it has expired")
	w.Leave(ref(9)) // unknown
}
