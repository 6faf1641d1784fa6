package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/mytoken-go/sdk/store"
)

// errOf returns the error of a call and drops its result.
func errOf[T any](_ T, err error) error { return err }

// ok ends the case unless the step has succeeded.
func (e *env) ok(err error, what string, args ...any) {
	e.Helper()
	if err != nil {
		e.Fatalf("%s: %v", fmt.Sprintf(what, args...), err)
	}
}

// allOK ends the case unless all steps succeeded.
func (e *env) allOK(errs []error, what string) {
	e.Helper()
	for i, err := range errs {
		e.ok(err, "%s, call %d", what, i)
	}
}

// fails checks that a step failed with the error.
func (e *env) fails(err, want error, what string, args ...any) {
	e.Helper()
	if !errors.Is(err, want) {
		e.Errorf("%s: got error %v, want %v", fmt.Sprintf(what, args...), err, want)
	}
}

// refused checks that a step failed because of its arguments.
func (e *env) refused(err error, what string, args ...any) {
	e.Helper()
	if _, ok := errors.AsType[*store.ArgumentError](err); !ok {
		e.Errorf("%s: got error %v, want an ArgumentError", fmt.Sprintf(what, args...), err)
	}
}

// stale checks that a step failed with this StaleError.
func (e *env) stale(err error, want store.StaleError, what string, args ...any) {
	e.Helper()
	if got, ok := errors.AsType[*store.StaleError](err); !ok || *got != want {
		e.Errorf("%s: got %v, want %+v", fmt.Sprintf(what, args...), describe(err), want)
	}
}

// reuse is the StaleError of generation 1 after its grace, where 2 is the current one.
var reuse = store.StaleError{Presented: 1, Current: 2, Reuse: true}

// busy checks that a step failed with a BusyError.
func (e *env) busy(err error, until store.Micros, what string, args ...any) {
	e.Helper()
	if got, ok := errors.AsType[*store.BusyError](err); !ok || got.Until != until {
		e.Errorf("%s: got %v, want busy until %d", fmt.Sprintf(what, args...), describe(err), until)
	}
}

// exhausted checks that a step failed with an ExhaustedError, and returns it.
func (e *env) exhausted(err error, what string, args ...any) *store.ExhaustedError {
	e.Helper()
	got, ok := errors.AsType[*store.ExhaustedError](err)
	if !ok {
		e.Fatalf("%s: got %v, want an ExhaustedError", fmt.Sprintf(what, args...), describe(err))
	}
	return got
}

// exhaustedAT checks that Spend refuses one more access token, and which counters it
// names.
func (e *env) exhaustedAT(k *tok, candidates []int, want ...store.Exhausted) {
	e.Helper()
	err := e.spendErr(k.Presented, e.use(store.UseAT, candidates...))
	e.equal(e.exhausted(err, "Spend").Counters, want, "exhausted counters")
}

func describe(err error) string {
	if err == nil {
		return "success"
	}
	return fmt.Sprintf("%T %+v", err, err)
}

// winners returns the indices of the calls that succeeded. lost checks how the others
// failed.
func winners(errs []error, lost func(error)) []int {
	var won []int
	for i, err := range errs {
		if err == nil {
			won = append(won, i)
		} else {
			lost(err)
		}
	}
	return won
}

// oneWinner checks that exactly one of several calls succeeded and that the others failed
// with the error. It returns the index of the winner.
func (e *env) oneWinner(errs []error, loser error, what string) int {
	e.Helper()
	return e.onlyOne(winners(errs, func(err error) { e.fails(err, loser, "%s that lost", what) }), what)
}

// onlyOne ends the case unless there is exactly one winner.
func (e *env) onlyOne(won []int, what string) int {
	e.Helper()
	if len(won) != 1 {
		e.Fatalf("%s: %d winners, want 1", what, len(won))
	}
	return won[0]
}

// delivered returns the indices of the uses that succeeded. It checks that the others
// found no budget left.
func (e *env) delivered(errs []error) []int {
	e.Helper()
	return winners(errs, func(err error) {
		if _, ok := errors.AsType[*store.ExhaustedError](err); !ok {
			e.Errorf("Spend: got %v, want success or an ExhaustedError", describe(err))
		}
	})
}

// chargedOnce checks that all calls of one use succeeded and that exactly one of them
// charged it.
func (e *env) chargedOnce(spent []store.Spent, errs []error) {
	e.Helper()
	e.allOK(errs, "the same use")
	fresh := len(spent)
	for _, s := range spent {
		if s.Repeated {
			fresh--
		}
	}
	e.equal(fresh, 1, "calls that say that they charged")
}

