package memstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/storetest"
)

// The stores of this file are this package's, each with one bug of those that
// a store on a database is likely to have: between a statement and the next
// one others get their turn.

// betweenStatements lets others in.
func (s *Store) betweenStatements() {
	s.mu.Unlock()
	for range 10 {
		runtime.Gosched()
	}
	s.mu.Lock()
}

// breakStore returns the store with the bug.
func breakStore(s *Store, bug storetest.Bug) store.Store {
	switch bug {
	case storetest.BugCheckThenIncrement:
		return checkThenIncrement{s}
	case storetest.BugReadModifyWrite:
		return readModifyWrite{s}
	case storetest.BugSerializableWithoutRetry:
		return withoutRetry{s, make(map[store.TokenID]int)}
	case storetest.BugRevokeByFlagging:
		return revokeByFlagging{s}
	case storetest.BugRotateWithoutCAS:
		return rotateWithoutCAS{s}
	case storetest.BugRefundTwice:
		return refundTwice{s}
	case storetest.BugNoLease:
		return noLease{s}
	case storetest.BugLastWriteWins:
		return lastWriteWins{s}
	case storetest.BugSpendTwice:
		return spendTwice{s}
	}
	panic("no store with bug " + bug)
}

// firstHalf finds out what a use would charge. The answer says
// Repeated if there is one already.
func (s *Store) firstHalf(p store.Presented, u *store.Use) (t *token, gen *generation, clause int, charges chain, answer store.Spent, err error) {
	t, gen, err = s.present(p, u.Now)
	if err != nil {
		return
	}
	if done := s.uses[u.ID]; done != nil {
		answer, err = s.repeat(t, gen, done)
		return
	}
	if err = u.Check(len(t.clauses)); err != nil {
		return
	}
	clause, charges, err = t.choose(u)
	return
}

type checkThenIncrement struct{ *Store }

func (s checkThenIncrement) Spend(_ context.Context, p store.Presented, u store.Use) (store.Spent, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, gen, clause, charges, answer, err := s.firstHalf(p, &u)
	if err != nil || answer.Repeated {
		return answer, err
	}
	s.betweenStatements()
	if done := s.uses[u.ID]; done != nil {
		return s.repeat(t, gen, done)
	}
	return s.settle(t, gen, &u, clause, charges)
}

type readModifyWrite struct{ *Store }

func (s readModifyWrite) Spend(_ context.Context, p store.Presented, u store.Use) (store.Spent, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, gen, clause, charges, answer, err := s.firstHalf(p, &u)
	if err != nil || answer.Repeated {
		return answer, err
	}
	var read []int64
	for _, c := range charges {
		read = append(read, c.used)
	}
	s.betweenStatements()
	if done := s.uses[u.ID]; done != nil {
		return s.repeat(t, gen, done)
	}
	spent, err := s.settle(t, gen, &u, clause, charges)
	if err == nil {
		for i, c := range charges {
			c.used = read[i] + 1
		}
	}
	return spent, err
}

// withoutRetry counts the versions of each token.
type withoutRetry struct {
	*Store
	versions map[store.TokenID]int
}

func (s withoutRetry) Spend(ctx context.Context, p store.Presented, u store.Use) (store.Spent, error) {
	s.mu.Lock()
	read := s.versions[p.ID]
	s.betweenStatements()
	conflict := s.versions[p.ID] != read
	s.versions[p.ID]++
	s.mu.Unlock()
	if conflict {
		return store.Spent{}, errors.New("could not serialize access due to concurrent update")
	}
	return s.Store.Spend(ctx, p, u)
}

type revokeByFlagging struct{ *Store }

func (s revokeByFlagging) Revoke(ctx context.Context, r store.Revocation) (store.Revoked, error) {
	recursive := r.Recursive
	r.Recursive = false
	out, err := s.Store.Revoke(ctx, r)
	if err != nil || !recursive {
		return out, err
	}
	s.mu.Lock()
	seen := slices.Clone(s.byGrant[out.Grant])
	s.betweenStatements()
	for _, t := range seen {
		if slices.Contains(t.ancestors, r.Token) {
			t.grave.revoked = r.Now
		}
	}
	s.mu.Unlock()
	return s.Store.Revoke(ctx, r)
}

