package store_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
)

// check checks a good value, and one spoiled in each way.
func check[T any](t *testing.T, good func() T, check func(*T) error, spoil map[string]func(*T)) {
	t.Helper()
	v := good()
	require.NoError(t, check(&v), "a good value")
	for name, f := range spoil {
		v := good()
		f(&v)
		var refused *store.ArgumentError
		assert.ErrorAs(t, check(&v), &refused, name)
	}
}

func TestTokenCheck(t *testing.T) {
	const parentClauses = 2
	good := func() store.Token {
		return store.Token{
			ID: store.TokenID{1}, Grant: store.GrantID{1}, Owner: store.OwnerID{1}, Sum: store.Sum{1}, Key: store.Sealed("k"),
			Clauses: []store.Clause{{AT: store.Unlimited, Other: math.MaxInt64, Draws: store.NoClause}, {Draws: parentClauses - 1}},
		}
	}
	check(t, good, func(k *store.Token) error { return k.Check(parentClauses) }, map[string]func(*store.Token){
		"no id":               func(k *store.Token) { k.ID = store.TokenID{} },
		"no grant":            func(k *store.Token) { k.Grant = store.GrantID{} },
		"no owner":            func(k *store.Token) { k.Owner = store.OwnerID{} },
		"no sum":              func(k *store.Token) { k.Sum = store.Sum{} },
		"no key":              func(k *store.Token) { k.Key = nil },
		"negative AT limit":   func(k *store.Token) { k.Clauses[0].AT = -2 },
		"negative limit":      func(k *store.Token) { k.Clauses[1].Other = -2 },
		"draws on too much":   func(k *store.Token) { k.Clauses[1].Draws = parentClauses },
		"draws on too little": func(k *store.Token) { k.Clauses[1].Draws = -2 },
	})
	root := good()
	assert.Error(t, root.Check(0), "a root that draws on a clause")
	root.Clauses = nil
	assert.NoError(t, root.Check(0), "a token without clauses")
}

func TestUseCheck(t *testing.T) {
	const clauses = 3
	good := func() store.Use { return store.Use{ID: store.UseID{1}, Kind: store.UseAT, Candidates: []int{0, 2}} }
	check(t, good, func(u *store.Use) error { return u.Check(clauses) }, map[string]func(*store.Use){
		"no id":                 func(u *store.Use) { u.ID = store.UseID{} },
		"no kind":               func(u *store.Use) { u.Kind = 0 },
		"unknown kind":          func(u *store.Use) { u.Kind = store.UseUncounted + 1 },
		"no candidates":         func(u *store.Use) { u.Candidates = nil },
		"descending":            func(u *store.Use) { u.Candidates = []int{2, 0} },
		"twice the same":        func(u *store.Use) { u.Candidates = []int{1, 1} },
		"not there":             func(u *store.Use) { u.Candidates = []int{clauses} },
		"negative":              func(u *store.Use) { u.Candidates = []int{-1} },
		"uncounted, candidates": func(u *store.Use) { u.Kind = store.UseUncounted },
		"bad tickets":           func(u *store.Use) { u.Tickets.Drop = []store.TicketRef{{}} },
	})
	for _, u := range []store.Use{
		{ID: store.UseID{1}, Kind: store.UseUncounted},
		{ID: store.UseID{1}, Kind: store.UseOther, Candidates: []int{0, 1, 2}},
	} {
		assert.NoError(t, u.Check(clauses), "%+v", u)
	}
	bare := store.Use{ID: store.UseID{1}, Kind: store.UseAT}
	assert.NoError(t, bare.Check(0), "a use of a token without clauses")
	bare.Candidates = []int{0}
	assert.Error(t, bare.Check(0), "a candidate of a token without clauses")
}

func TestRotationCheck(t *testing.T) {
	good := func() store.Rotation {
		return store.Rotation{
			From: store.Presented{ID: store.TokenID{1}, Seq: 1, Sum: store.Sum{1}}, To: store.Presented{ID: store.TokenID{1}, Seq: 2, Sum: store.Sum{2}},
			Key: store.Sealed("k"), Successor: store.Sealed("s"), Grace: time.Second,
		}
	}
	check(t, good, (*store.Rotation).Check, map[string]func(*store.Rotation){
		"no token":       func(r *store.Rotation) { r.From.ID, r.To.ID = store.TokenID{}, store.TokenID{} },
		"no generation":  func(r *store.Rotation) { r.From.Seq, r.To.Seq = 0, 1 },
		"no sum":         func(r *store.Rotation) { r.From.Sum = store.Sum{} },
		"another token":  func(r *store.Rotation) { r.To.ID = store.TokenID{2} },
		"backwards":      func(r *store.Rotation) { r.To.Seq = 1 },
		"a leap":         func(r *store.Rotation) { r.To.Seq = 3 },
		"to no sum":      func(r *store.Rotation) { r.To.Sum = store.Sum{} },
		"the same sum":   func(r *store.Rotation) { r.To.Sum = r.From.Sum },
		"no key":         func(r *store.Rotation) { r.Key = nil },
		"no successor":   func(r *store.Rotation) { r.Successor = nil },
		"negative grace": func(r *store.Rotation) { r.Grace = -1 },
		"bad tickets":    func(r *store.Rotation) { r.Tickets.Drop = []store.TicketRef{{}} },
	})
}

