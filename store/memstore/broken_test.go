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

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/internal/broken"
	"github.com/mytoken-go/sdk/store/internal/rules"
	"github.com/mytoken-go/sdk/store/storetest"
)

// Each store in this file is a memstore with one bug that a store on a database is likely
// to have: it lets other callers in between two of its statements.

// betweenStatements lets other callers in.
func (s *Store) betweenStatements() {
	s.mu.Unlock()
	for range 10 {
		runtime.Gosched()
	}
	s.mu.Lock()
}

// breakStore returns a store that has the bug.
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
	case storetest.BugLateEndIgnored:
		return lateEndIgnored{s}
	case storetest.BugProcessForgotten:
		return processForgotten{s}
	}
	if b := broken.Grants(s, bug); b != nil {
		return b
	}
	if b := broken.Leased(s, bug); b != nil {
		return b
	}
	if b := broken.Records(s, bug); b != nil {
		return b
	}
	if b := broken.Items(s, bug); b != nil {
		return b
	}
	if b := brokenLinks(s, bug); b != nil {
		return b
	}
	panic("no store with bug " + bug)
}

// interrupted decides a use and lets others in before it returns. If another call has
// made the use meanwhile, interrupted decides again.
func (s *Store) interrupted(p store.Presented, u *store.Use) (decided, error) {
	d, err := s.decide(p, u, nil)
	if err != nil || d.spent.Repeated {
		return d, err
	}
	s.betweenStatements()
	if s.uses[u.ID] != nil {
		return s.decide(p, u, nil)
	}
	return d, nil
}

type checkThenIncrement struct{ *Store }

func (s checkThenIncrement) Spend(_ context.Context, p store.Presented, u store.Use) (store.Spent, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, err := s.interrupted(p, &u)
	if err != nil {
		return store.Spent{}, err
	}
	return s.settle(d, &u, nil)
}

type readModifyWrite struct{ *Store }

func (s readModifyWrite) Spend(_ context.Context, p store.Presented, u store.Use) (store.Spent, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := make(map[*counter]int64)
	if d, err := s.decide(p, &u, nil); err == nil {
		for _, c := range d.choice.Charged {
			before[c] = c.Used
		}
	}
	d, err := s.interrupted(p, &u)
	if err != nil {
		return store.Spent{}, err
	}
	spent, err := s.settle(d, &u, nil)
	if err == nil {
		for _, c := range d.choice.Charged {
			c.Used = before[c] + 1
		}
	}
	return spent, err
}

// withoutRetry counts the versions of each token and refuses a conflicting use.
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
		if slices.Contains(t.Ancestors, r.Token) {
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
	before, err := rules.Rotate(t.decisive(), &r, t.find)
	if err != nil {
		return store.Rotated{}, err
	}
	if before != nil {
		return *before, nil
	}
	s.betweenStatements()
	return s.replace(t, &r)
}

type refundTwice struct{ *Store }

func (s refundTwice) Refund(ctx context.Context, id store.UseID, now store.Micros) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.uses[id]
	if u == nil || u.Refunded {
		s.mu.Unlock()
		defer s.mu.Lock()
		return s.Store.Refund(ctx, id, now)
	}
	s.betweenStatements()
	s.giveBack(u)
	return nil
}

type noLease struct{ *Store }

func (s noLease) BeginRefresh(ctx context.Context, b store.Begin) (store.Refresh, error) {
	s.mu.Lock()
	if g := s.grants[b.Grant]; g != nil && (g.Lease.ID.IsZero() || b.Now > g.Lease.Until) {
		before := g.Lease
		s.betweenStatements()
		g.Lease = before
	}
	s.mu.Unlock()
	return s.Store.BeginRefresh(ctx, b)
}

type lastWriteWins struct{ *Store }

func (s lastWriteWins) CommitRefresh(ctx context.Context, c store.Commit) error {
	s.mu.Lock()
	if g := s.grants[c.Grant]; g != nil && c.Generation+1 == g.Generation {
		g.Generation--
	}
	s.mu.Unlock()
	return s.Store.CommitRefresh(ctx, c)
}

type spendTwice struct{ *Store }

func (s spendTwice) Spend(_ context.Context, p store.Presented, u store.Use) (store.Spent, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, err := s.decide(p, &u, nil)
	if err != nil {
		return store.Spent{}, err
	}
	if !d.spent.Repeated {
		s.betweenStatements()
		if d.choice, err = d.token.choose(&u); err != nil {
			return store.Spent{}, err
		}
	}
	return s.settle(d, &u, nil)
}

type lateEndIgnored struct{ *Store }

func (s lateEndIgnored) EndRefresh(ctx context.Context, e store.End) error {
	s.mu.Lock()
	g := s.grants[e.Grant]
	followed := g != nil && !g.Lease.ID.IsZero() && g.Lease.ID != e.Lease
	s.mu.Unlock()
	if followed {
		return nil
	}
	return s.Store.EndRefresh(ctx, e)
}

type processForgotten struct{ *Store }

func (s processForgotten) Sweep(ctx context.Context, c store.Cleaning) (store.Cleaned, error) {
	out, err := s.Store.Sweep(ctx, c)
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, p := range s.processes {
		if rules.Ended(p) < c.Now.Add(-rules.ProcessesKept) {
			delete(s.processes, id)
		}
	}
	return out, err
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

// The suite catches each bug.
func TestBugsAreCaught(t *testing.T) {
	for _, bug := range storetest.Bugs() {
		t.Run(string(bug), func(t *testing.T) { storetest.MustCatch(t, bug, brokenHarness(bug)) })
	}
}

// bugVariable names the bug that TestBrokenStore runs with.
const bugVariable = "MEMSTORE_TEST_BUG"

// TestBrokenStore runs in a process of its own, which TestRunFailsOnBugs starts.
func TestBrokenStore(t *testing.T) {
	bug := storetest.Bug(os.Getenv(bugVariable))
	if bug == "" {
		return
	}
	storetest.Run(t, brokenHarness(bug))
}

// The whole suite fails on each bug and names a case that is about it.
func TestRunFailsOnBugs(t *testing.T) {
	if os.Getenv(bugVariable) != "" {
		return
	}
	for _, bug := range storetest.Bugs() {
		t.Run(string(bug), func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBrokenStore$", "-test.count=1")
			cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s", bugVariable, bug))
			out, err := cmd.CombinedOutput()
			_, failed := errors.AsType[*exec.ExitError](err)
			require.True(t, failed, "the suite passed: %v\n%s", err, out)
			named := slices.ContainsFunc(bug.Cases(), func(name string) bool {
				return strings.Contains(string(out), "--- FAIL: TestBrokenStore/"+strings.ReplaceAll(name, " ", "_")+" ")
			})
			assert.True(t, named, "none of %q failed:\n%s", bug.Cases(), out)
		})
	}
}
