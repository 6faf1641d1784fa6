package rules

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
)

var (
	processA = store.Process{ID: store.ProcessID{0xa}, Node: store.NodeID{1}, Name: "a"}
	processB = store.Process{ID: store.ProcessID{0xb}, Volatile: true}
)

func TestBeat(t *testing.T) {
	p, err := Beat(store.ProcessInfo{}, processA, 10)
	require.NoError(t, err)
	assert.Equal(t, store.ProcessInfo{Process: processA, Until: 10}, p)
	for _, until := range []store.Micros{5, 20, 15} {
		p, err = Beat(p, processA, until)
		require.NoError(t, err)
		assert.Equal(t, max(10, until, p.Until), p.Until, "a promise is never taken back")
	}
	twin := processA
	twin.Name = "b"
	_, err = Beat(p, twin, 30)
	assert.Equal(t, store.ErrExists, err)

	p = Settle(p, processA.ID, 40)
	_, err = Beat(p, processA, 50)
	assert.Equal(t, store.ErrConflict, err)
	_, err = Beat(p, twin, 50)
	assert.Equal(t, store.ErrConflict, err)
}

func TestSettle(t *testing.T) {
	p := Settle(store.ProcessInfo{Process: processA, Until: 10}, processA.ID, 40)
	assert.Equal(t, store.ProcessInfo{Process: processA, Until: 10, Settled: 40}, p)
	assert.Equal(t, p, Settle(p, processA.ID, 50), "again")
	assert.Equal(t, store.Micros(40), Ended(p))
	unknown := Settle(store.ProcessInfo{}, processB.ID, 40)
	assert.Equal(t, store.ProcessInfo{Process: store.Process{ID: processB.ID}, Settled: 40}, unknown)
	_, err := Beat(unknown, processB, 50)
	assert.Equal(t, store.ErrConflict, err)
	assert.Equal(t, store.Micros(10), Ended(store.ProcessInfo{Process: processA, Until: 10}))
}

// For each kind of process and each moment: who waits for its lease, and what its doubt
// says.
func TestTakeOver(t *testing.T) {
	const lives = now + 300
	known := func(settled store.Micros) Processes {
		return Processes{
			processA.ID: {Process: processA, Until: lives, Settled: settled},
			processB.ID: {Process: processB, Until: lives, Settled: settled},
		}
	}
	end := now + 1000 // of the lease
	for name, c := range map[string]struct {
		process store.ProcessID
		settled store.Micros
		at      store.Micros
		busy    bool
		doubt   store.Doubt
	}{
		"lives":                 {process: processA.ID, at: lives, busy: true},
		"volatile, lives":       {process: processB.ID, at: lives, busy: true},
		"silent":                {process: processA.ID, at: lives + 1, doubt: store.Doubt{Node: processA.Node, Lapsed: lives + 1}},
		"silent for long":       {process: processA.ID, at: math.MaxInt64 / 2, doubt: store.Doubt{Node: processA.Node, Lapsed: end}},
		"volatile, silent":      {process: processB.ID, at: lives + 1, doubt: store.Doubt{Lapsed: lives + 1, Settled: true}},
		"settled":               {process: processA.ID, settled: 1, at: now, doubt: store.Doubt{Node: processA.Node, Lapsed: now, Settled: true}},
		"volatile, settled":     {process: processB.ID, settled: 1, at: now, doubt: store.Doubt{Lapsed: now, Settled: true}},
		"settled, a slow clock": {process: processA.ID, settled: 1, at: now - 9, doubt: store.Doubt{Node: processA.Node, Lapsed: now - 9, Settled: true}},
		"not known":             {process: store.ProcessID{0xc}, at: end, busy: true},
		"not known, lapsed":     {process: store.ProcessID{0xc}, at: end + 1, doubt: store.Doubt{Lapsed: end}},
		"none":                  {at: end, busy: true},
		"none, lapsed":          {at: end + 1, doubt: store.Doubt{Lapsed: end}},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGrant()
			b := beginning(first, now)
			b.Process = c.process
			_, err := g.Begin(b, known(0))
			require.NoError(t, err)
			out, err := g.Begin(beginning(second, c.at), known(c.settled))
			if c.busy {
				assert.Equal(t, &store.BusyError{Until: end}, err)
				return
			}
			require.NoError(t, err)
			c.doubt.Lease, c.doubt.Process = first, c.process
			assert.Equal(t, []store.Doubt{c.doubt}, out.Doubts)

			// A commit and an end are accepted all the same.
			mustCommit(t, g, commit(first, 1, "late"))
			assert.Empty(t, g.Doubts)
			assert.Equal(t, second, g.Lease.ID)
		})
	}
}

// A settled process gets no lease. It goes on under a new id, with the same lease.
func TestSettledProcessGetsNoLease(t *testing.T) {
	known := Processes{processA.ID: {Process: processA, Until: now + 100, Settled: 1}}
	g := newGrant()
	b := beginning(first, now)
	b.Process = processA.ID
	_, err := g.Begin(b, known)
	assert.Equal(t, store.ErrConflict, err)
	assert.Zero(t, g.Lease)

	_, err = g.Begin(b, nil)
	require.NoError(t, err)
	_, err = g.Begin(b, known)
	assert.Equal(t, store.ErrConflict, err)
	b.Process = processB.ID
	out, err := g.Begin(b, known)
	require.NoError(t, err)
	assert.Empty(t, out.Doubts)
	assert.Equal(t, processB.ID, g.Lease.Process)
	_, err = g.Begin(beginning(second, now), known)
	assert.IsType(t, &store.BusyError{}, err)
}

func TestProcessCursor(t *testing.T) {
	id := store.ProcessID{1, 2, 0xff}
	got, err := ParseProcess(ProcessCursor(id))
	require.NoError(t, err)
	assert.Equal(t, id, got)
	got, err = ParseProcess("")
	require.NoError(t, err)
	assert.Zero(t, got)
	for _, foreign := range []string{"0", "00", "xy", ProcessCursor(id) + "00", " "} {
		_, err := ParseProcess(foreign)
		assert.ErrorAs(t, err, new(*store.ArgumentError), foreign)
	}
}