type rotateWithoutCAS struct{ *Store }

func (s rotateWithoutCAS) Rotate(ctx context.Context, r store.Rotation) (store.Rotated, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := r.Check(); err != nil {
		return store.Rotated{}, err
	}
	t := s.tokens[r.From.ID]
	if t != nil && t.live() && r.From.Seq < t.seq {
		return t.rotatedBefore(&r)
	}
	t, _, err := s.present(r.From, r.Now)
	if err != nil {
		return store.Rotated{}, err
	}
	s.betweenStatements()
	return s.succeed(t, &r)
}

type refundTwice struct{ *Store }

func (s refundTwice) Refund(ctx context.Context, id store.UseID, now store.Micros) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.uses[id]
	if u == nil || u.refunded {
		s.mu.Unlock()
		defer s.mu.Lock()
		return s.Store.Refund(ctx, id, now)
	}
	s.betweenStatements()
	s.giveBack(u)
	return nil
}

type noLease struct{ *Store }

func (s noLease) BeginRefresh(ctx context.Context, id store.GrantID, l store.LeaseID, now store.Micros, ttl time.Duration) (store.Refresh, error) {
	s.mu.Lock()
	if g := s.grants[id]; g != nil && (g.lease.id.IsZero() || now > g.lease.until) {
		before := g.lease
		s.betweenStatements()
		g.lease = before
	}
	s.mu.Unlock()
	return s.Store.BeginRefresh(ctx, id, l, now, ttl)
}

type lastWriteWins struct{ *Store }

func (s lastWriteWins) CommitRefresh(ctx context.Context, c store.Commit) error {
	s.mu.Lock()
	if g := s.grants[c.Grant]; g != nil && c.Generation+1 == g.generation {
		g.generation--
	}
	s.mu.Unlock()
	return s.Store.CommitRefresh(ctx, c)
}

type spendTwice struct{ *Store }

func (s spendTwice) Spend(_ context.Context, p store.Presented, u store.Use) (store.Spent, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, gen, _, _, answer, err := s.firstHalf(p, &u)
	if err != nil || answer.Repeated {
		return answer, err
	}
	s.betweenStatements()
	return s.charge(t, gen, &u)
}

func brokenHarness(bug storetest.Bug) storetest.Harness {
	return storetest.Harness{
		Open: func(_ testing.TB, nodes int) storetest.Backend {
			s := New()
			return storetest.Backend{Nodes: slices.Repeat([]store.Store{breakStore(s, bug)}, nodes), Dump: s.Dump}
		},
		Rounds: 20,
	}
}

// The suite finds each bug.
func TestBugsAreCaught(t *testing.T) {
	for _, bug := range storetest.Bugs() {
		t.Run(string(bug), func(t *testing.T) { storetest.MustCatch(t, bug, brokenHarness(bug)) })
	}
}

// bugVariable names the bug that TestBrokenStore is run with.
const bugVariable = "MEMSTORE_TEST_BUG"

// TestBrokenStore is run by TestRunFailsOnBugs, in a process of its own.
func TestBrokenStore(t *testing.T) {
	bug := storetest.Bug(os.Getenv(bugVariable))
	if bug == "" {
		return
	}
	storetest.Run(t, brokenHarness(bug))
}

// The suite as a whole fails on each bug, and names a case that is about it.
func TestRunFailsOnBugs(t *testing.T) {
	if os.Getenv(bugVariable) != "" {
		return
	}
	for _, bug := range storetest.Bugs() {
		t.Run(string(bug), func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBrokenStore$", "-test.count=1")
			cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s", bugVariable, bug))
			out, err := cmd.CombinedOutput()
			if _, failed := errors.AsType[*exec.ExitError](err); !failed {
				t.Fatalf("the suite passed: %v\n%s", err, out)
			}
			named := slices.ContainsFunc(bug.Cases(), func(name string) bool {
				return strings.Contains(string(out), "--- FAIL: TestBrokenStore/"+strings.ReplaceAll(name, " ", "_")+" ")
			})
			if !named {
				t.Errorf("none of %q failed:\n%s", bug.Cases(), out)
			}
		})
	}
}
