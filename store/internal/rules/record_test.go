package rules

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
)

func TestPositions(t *testing.T) {
	inOrder := []Position{{Time: 9, Serial: 1}, {Time: 5, Serial: 8}, {Time: 5, Serial: 7}, {Time: -1, Serial: 99}}
	start, err := ParsePosition("")
	require.NoError(t, err)
	for i, p := range inOrder {
		assert.Negative(t, start.Compare(p))
		for j, o := range inOrder {
			got := p.Compare(o)
			assert.Equal(t, i < j, got < 0, "%v, %v", p, o)
			assert.Equal(t, i == j, got == 0, "%v, %v", p, o)
		}
		read, err := ParsePosition(p.Cursor())
		require.NoError(t, err)
		assert.Equal(t, p, read)
	}
}

func TestForeignCursors(t *testing.T) {
	for _, cursor := range []string{"x", "-1", "1.2"} {
		_, err := ParseSerial(cursor)
		assert.ErrorAs(t, err, new(*store.ArgumentError), cursor)
		assert.ErrorContains(t, err, cursor)
	}
	for _, cursor := range []string{"x", "1", "1.x"} {
		_, err := ParsePosition(cursor)
		assert.ErrorAs(t, err, new(*store.ArgumentError), cursor)
	}
	n, err := ParseSerial(SerialCursor(7))
	assert.NoError(t, err)
	assert.Equal(t, int64(7), n)
	n, err = ParseSerial("")
	assert.NoError(t, err)
	assert.Zero(t, n)
}
