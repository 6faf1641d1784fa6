package rest_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store/memstore"
	"github.com/mytoken-go/sdk/store/storetest"
)

// TestPanicsDoNotUseUpGuesses: while the store panics, guesses of codes fail. They must
// not lock their address out for ever, nor everybody.
func TestPanicsDoNotUseUpGuesses(t *testing.T) {
	faulty := storetest.NewFaulty(memstore.New(), nil)
	s := start(t, func(o *setup) { o.Store, o.rest.Guesses.Overall = faulty, 30 })
	faulty.Reset(func(c storetest.Call) error {
		if c.Method == "ResolveTicket" {
			panic("the store is broken")
		}
		return nil
	})
	for n := range 15 {
		code := fmt.Sprintf("abcdefghijklmno%05d", n)
		s.object(s.poll(code), 500)
		s.object(s.post("/api/v0/token/revoke", m{"token": code}), 500)
	}
	require.Contains(t, s.Log.String(), "the store is broken")
	faulty.Reset(nil)
	s.fails(s.poll("abcdefghijklmnopqrstu"), 401, "invalid_token", "Bad polling or transfer code")
}

// TestPanickingValuesRefuse: without the facts about a request, nothing decides about it.
// The client learns nothing, and the log everything.
func TestPanickingValuesRefuse(t *testing.T) {
	s := start(t, func(o *setup) {
		o.rest.Values = func(*http.Request) map[string]any { panic("the facts are broken") }
	})
	require.NotContains(t, s.object(s.startFrom("", nil), 500)["error_description"], "broken")
	require.Contains(t, s.Log.String(), `"panic":"the facts are broken"`)
	require.Contains(t, s.Log.String(), "TestPanickingValuesRefuse", "the stack")
}
