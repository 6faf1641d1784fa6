package nodetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
)

// tap keeps the refresh tokens that the provider gives to the service, oldest first.
type tap struct {
	mu    sync.Mutex
	given []string
}

func (tp *tap) refreshTokens() []string {
	tp.mu.Lock()
	defer tp.mu.Unlock()
	return append([]string(nil), tp.given...)
}

// last returns the refresh token that is valid now.
func (tp *tap) last() string {
	all := tp.refreshTokens()
	return all[len(all)-1]
}

// forget is for a login that has ended.
func (tp *tap) forget() {
	tp.mu.Lock()
	defer tp.mu.Unlock()
	tp.given = nil
}

func (tp *tap) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := oneShot.RoundTrip(r)
	if err != nil || r.Method != http.MethodPost {
		return resp, err
	}
	text, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(text))
	var answer struct {
		RefreshToken string `json:"refresh_token"`
	}
	if json.Unmarshal(text, &answer) == nil && answer.RefreshToken != "" {
		tp.mu.Lock()
		tp.given = append(tp.given, answer.RefreshToken)
		tp.mu.Unlock()
	}
	return resp, nil
}
