package optest

import (
	"slices"
	"time"
)

// Kind says what an Event is about.
type Kind string

// The kinds of events.
const (
	Authorized Kind = "authorized" // a code was given
	Denied     Kind = "denied"     // an authorization request was answered with an error
	Exchanged  Kind = "exchanged"  // a code became tokens
	Refreshed  Kind = "refreshed"  // a refresh token became an access token
	Refused    Kind = "refused"    // a token request was refused; see Error
	Revoked    Kind = "revoked"    // a token was revoked by its client
	Ended      Kind = "ended"      // a grant was ended, by reuse or by EndGrants
	Told       Kind = "told"       // claims were given at the userinfo endpoint
)

// Event is something that the server did.
type Event struct {
	Kind     Kind
	Time     time.Time
	ClientID string
	Subject  string
	// Grant numbers the logins, from 1; 0 if the token that was presented is unknown.
	Grant int
	// Generation of the refresh token that was presented, or for Exchanged, given: 1 for the first of a grant; 0 if there
	// was none.
	Generation int
	// Next is the generation of the refresh token that works from now on.
	Next      int
	Scopes    []string // of the access token; requested ones if refused
	Audiences []string
	// Reuse: the refresh token or code that was presented had been used up before.
	Reuse bool
	// Lost: the server acted, but a fault kept the answer from arriving.
	Lost bool
	// Error is the OAuth error code if the request was refused.
	Error string
}

// Record returns everything that happened so far, in order.
func (s *Server) Record() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	events := slices.Clone(s.events)
	for i := range events {
		events[i].Scopes = slices.Clone(events[i].Scopes)
		events[i].Audiences = slices.Clone(events[i].Audiences)
	}
	return events
}

// Count returns how many events of one kind happened so far.
func (s *Server) Count(kind Kind) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, e := range s.events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// Reuses returns how many times a used-up refresh token or code was presented.
func (s *Server) Reuses() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, e := range s.events {
		if e.Reuse {
			n++
		}
	}
	return n
}

// Secrets returns every authorization code, access token, refresh token and ID token that was ever made, and every code
// verifier and client assertion that was ever presented, in order. A test looks for them in places where they must
// not be.
func (s *Server) Secrets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.secrets)
}

// record appends an event; the lock is held.
func (s *Server) record(e Event) {
	e.Time = s.opts.Clock()
	s.events = append(s.events, e)
}