func TestRevocationCheck(t *testing.T) {
	good := func() store.Revocation { return store.Revocation{Token: store.TokenID{1}, Now: 1} }
	check(t, good, (*store.Revocation).Check, map[string]func(*store.Revocation){
		"no token":         func(r *store.Revocation) { r.Token = store.TokenID{} },
		"no instant":       func(r *store.Revocation) { r.Now = 0 },
		"negative instant": func(r *store.Revocation) { r.Now = -1 },
	})
}

func TestGrantChecks(t *testing.T) {
	check(t, func() store.Grant {
		return store.Grant{ID: store.GrantID{1}, Owner: store.OwnerID{1}, Refresh: store.Sealed("rt")}
	}, (*store.Grant).Check, map[string]func(*store.Grant){
		"no id":            func(g *store.Grant) { g.ID = store.GrantID{} },
		"no owner":         func(g *store.Grant) { g.Owner = store.OwnerID{} },
		"no refresh token": func(g *store.Grant) { g.Refresh = nil },
	})
	check(t, func() store.Commit {
		return store.Commit{Grant: store.GrantID{1}, Lease: store.LeaseID{1}, Generation: 1, Token: store.Sealed("rt")}
	}, (*store.Commit).Check, map[string]func(*store.Commit){
		"no grant":      func(c *store.Commit) { c.Grant = store.GrantID{} },
		"no lease":      func(c *store.Commit) { c.Lease = store.LeaseID{} },
		"no generation": func(c *store.Commit) { c.Generation = 0 },
		"no token":      func(c *store.Commit) { c.Token = nil },
	})
	check(t, func() store.Replacement {
		return store.Replacement{Grant: store.GrantID{1}, Owner: store.OwnerID{1}, Lease: store.LeaseID{1}, Generation: 1, Token: store.Sealed("rt")}
	}, (*store.Replacement).Check, map[string]func(*store.Replacement){
		"no grant":      func(r *store.Replacement) { r.Grant = store.GrantID{} },
		"no owner":      func(r *store.Replacement) { r.Owner = store.OwnerID{} },
		"no lease":      func(r *store.Replacement) { r.Lease = store.LeaseID{} },
		"no generation": func(r *store.Replacement) { r.Generation = 0 },
		"no token":      func(r *store.Replacement) { r.Token = nil },
		"bad tickets":   func(r *store.Replacement) { r.Tickets.Drop = []store.TicketRef{{}} },
	})
}

func TestLeaseChecks(t *testing.T) {
	check(t, func() store.Begin { return store.Begin{Lease: store.LeaseID{1}, TTL: 1} }, (*store.Begin).Check, map[string]func(*store.Begin){
		"no lease":          func(b *store.Begin) { b.Lease = store.LeaseID{} },
		"no duration":       func(b *store.Begin) { b.TTL = 0 },
		"negative duration": func(b *store.Begin) { b.TTL = -1 },
	})
	spoil := map[string]func(*store.End){
		"no lease":        func(e *store.End) { e.Lease = store.LeaseID{} },
		"no generation":   func(e *store.End) { e.Generation = 0 },
		"no outcome":      func(e *store.End) { e.Outcome = 0 },
		"unknown outcome": func(e *store.End) { e.Outcome = store.RefreshRefused + 1 },
		"negative pause":  func(e *store.End) { e.AskAfter = -1 },
	}
	for outcome := store.RefreshDone; outcome <= store.RefreshRefused; outcome++ {
		good := store.End{Lease: store.LeaseID{1}, Generation: 1, Outcome: outcome}
		delete(spoil, "scopes")
		delete(spoil, "pause")
		if outcome == store.RefreshDone {
			good.Worked = "openid"
		} else {
			spoil["scopes"] = func(e *store.End) { e.Worked = "openid" }
		}
		if outcome == store.RefreshRefused || outcome == store.RefreshUnknown {
			good.AskAfter = 1
		} else {
			spoil["pause"] = func(e *store.End) { e.AskAfter = 1 }
		}
		check(t, func() store.End { return good }, (*store.End).Check, spoil)
	}
}

