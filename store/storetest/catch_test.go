package storetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/memstore"
)

func soundHarness(rounds int) Harness {
	return Harness{
		Open: func(_ testing.TB, nodes int) Backend {
			s := memstore.New()
			return Backend{Nodes: slices.Repeat([]store.Store{s}, nodes), Dump: s.Dump}
		},
		Rounds: rounds,
	}
}

// failingHarness opens stores that fail at every step.
func failingHarness() Harness {
	h := soundHarness(1)
	open := h.Open
	h.Open = func(t testing.TB, nodes int) Backend {
		b := open(t, nodes)
		for i := range b.Nodes {
			b.Nodes[i] = NewFaulty(b.Nodes[i], func(Call) error { return ErrFault })
		}
		return b
	}
	return h
}

func TestCaseNamesAreUnique(t *testing.T) {
	seen := make(map[string]bool)
	for _, c := range suite {
		assert.NotContains(t, seen, c.name)
		seen[c.name] = true
	}
	for _, bug := range Bugs() {
		assert.NotEmpty(t, bug.Cases(), "cases that find %q", bug)
		for _, name := range bug.Cases() {
			assert.Contains(t, seen, name, "case that finds %q", bug)
		}
	}
	assert.Contains(t, seen, sound)
	assert.Len(t, Bugs(), 48)
}

// No name of a test draws a similar id that is zero. A sound store would refuse it.
func TestSimilarIDsAreNotZero(t *testing.T) {
	e := &env{TB: t}
	for range 2000 {
		assert.NotContains(t, e.similarIDs(), [64]byte{})
	}
}

// A sound store has no bug, and MustCatch says so.
func TestMustCatchFailsOnASoundStore(t *testing.T) {
	for _, bug := range Bugs() {
		failures, failed := record(t, "MustCatch", func(t testing.TB) { MustCatch(t, bug, soundHarness(2)) })
		assert.True(t, failed, bug)
		if assert.Len(t, failures, 1, bug) {
			assert.Contains(t, failures[0], "was not found", bug)
		}
	}
}

// A store that always fails proves nothing about a bug.
func TestMustCatchFailsOnAFailingStore(t *testing.T) {
	for _, bug := range append(Bugs(), "unknown") {
		failures, failed := record(t, "MustCatch", func(t testing.TB) { MustCatch(t, bug, failingHarness()) })
		assert.True(t, failed, bug)
		if assert.Len(t, failures, 1, bug) {
			assert.NotContains(t, failures[0], "was not found", bug)
		}
	}
}

// Every case fails on a store that always fails: none passes without looking.
func TestEveryCaseCanFail(t *testing.T) {
	h := failingHarness()
	for _, c := range suite {
		_, failed := try(t, h, h.open(t), c.name)
		assert.True(t, failed, "%q passes on a store that always fails", c.name)
	}
}

func TestHarnessMustBeComplete(t *testing.T) {
	for name, b := range map[string]Backend{
		"no nodes": {Dump: func(context.Context) ([]byte, error) { return nil, nil }},
		"no dump":  {Nodes: slices.Repeat([]store.Store{memstore.New()}, nodes)},
	} {
		h := Harness{Open: func(testing.TB, int) Backend { return b }}
		_, failed := record(t, "open", func(t testing.TB) { h.open(t) })
		assert.True(t, failed, "%s: accepted", name)
	}
}

func TestRecorder(t *testing.T) {
	cleaned := 0
	for name, x := range map[string]struct {
		do     func(testing.TB)
		failed bool
		text   string
	}{
		"nothing": {func(t testing.TB) { t.Helper(); t.Log("log"); t.Logf("%s", "log") }, false, ""},
		"Errorf":  {func(t testing.TB) { t.Errorf("no %d", 1) }, true, "no 1"},
		"Error":   {func(t testing.TB) { t.Error("no", 1) }, true, "no 1"},
		"Fatalf":  {func(t testing.TB) { t.Fatalf("no %d", 1); panic("not reached") }, true, "no 1"},
		"Fatal":   {func(t testing.TB) { t.Fatal("no", 1); panic("not reached") }, true, "no 1"},
		"Fail":    {func(t testing.TB) { t.Fail() }, true, ""},
		"FailNow": {func(t testing.TB) { t.FailNow(); panic("not reached") }, true, ""},
		"panic":   {func(testing.TB) { panic(errors.New("no 1")) }, true, "no 1"},
	} {
		failures, failed := record(t, name, func(t testing.TB) {
			t.Cleanup(func() { cleaned++ })
			if t.Name() != name || t.Failed() {
				panic("wrong name or state")
			}
			x.do(t)
		})
		assert.Equal(t, x.failed, failed, name)
		assert.Contains(t, strings.Join(failures, ""), x.text, name)
	}
	assert.Equal(t, 8, cleaned, "cleanups")
	assert.False(t, t.Failed(), "a recorded failure reached the test")
}
