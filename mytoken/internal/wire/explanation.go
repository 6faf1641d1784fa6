package wire

import (
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mytoken-go/sdk/restriction"
)

// Explanation says, clause by clause, what refuses a use. It is an addition to the
// protocol: a member of errors, which public clients ignore, and the answer to the action
// explain. It leaves out what its reader must not know.
type Explanation struct {
	Admitted bool `json:"admitted"`
	// Earliest is when the same use is admitted. Nil means that the server does not say.
	Earliest *Earliest           `json:"earliest,omitempty"`
	Clauses  []ClauseExplanation `json:"clauses,omitempty"`
	// Objection refuses the use regardless of the clauses. Nil means none.
	Objection *Objection `json:"objection,omitempty"`
}

// ClauseExplanation holds the objections of one clause. A clause without any admits the
// use.
type ClauseExplanation struct {
	Clause     int         `json:"clause"` // index in the token
	Earliest   *Earliest   `json:"earliest,omitempty"`
	Objections []Objection `json:"objections,omitempty"`
}

// Objection says why one key of a clause refuses a use.
type Objection struct {
	Key      string    `json:"key"`
	Needed   string    `json:"needed,omitempty"` // for humans
	Earliest *Earliest `json:"earliest,omitempty"`
}

// NewExplanation returns an explanation for the wire, with instants or without. It leaves
// out the answers of look-ups, which may reveal the network.
func NewExplanation(e *restriction.Explanation, instants bool) *Explanation {
	told := func(at restriction.Earliest) *Earliest {
		if !instants {
			return nil
		}
		return &Earliest{at}
	}
	objections := func(from ...restriction.Objection) (out []Objection) {
		for _, o := range from {
			out = append(out, Objection{Key: o.Key, Needed: o.Need, Earliest: told(o.Earliest)})
		}
		return out
	}
	out := &Explanation{Admitted: e.Admitted, Earliest: told(e.Earliest)}
	for _, c := range e.Clauses {
		out.Clauses = append(out.Clauses, ClauseExplanation{c.Clause, told(c.Earliest), objections(c.Objections...)})
	}
	if e.Objection != nil {
		out.Objection = &objections(*e.Objection)[0]
	}
	return out
}

// Explanation returns what the server told. Instants that it did not tell are unknown.
func (e *Explanation) Explanation() *restriction.Explanation {
	objections := func(from ...Objection) (out []restriction.Objection) {
		for _, o := range from {
			out = append(out, restriction.Objection{Key: o.Key, Need: o.Needed, Earliest: o.Earliest.value()})
		}
		return out
	}
	out := &restriction.Explanation{Admitted: e.Admitted, Earliest: e.Earliest.value()}
	for _, c := range e.Clauses {
		out.Clauses = append(out.Clauses, restriction.ClauseExplanation{
			Clause: c.Clause, Earliest: c.Earliest.value(), Objections: objections(c.Objections...),
		})
	}
	if e.Objection != nil {
		out.Objection = &objections(*e.Objection)[0]
	}
	return out
}

// Earliest is an instant in Unix seconds, "never" or "unknown".
type Earliest struct{ restriction.Earliest }

func (e *Earliest) value() restriction.Earliest {
	if e == nil {
		return restriction.Unknown()
	}
	return e.Earliest
}

// MarshalJSON writes a number of seconds, rounded up, or a word.
func (e Earliest) MarshalJSON() ([]byte, error) {
	if at, ok := e.Time(); ok {
		return json.Marshal(at.Add(time.Second - 1).Unix())
	}
	return json.Marshal(e.String())
}

// UnmarshalJSON reads what MarshalJSON writes. Anything else is unknown.
func (e *Earliest) UnmarshalJSON(data []byte) error {
	e.Earliest = restriction.Unknown()
	var seconds int64
	switch jsontext.Value(data).Kind() {
	case '0':
		if err := json.Unmarshal(data, &seconds); err == nil {
			e.Earliest = restriction.At(time.Unix(seconds, 0))
		}
	case '"':
		if string(data) == `"`+restriction.Never().String()+`"` {
			e.Earliest = restriction.Never()
		}
	}
	return nil
}
