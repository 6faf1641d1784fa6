package rules

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
)

const now = store.Micros(1000)

// third is a live token in its third generation. The second generation is in its grace
// until now, and the first one is forgotten.
func third() *Token {
	return &Token{ID: store.TokenID{1}, Live: true, Clauses: 1, Seq: 3, Sum: store.Sum{3}, Key: store.Sealed("key 3"), Confirmed: 2}
}

func findSecond(seq uint64) (*Generation, error) {
	if seq != 2 {
		return nil, nil
	}
	return &Generation{Sum: store.Sum{2}, Key: store.Sealed("key 2"), Successor: store.Sealed("successor"), Until: now}, nil
}

func show(seq uint64, sum byte) store.Presented {
	return store.Presented{ID: store.TokenID{1}, Seq: seq, Sum: store.Sum{sum}}
}

func TestPresent(t *testing.T) {
	confirmed, dead, erased := third(), third(), third()
	confirmed.Confirmed = 3
	dead.Live = false
	erased.Key = nil
	stale := func(seq uint64, reuse bool) error {
		return &store.StaleError{Presented: seq, Current: 3, Reuse: reuse}
	}
	for name, c := range map[string]struct {
		token *Token
		shown store.Presented
		now   store.Micros
		want  Answer
		err   error
	}{
		"current":                     {third(), show(3, 3), now, Answer{Key: store.Sealed("key 3"), Confirms: true}, nil},
		"current and confirmed":       {confirmed, show(3, 3), now, Answer{Key: store.Sealed("key 3")}, nil},
		"last instant of the grace":   {third(), show(2, 2), now, Answer{Key: store.Sealed("key 2"), Outdated: true}, nil},
		"after the grace":             {third(), show(2, 2), now + 1, Answer{}, stale(2, true)},
		"successor was seen":          {confirmed, show(2, 2), now, Answer{}, stale(2, false)},
		"forgotten":                   {third(), show(1, 1), now, Answer{}, stale(1, true)},
		"current with another sum":    {third(), show(3, 2), now, Answer{}, store.ErrForged},
		"outdated with another sum":   {third(), show(2, 3), now, Answer{}, store.ErrForged},
		"another sum after the grace": {third(), show(2, 3), now + 1, Answer{}, stale(2, true)},
		"no generation":               {third(), show(0, 3), now, Answer{}, store.ErrForged},
		"a generation never issued":   {third(), show(4, 3), now, Answer{}, store.ErrForged},
		"revoked":                     {dead, show(1, 1), now, Answer{}, store.ErrRevoked},
		"erased":                      {erased, show(3, 3), now, Answer{}, store.ErrNotFound},
		"unknown":                     {nil, show(1, 1), now, Answer{}, store.ErrNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Present(c.token, c.shown, c.now, findSecond)
			assert.Equal(t, c.err, err)
			assert.Equal(t, c.want, got)
		})
	}
	broken := errors.New("the store is gone")
	_, err := Present(third(), show(2, 2), now, func(uint64) (*Generation, error) { return nil, broken })
	assert.Equal(t, broken, err)
}

func rotation(from, to store.Presented) *store.Rotation {
	return &store.Rotation{From: from, To: to, Key: store.Sealed("key 4"), Successor: store.Sealed("own"), Now: now, Grace: time.Millisecond}
}

func TestRotate(t *testing.T) {
	late := rotation(show(2, 2), show(3, 3))
	late.Now = now + 1
	lost := rotation(show(2, 2), show(3, 9))
	lost.Now = now + 1
	confirmed, erased := third(), third()
	confirmed.Confirmed, erased.Key = 3, nil
	_, err := Rotate(confirmed, rotation(show(2, 2), show(3, 9)), findSecond)
	assert.Equal(t, &store.StaleError{Presented: 2, Current: 3}, err, "somebody else was first, and the successor was seen")
	_, err = Rotate(erased, rotation(show(2, 2), show(3, 3)), findSecond)
	assert.Equal(t, store.ErrNotFound, err, "erased")
	for name, c := range map[string]struct {
		rotation *store.Rotation
		want     *store.Rotated
		err      error
	}{
		"current":                       {rotation(show(3, 3), show(4, 4)), nil, nil},
		"current, forged":               {rotation(show(3, 2), show(4, 4)), nil, store.ErrForged},
		"own, repeated in the grace":    {rotation(show(2, 2), show(3, 3)), &store.Rotated{Successor: store.Sealed("successor"), Fresh: true}, nil},
		"own, repeated later":           {late, &store.Rotated{Successor: store.Sealed("own"), Fresh: true}, nil},
		"somebody else was first":       {rotation(show(2, 2), show(3, 9)), &store.Rotated{Successor: store.Sealed("successor")}, nil},
		"somebody else was first, late": {lost, nil, &store.StaleError{Presented: 2, Current: 3, Reuse: true}},
		"outdated, forged":              {rotation(show(2, 9), show(3, 3)), nil, store.ErrForged},
		"own, two generations ago":      {rotation(show(1, 1), show(2, 2)), &store.Rotated{Successor: store.Sealed("own"), Fresh: true}, nil},
		"two generations ago":           {rotation(show(1, 1), show(2, 9)), nil, &store.StaleError{Presented: 1, Current: 3, Reuse: true}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Rotate(third(), c.rotation, findSecond)
			assert.Equal(t, c.err, err)
			assert.Equal(t, c.want, got)
		})
	}
}

func TestReplace(t *testing.T) {
	r := rotation(show(3, 3), show(4, 4))
	token := third()
	old := token.Replace(r)
	assert.Equal(t, &Generation{Sum: store.Sum{3}, Key: store.Sealed("key 3"), Successor: store.Sealed("own"), Until: now + 1000}, old)
	assert.Equal(t, uint64(4), token.Seq)
	assert.Equal(t, uint64(3), token.Confirmed)
	r.Key[0], r.Successor[0] = 'x', 'x'
	assert.Equal(t, "key 4", string(token.Key), "the token keeps a slice of its caller")
	assert.Equal(t, "own", string(old.Successor), "the generation keeps a slice of its caller")

	r.Grace = 0
	assert.Nil(t, third().Replace(r))
}

func TestChildren(t *testing.T) {
	parent := third()
	child := store.Token{ID: store.TokenID{2}, Grant: store.GrantID{1}, Owner: store.OwnerID{1}, Sum: store.Sum{1}, Key: store.Sealed("key")}
	parent.Grant, parent.Owner = child.Grant, child.Owner
	require.NoError(t, parent.CheckChild(&child))
	child.Clauses = []store.Clause{{Draws: 1}}
	require.ErrorAs(t, parent.CheckChild(&child), new(*store.ArgumentError))
	child.Clauses = nil
	child.Owner[0]++
	require.ErrorAs(t, parent.CheckChild(&child), new(*store.ArgumentError))
	child.Owner[0]--
	child.Grant[0]++
	require.ErrorAs(t, parent.CheckChild(&child), new(*store.ArgumentError))

	parent.Ancestors = make([]store.TokenID, store.MaxDepth-1)
	require.NoError(t, parent.CheckDepth())
	parent.Ancestors = make([]store.TokenID, store.MaxDepth)
	require.Equal(t, store.ErrDepth, parent.CheckDepth())
}
