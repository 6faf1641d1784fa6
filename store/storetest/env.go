package storetest

import (
	"context"
	"crypto/sha512"
	"errors"
	"fmt"
	"reflect"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	"github.com/mytoken-go/sdk/store"
)

// t0 is when the cases begin. The suite has no clock.
const t0 store.Micros = 1_900_000_000_000_000

const (
	second = store.Micros(time.Second / time.Microsecond)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
)

// patience bounds one case, so that a store that hangs fails instead.
const patience = 2 * time.Minute

// env is what a case works with.
type env struct {
	testing.TB
	// ctx is the context of all calls.
	ctx context.Context
	// s spreads consecutive calls over all nodes, so that every case also
	// checks that a step is visible everywhere once it has returned.
	s     store.Store
	nodes []store.Store
	dump  func(context.Context) ([]byte, error)

	rounds   int
	maxDepth int
	drawn    uint64 // ids
}

func newEnv(t testing.TB, h Harness, b Backend) *env {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	e := &env{TB: t, ctx: ctx, s: &roundRobin{nodes: b.Nodes}, nodes: b.Nodes, dump: b.Dump, rounds: h.Rounds, maxDepth: h.MaxDepth}
	if e.rounds == 0 {
		e.rounds = 10
	}
	if e.maxDepth == 0 {
		e.maxDepth = store.MaxDepth
	}
	return e
}

// bytes draws deterministic bytes that no other draw of any case returns.
func (e *env) bytes() [64]byte {
	e.drawn++
	return sha512.Sum512(fmt.Appendf(nil, "%s %d", e.Name(), e.drawn))
}

func (e *env) tokenID() store.TokenID { return e.bytes() }

func (e *env) grantID() store.GrantID { b := e.bytes(); return store.GrantID(b[:]) }

func (e *env) ownerID() store.OwnerID { b := e.bytes(); return store.OwnerID(b[:]) }

func (e *env) useID() store.UseID { b := e.bytes(); return store.UseID(b[:]) }

func (e *env) leaseID() store.LeaseID { b := e.bytes(); return store.LeaseID(b[:]) }

func (e *env) sum() store.Sum { b := e.bytes(); return store.Sum(b[:]) }

func (e *env) ticketID() store.TicketID { b := e.bytes(); return store.TicketID(b[:]) }

func (e *env) sealed() store.Sealed { b := e.bytes(); return b[:40] }

// tok is a token together with how its holder presents it.
type tok struct {
	store.Token
	store.Presented
}

func (k *tok) id() store.TokenID { return k.Token.ID }

func present(t store.Token) store.Presented {
	return store.Presented{ID: t.ID, Seq: 1, Sum: t.Sum}
}

// What the grants of the suite were granted and asked for.
const (
	grantScope    = "openid offline_access"
	grantAudience = "https://a.example urn:example:b"
)

// newGrant returns a grant that is not stored.
func (e *env) newGrant(owner store.OwnerID) store.Grant {
	return store.Grant{ID: e.grantID(), Owner: owner, Refresh: e.sealed(), Scope: grantScope, Audience: grantAudience, Created: t0}
}

// newToken returns a token that is not stored.
func (e *env) newToken(g store.GrantID, o store.OwnerID, clauses ...store.Clause) store.Token {
	return store.Token{
		ID: e.tokenID(), Grant: g, Owner: o, Sum: e.sum(), Key: e.sealed(), About: e.sealed(),
		Created: t0, Expires: t0 + 365*day, Clauses: clauses,
	}
}

// root stores a grant and its first token.
func (e *env) root(clauses ...store.Clause) *tok {
	e.Helper()
	return e.rootOf(e.ownerID(), clauses...)
}

func (e *env) rootOf(owner store.OwnerID, clauses ...store.Clause) *tok {
	e.Helper()
	g := e.newGrant(owner)
	t := e.newToken(g.ID, g.Owner, clauses...)
	e.ok(e.s.CreateRoot(e.ctx, g, t, store.TicketChanges{}), "CreateRoot")
	return &tok{t, present(t)}
}

// newChild returns a child that is not stored.
func (e *env) newChild(parent *tok, clauses ...store.Clause) store.Token {
	return e.newToken(parent.Grant, parent.Owner, clauses...)
}

