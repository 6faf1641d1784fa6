package storetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

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

func TestCaseNamesAreUnique(t *testing.T) {
	seen := make(map[string]bool)
	for _, c := range cases() {
		if seen[c.name] {
			t.Errorf("two cases are called %q", c.name)
		}
		seen[c.name] = true
	}
	for _, bug := range Bugs() {
		if len(bug.Cases()) == 0 {
			t.Errorf("no case finds %q", bug)
		}
		for _, name := range bug.Cases() {
			if !seen[name] {
				t.Errorf("the bug %q is found by %q, which does not exist", bug, name)
			}
		}
	}
	if !seen[sound] {
		t.Errorf("there is no case %q", sound)
	}
	if len(Bugs()) != 9 {
		t.Errorf("%d bugs, want 9", len(Bugs()))
	}
}

// A sound store has no bug to be caught: MustCatch says so.
func TestMustCatchFailsOnASoundStore(t *testing.T) {
	for _, bug := range Bugs() {
		failures, failed := record(t, "MustCatch", func(t testing.TB) { MustCatch(t, bug, soundHarness(2)) })
		if !failed || len(failures) != 1 || !strings.Contains(failures[0], "was not found") {
			t.Errorf("%q: %v, %q", bug, failed, failures)
		}
	}
}

// dead is a store that fails whatever it is asked.
func dead() Harness {
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

// A store that fails altogether proves nothing about a bug.
func TestMustCatchFailsOnADeadStore(t *testing.T) {
	for _, bug := range append(Bugs(), "unknown") {
		failures, failed := record(t, "MustCatch", func(t testing.TB) { MustCatch(t, bug, dead()) })
		if !failed || len(failures) != 1 || strings.Contains(failures[0], "was not found") {
			t.Errorf("%q: %v, %q", bug, failed, failures)
		}
	}
}

// Every case fails on a store that fails: none passes without looking.
func TestEveryCaseCanFail(t *testing.T) {
	h := dead()
	for _, c := range cases() {
		if _, failed := try(t, h, h.open(t), c.name); !failed {
			t.Errorf("%q passes on a store that fails whatever it is asked", c.name)
		}
	}
}

func TestHarnessMustBeComplete(t *testing.T) {
	for name, b := range map[string]Backend{
		"no nodes": {Dump: func(context.Context) ([]byte, error) { return nil, nil }},
		"no dump":  {Nodes: slices.Repeat([]store.Store{memstore.New()}, nodes)},
	} {
		h := Harness{Open: func(testing.TB, int) Backend { return b }}
		if _, failed := record(t, "open", func(t testing.TB) { h.open(t) }); !failed {
			t.Errorf("%s: accepted", name)
		}
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
		if failed != x.failed || !strings.Contains(strings.Join(failures, ""), x.text) {
			t.Errorf("%s: %v, %q", name, failed, failures)
		}
	}
	if cleaned != 8 {
		t.Errorf("%d cleanups ran, want 8", cleaned)
	}
	if t.Failed() {
		t.Error("a recorded failure reached the test")
	}
}