// equal checks that got equals want, deeply. A nil and an empty slice of the same type
// are equal.
func (e *env) equal(got, want any, what string, args ...any) {
	e.Helper()
	if !same(reflect.ValueOf(got), reflect.ValueOf(want)) {
		e.Errorf("%s:\n got %+v\nwant %+v", fmt.Sprintf(what, args...), got, want)
	}
}

func same(a, b reflect.Value) bool {
	if !a.IsValid() || !b.IsValid() || a.Type() != b.Type() {
		return a.IsValid() == b.IsValid() && !a.IsValid()
	}
	switch a.Kind() {
	case reflect.Slice, reflect.Array:
		if a.Len() != b.Len() {
			return false
		}
		for i := range a.Len() {
			if !same(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	case reflect.Struct:
		for i := range a.NumField() {
			if !same(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}

// The checks below read one thing and compare it.

func (e *env) wantUsed(k *tok, want ...int64) {
	e.Helper()
	var got []int64
	for _, c := range e.info(k.id()).Counters {
		got = append(got, c.ATUsed)
	}
	e.equal(got, want, "access tokens charged to each clause")
}

func (e *env) wantOtherUsed(k *tok, want int64, what string, args ...any) {
	e.Helper()
	e.equal(e.info(k.id()).Counters[0].OtherUsed, want, "other uses charged after %s", fmt.Sprintf(what, args...))
}

func (e *env) wantCounter(k *tok, clause int, want store.Counter) {
	e.Helper()
	e.equal(e.info(k.id()).Counters[clause], want, "counter of clause %d", clause)
}

// wantHistory compares the names of the events of the tokens, newest first.
func (e *env) wantHistory(toks []*tok, want ...string) {
	e.Helper()
	records, next, err := e.s.Events(e.ctx, idsOf(toks...), store.Page{Limit: 1000})
	e.ok(err, "Events")
	e.equal(next, "", "cursor after all events")
	var got []string
	for _, r := range records {
		got = append(got, r.Name)
	}
	e.equal(got, want, "names of the events, newest first")
}

func (e *env) wantListed(owner store.OwnerID, want int) {
	e.Helper()
	e.equal(len(e.list(owner)), want, "tokens of the owner")
}

func (e *env) wantGrant(g store.GrantID, want store.RefreshState) {
	e.Helper()
	e.equal(e.grantState(g), want, "Grant")
}

func (e *env) wantDead(k *tok, want bool, what string, args ...any) {
	e.Helper()
	e.equal(e.lookup(k.Presented, t0).Dead, want, "dead after %s", fmt.Sprintf(what, args...))
}

// wantTicket checks that tickets can be read as they are.
func (e *env) wantTicket(tickets ...store.Ticket) {
	e.Helper()
	for _, t := range tickets {
		e.equal(e.resolve(t.TicketRef), t, "ticket of kind %d", t.Kind)
	}
}

// unresolved checks that a ticket cannot be read.
func (e *env) unresolved(ref store.TicketRef, now store.Micros, want error, what string) {
	e.Helper()
	e.fails(e.resolveErr(ref, now), want, "ResolveTicket: %s", what)
}

// notStored checks that there are no such tokens.
func (e *env) notStored(toks ...*tok) {
	e.Helper()
	for _, k := range toks {
		e.fails(errOf(e.s.Token(e.ctx, k.id())), store.ErrNotFound, "Token")
	}
}

// found reports for each value whether the dump shows it.
func (e *env) found(values [][]byte) []bool {
	e.Helper()
	dump, err := e.dump(e.ctx)
	e.ok(err, "Dump")
	found := make([]bool, len(values))
	for _, l := range FindSecrets(dump, values...) {
		found[l.Secret] = true
	}
	return found
}

// shows checks that a dump shows the values. Otherwise a later search that finds nothing
// would prove nothing.
func (e *env) shows(values ...[]byte) {
	e.Helper()
	if i := slices.Index(e.found(values), false); i >= 0 {
		e.Errorf("value %d of %d is not in the dump", i, len(values))
	}
}

// hides checks that a dump shows none of the values.
func (e *env) hides(values ...[]byte) {
	e.Helper()
	if i := slices.Index(e.found(values), true); i >= 0 {
		e.Errorf("value %d of %d is still in the dump", i, len(values))
	}
}

// contents returns what tickets hold.
func contents(tickets ...store.Ticket) [][]byte {
	var all [][]byte
	for _, t := range tickets {
		all = append(all, t.Key, t.Payload)
	}
	return all
}
