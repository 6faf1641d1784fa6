package wire_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/restriction"
)

// TestExplanation: a reader gets what was written. What it must not know is not written.
// proves P9, P10
func TestExplanation(t *testing.T) {
	at := time.Unix(1900000000, 0)
	explanation := &restriction.Explanation{Earliest: restriction.At(at.Add(-time.Nanosecond)), Clauses: []restriction.ClauseExplanation{
		{Clause: 0, Earliest: restriction.Never(), Objections: []restriction.Objection{{Key: "exp", Need: "an earlier time", Earliest: restriction.Never()}}},
		{Clause: 1, Earliest: restriction.At(at), Objections: []restriction.Objection{
			{Key: "hosts", Need: "a place", Err: errors.New("server 10.0.0.53 is down"), Earliest: restriction.Unknown()},
		}},
		{Clause: 2, Earliest: restriction.At(at)},
	}, Objection: &restriction.Objection{Key: "policy", Need: "one", Earliest: restriction.Never()}}

	text, err := wire.Marshal(wire.Error{Code: "usage_restricted", Explanation: wire.NewExplanation(explanation, true)})
	const want = `{"error":"usage_restricted","mytoken_explanation":{"admitted":false,"earliest":1900000000,"clauses":[` +
		`{"clause":0,"earliest":"never","objections":[{"key":"exp","needed":"an earlier time","earliest":"never"}]},` +
		`{"clause":1,"earliest":1900000000,"objections":[{"key":"hosts","needed":"a place","earliest":"unknown"}]},` +
		`{"clause":2,"earliest":1900000000}],"objection":{"key":"policy","needed":"one","earliest":"never"}}}`
	if err != nil || string(text) != want {
		t.Fatalf("%s, %v", text, err)
	}
	var read wire.Error
	if err := wire.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	explanation.Earliest = restriction.At(at) // rounded up: earlier would be too early
	explanation.Clauses[1].Objections[0].Err = nil
	if got := read.Explanation.Explanation(); !reflect.DeepEqual(got, explanation) {
		t.Errorf("%+v, want %+v", got, explanation)
	}

	text, err = wire.Marshal(wire.NewExplanation(explanation.Untrusted(), false))
	if err != nil || strings.Contains(string(text), "earliest") || strings.Contains(string(text), "needed") {
		t.Errorf("%s, %v", text, err)
	}
}

// TestEarliest: values that a newer server may send are no instants.
func TestEarliest(t *testing.T) {
	for text, want := range map[string]restriction.Earliest{
		`12`: restriction.At(time.Unix(12, 0)), `"never"`: restriction.Never(), `"unknown"`: restriction.Unknown(),
		`"soon"`: restriction.Unknown(), `1.5`: restriction.Unknown(), `{}`: restriction.Unknown(), `null`: restriction.Unknown(),
		`99999999999999999999`: restriction.Unknown(),
	} {
		e := wire.Earliest{Earliest: restriction.Never()}
		if err := e.UnmarshalJSON([]byte(text)); err != nil || e.Earliest != want {
			t.Errorf("%s is %v, %v; want %v", text, e, err, want)
		}
	}
}
