package client

import "time"

// KeepConfig says which file a [Keeper] keeps, and for how long.
type KeepConfig struct {
	// Holder has the mytoken. Required.
	Holder *Holder
	// AccessTokenRequest says which access tokens the keeper asks for.
	AccessTokenRequest
	// Path is the path of the file. Empty: the result of [bearer.Path], where programs in
	// this environment look first. The keeper is the only writer: it replaces what others
	// write there. It does not make the directory.
	Path string
	// Early is how long before its expiry the keeper replaces a token. Readers of the
	// file can count on this margin. 0: five minutes. The keeper uses each token for at
	// least half of its lifetime.
	Early time.Duration
	// Until is when the keeper ends; zero: never.
	Until time.Time
	// Process is the id of a process. The keeper ends when that process ends. 0: none.
	// The parent of the process must wait for it: a zombie counts as running. For a child
	// of this process, use [Keeper.RunCommand].
	Process int
	// Revoke makes the keeper revoke the mytoken and its descendants at the end.
	Revoke bool
	// Changed is called with each new state, one call after the other. It must not block.
	// A panic goes to the log alone. nil: nobody is told.
	Changed func(KeepState)
}

const (
	defaultKeepEarly = 5 * time.Minute
	// unknownLife is how long a token stays in the file if the provider states no expiry.
	unknownLife = 5 * time.Minute
	// longestNap bounds waiting, because machines sleep, clocks are set, and others remove
	// files.
	longestNap = 30 * time.Second
	// processNap is how often the keeper looks whether the process has ended.
	processNap = time.Second
	// longestPause bounds the pause after a failed request.
	longestPause = time.Minute
	// longestRetry bounds the pause that the server asks for.
	longestRetry = time.Hour
	// shortestTurn bounds how often the keeper replaces short-lived tokens.
	shortestTurn = time.Second
	// sureAfter and sureAtStart are how long the server has to refuse for good before the
	// keeper believes it. At the start, somebody may wait for the error.
	sureAfter   = 30 * time.Second
	sureAtStart = 2 * time.Second
	// endTimeout bounds the revocation at the end.
	endTimeout = 30 * time.Second
)
