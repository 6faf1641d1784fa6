package client

import "time"

// KeepConfig says which file is kept, and for how long.
type KeepConfig struct {
	// Holder has the mytoken. Required.
	Holder *Holder
	// AccessTokenRequest is what the tokens in the file are good for.
	AccessTokenRequest
	// Path of the file; empty: where programs in this environment look first,
	// by the rules of package bearer.
	Path string
	// Early is how long before its end a token is replaced: the margin that
	// readers of the file can count on. 0: five minutes. It is at most half of
	// the token's life.
	Early time.Duration
	// Until is when the keeper ends; zero: no such instant.
	Until time.Time
	// Process is the id of a process, with whose end the keeper ends; 0: none.
	// Its parent must wait for it. For a child of this process, use
	// [Keeper.RunCommand].
	Process int
	// Revoke says that the mytoken is revoked at the end, with its descendants.
	Revoke bool
	// Changed is told each change of the state, in order. It must not block; nil:
	// nobody is told.
	Changed func(KeepState)
}

// KeepPhase is what readers of the file can expect.
type KeepPhase string

// The phases of a keeper.
const (
	KeepStarting KeepPhase = "starting" // no token yet
	KeepFresh    KeepPhase = "fresh"    // a token whose end is far enough
	KeepAging    KeepPhase = "aging"    // a valid token, which could not be replaced in time
	KeepDown     KeepPhase = "down"     // no file: the last token has ended, or there never was one
	KeepEnded    KeepPhase = "ended"    // no file, and nobody keeps it any more
)

// KeepState is the state of a keeper.
type KeepState struct {
	Phase KeepPhase
	Path  string
	// Expires is the end of the token in the file; zero: there is no file, or
	// the provider did not say.
	Expires time.Time
	// Next is when the next token is asked for.
	Next time.Time
	// Failures counts the requests that failed since the last that did not; Err
	// is the last of them.
	Failures int
	Err      error
}

const (
	defaultKeepEarly = 5 * time.Minute
	// unknownLife is how long a token is kept for which the provider states no
	// end.
	unknownLife = 5 * time.Minute
	// longestNap bounds waiting, because a machine may sleep and clocks may be
	// set.
	longestNap = 30 * time.Second
	// processNap is how often a process is looked at.
	processNap = time.Second
	// longestPause bounds the pause after a failed request.
	longestPause = time.Minute
	// longestRetry bounds what the server says about it.
	longestRetry = time.Hour
	// shortestTurn bounds how often tokens with a short life are replaced.
	shortestTurn = time.Second
	// endTimeout bounds the revocation at the end.
	endTimeout = 30 * time.Second
)
