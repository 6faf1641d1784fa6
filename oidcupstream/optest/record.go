package optest

import (
	"slices"
	"time"
)

// Kind is the kind of an [Event].
type Kind string

// The kinds of events.
const (
	Authorized Kind = "authorized" // an authorization request got a code
	Denied     Kind = "denied"     // an authorization request got an error
	Exchanged  Kind = "exchanged"  // a code was exchanged for tokens
	Refreshed  Kind = "refreshed"  // a refresh token was used for an access token
	Refused    Kind = "refused"    // a token request was refused; see Event.Error
	Revoked    Kind = "revoked"    // a client revoked a token
	Ended      Kind = "ended"      // a grant ended through reuse or EndGrants
	Told       Kind = "told"       // the userinfo endpoint returned claims
)

// Event is something that the server did. It holds no secret.
type Event struct {
	Kind     Kind
	Time     time.Time
	ClientID string
	Subject  string
	// Grant is the number of the login, counted from 1. It is 0 for an unknown token.
	Grant int
	// Generation is that of the presented refresh token, or of the new one if Kind is
	// Exchanged. The first refresh token of a grant has 1. Generation is 0 if there was
	// no refresh token.
	Generation int
	// Next is the generation of the refresh token that works afterwards.
	Next int
	// Scopes and Audiences are those of the access token, or those of the request if the
	// server refused it.
	Scopes    []string
	Audiences []string
	// Reuse says that the presented refresh token or code was used up before.
	Reuse bool
	// Lost says that the server acted, but the answer was lost in a fault.
	Lost bool
	// Error is the OAuth error code of a refused request.
	Error string
}

// Record returns all events so far, in order.
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

// Count returns the number of events of a kind so far.
func (s *Server) Count(kind Kind) int {
	return s.count(func(e Event) bool { return e.Kind == kind })
}

// Reuses returns how often a client presented a used-up refresh token or code.
func (s *Server) Reuses() int { return s.count(func(e Event) bool { return e.Reuse }) }

func (s *Server) count(matches func(Event) bool) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
		if matches(e) {
			n++
		}
	}
	return n
}

// Secrets returns every authorization code, access token, refresh token and ID token that
// the server made, and every code verifier and client assertion that it received. A test
// can search for them in places where they must not be.
func (s *Server) Secrets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.secrets)
}

// record appends an event. The caller holds the lock.
func (s *Server) record(e Event) {
	e.Time = s.opts.Clock()
	s.events = append(s.events, e)
}