// child stores a child with a use that is not counted.
func (e *env) child(parent *tok, clauses ...store.Clause) *tok {
	e.Helper()
	t := e.newChild(parent, clauses...)
	_, err := e.s.CreateChild(e.ctx, parent.Presented, e.uncounted(), t)
	e.ok(err, "CreateChild")
	return &tok{t, present(t)}
}

// use returns a use with a new id.
func (e *env) use(k store.Kind, candidates ...int) store.Use {
	return store.Use{ID: e.useID(), Kind: k, Candidates: candidates, Now: t0 + second}
}

func (e *env) uncounted() store.Use { return e.use(store.UseUncounted) }

// spend makes one use for an access token.
func (e *env) spend(k *tok, candidates ...int) store.Spent {
	e.Helper()
	spent, err := e.s.Spend(e.ctx, k.Presented, e.use(store.UseAT, candidates...))
	e.ok(err, "Spend")
	return spent
}

// info reads a token.
func (e *env) info(id store.TokenID) store.TokenInfo {
	e.Helper()
	i, err := e.s.Token(e.ctx, id)
	e.ok(err, "Token")
	return i
}

// used returns how often each clause's AT counter was spent.
func (e *env) used(k *tok) []int64 {
	e.Helper()
	var all []int64
	for _, c := range e.info(k.id()).Counters {
		all = append(all, c.ATUsed)
	}
	return all
}

// history returns the names of the token's events, newest first.
func (e *env) history(ids ...store.TokenID) []string {
	e.Helper()
	records, next, err := e.s.Events(e.ctx, ids, store.Page{Limit: 1000})
	e.ok(err, "Events")
	e.equal(next, "", "cursor after all events")
	var names []string
	for _, r := range records {
		names = append(names, r.Name)
	}
	return names
}

func event(name string, at store.Micros) store.Event {
	return store.Event{Name: name, Comment: "comment", Address: "192.0.2.1", UserAgent: "agent/1.0", Time: at}
}

// ok ends the case unless the step succeeded.
func (e *env) ok(err error, what string, args ...any) {
	e.Helper()
	if err != nil {
		e.Fatalf("%s: %v", fmt.Sprintf(what, args...), err)
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

// stale checks that a step failed with a StaleError.
func (e *env) stale(err error, want store.StaleError, what string, args ...any) {
	e.Helper()
	got, ok := errors.AsType[*store.StaleError](err)
	if !ok || *got != want {
		e.Errorf("%s: got %v, want %+v", fmt.Sprintf(what, args...), describe(err), want)
	}
}

// busy checks that a step failed with a BusyError.
func (e *env) busy(err error, until store.Micros, what string, args ...any) {
	e.Helper()
	got, ok := errors.AsType[*store.BusyError](err)
	if !ok || got.Until != until {
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

func isExhausted(err error) bool {
	_, ok := errors.AsType[*store.ExhaustedError](err)
	return ok
}

func describe(err error) string {
	if err == nil {
		return "success"
	}
	return fmt.Sprintf("%T %+v", err, err)
}

// oneWinner checks that one of several calls succeeded, and how the others
// failed.
func (e *env) oneWinner(errs []error, loser error, what string) {
	e.Helper()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else if !errors.Is(err, loser) {
			e.Errorf("%s: got error %v, want %v", what, err, loser)
		}
	}
	e.equal(won, 1, "%s: winners", what)
}

// equal compares deeply. A nil and an empty slice of the same type are equal.
func (e *env) equal(got, want any, what string, args ...any) {
	e.Helper()
	if same(reflect.ValueOf(got), reflect.ValueOf(want)) {
		return
	}
	e.Errorf("%s:\n got %+v\nwant %+v", fmt.Sprintf(what, args...), got, want)
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

// parallel runs f n times at once, each on one node, and waits. What f draws
// or checks it does before or after: f itself only calls the store.
func (e *env) parallel(n int, f func(i int, s store.Store)) {
	e.Helper()
	var (
		wg     sync.WaitGroup
		start  = make(chan struct{})
		panics = make(chan string, n)
	)
	for i := range n {
		wg.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					panics <- fmt.Sprintf("%v\n%s", p, debug.Stack())
				}
			}()
			<-start
			f(i, e.nodes[i%len(e.nodes)])
		})
	}
	close(start)
	wg.Wait()
	close(panics)
	for p := range panics {
		e.Fatalf("a concurrent call panicked: %s", p)
	}
}