func TestProcessChecks(t *testing.T) {
	type beat struct {
		store.Process
		until store.Micros
	}
	full := store.Process{ID: store.ProcessID{1}, Node: store.NodeID{1}, Name: strings.Repeat("x", store.MaxProcessName)}
	checkBeat := func(b *beat) error { return store.CheckBeat(&b.Process, b.until) }
	spoil := map[string]func(*beat){
		"no id":            func(b *beat) { b.ID = store.ProcessID{} },
		"long name":        func(b *beat) { b.Name = strings.Repeat("x", store.MaxProcessName+1) },
		"no instant":       func(b *beat) { b.until = 0 },
		"negative instant": func(b *beat) { b.until = -1 },
	}
	check(t, func() beat { return beat{store.Process{ID: store.ProcessID{1}, Volatile: true}, 1} }, checkBeat, spoil)
	spoil["no node"] = func(b *beat) { b.Node = store.NodeID{} }
	check(t, func() beat { return beat{full, 1} }, checkBeat, spoil)

	for name, err := range map[string]error{
		"no instant": store.CheckSettle(nil, 0), "negative instant": store.CheckSettle(nil, -1),
		"no id": store.CheckSettle([]store.ProcessID{{1}, {}}, 1),
	} {
		assert.ErrorAs(t, err, new(*store.ArgumentError), name)
	}
	assert.NoError(t, store.CheckSettle(nil, 1))
	assert.NoError(t, store.CheckSettle([]store.ProcessID{{1}, {2}, {1}}, 1))
}

func TestTicketChangesCheck(t *testing.T) {
	ref := store.TicketRef{Kind: store.TicketState, ID: store.TicketID{1}}
	good := func() store.TicketChanges {
		return store.TicketChanges{
			By: store.UseID{1}, Consume: []store.TicketRef{ref}, Complete: []store.Completion{{TicketRef: ref, Status: store.TicketReady}},
			Drop: []store.TicketRef{ref},
			Put: []store.Ticket{
				{TicketRef: ref, Status: store.TicketPending, Expires: 1},
				{TicketRef: store.TicketRef{Kind: store.TicketShort, ID: store.TicketID{1}}, Status: store.TicketReady, Token: store.TokenID{1}},
				{TicketRef: store.TicketRef{Kind: store.TicketSSHKey, ID: store.TicketID{1}}, Status: store.TicketReady, Token: store.TokenID{1}},
			},
		}
	}
	check(t, good, (*store.TicketChanges).Check, map[string]func(*store.TicketChanges){
		"consumed by nobody":     func(c *store.TicketChanges) { c.By = store.UseID{} },
		"consume without kind":   func(c *store.TicketChanges) { c.Consume[0].Kind = 0 },
		"consume without id":     func(c *store.TicketChanges) { c.Consume[0].ID = store.TicketID{} },
		"complete without kind":  func(c *store.TicketChanges) { c.Complete[0].Kind = store.TicketSSHKey + 1 },
		"complete with nothing":  func(c *store.TicketChanges) { c.Complete[0].Status = 0 },
		"complete as pending":    func(c *store.TicketChanges) { c.Complete[0].Status = store.TicketPending },
		"complete as unknown":    func(c *store.TicketChanges) { c.Complete[0].Status = store.TicketFailed + 1 },
		"drop without id":        func(c *store.TicketChanges) { c.Drop[0].ID = store.TicketID{} },
		"put without kind":       func(c *store.TicketChanges) { c.Put[0].Kind = 0 },
		"put without status":     func(c *store.TicketChanges) { c.Put[0].Status = 0 },
		"put as unknown":         func(c *store.TicketChanges) { c.Put[0].Status = store.TicketFailed + 1 },
		"put without expiry":     func(c *store.TicketChanges) { c.Put[0].Expires = 0 },
		"put with an odd expiry": func(c *store.TicketChanges) { c.Put[1].Expires = -1 },
		"short token of none":    func(c *store.TicketChanges) { c.Put[1].Token = store.TokenID{} },
		"SSH key of none":        func(c *store.TicketChanges) { c.Put[2].Token = store.TokenID{} },
	})
	full := good()
	assert.False(t, full.IsZero())
	none := store.TicketChanges{By: store.UseID{1}}
	assert.True(t, none.IsZero())
	assert.NoError(t, none.Check())
}

func TestPageAndCleaningCheck(t *testing.T) {
	check(t, func() store.Page { return store.Page{Limit: 1} }, func(p *store.Page) error { return p.Check() }, map[string]func(*store.Page){
		"no limit":       func(p *store.Page) { p.Limit = 0 },
		"negative limit": func(p *store.Page) { p.Limit = -1 },
	})
	check(t, func() store.Cleaning { return store.Cleaning{Now: 1, Limit: 1} }, (*store.Cleaning).Check, map[string]func(*store.Cleaning){
		"no limit":           func(c *store.Cleaning) { c.Limit = 0 },
		"no instant":         func(c *store.Cleaning) { c.Now = 0 },
		"negative retention": func(c *store.Cleaning) { c.Retention = -1 },
	})
}
