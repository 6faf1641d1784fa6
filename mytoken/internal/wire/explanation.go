package wire

import (
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mytoken-go/sdk/restriction"
)

// Explanation says, clause by clause, what a use met. It is an addition to the
// protocol: a member of errors, which public clients ignore, and the answer to
// the action explain. What a reader is not to know is left out.
type Explanation struct {
	Admitted bool `json:"admitted"`
	// Earliest is when the same use is admitted; nil: not told.
	Earliest *Earliest           `json:"earliest,omitempty"`
	Clauses  []ClauseExplanation `json:"clauses,omitempty"`
	// Objection stands against the use whatever the clauses say.
	Objection *Objection `json:"objection,omitempty"`
}

// ClauseExplanation is what one clause has to object; without objections, it
// admits the use.
type ClauseExplanation struct {
	Clause     int         `json:"clause"` // index in the token
	Earliest   *Earliest   `json:"earliest,omitempty"`
	Objections []Objection `json:"objections,omitempty"`
}

// Objection is what one key of a clause refuses.
type Objection struct {
	Key      string    `json:"key"`
	Needed   string    `json:"needed,omitempty"` // for humans
	Earliest *Earliest `json:"earliest,omitempty"`
}

// NewExplanation brings an explanation on the wire, with its instants or
// without. What look-ups said stays here: it may tell of the network.
func NewExplanation(e *restriction.Explanation, instants bool) *Explanation {
	told := func(at restriction.Earliest) *Earliest {
		if !instants {
			return nil
		}
		return &Earliest{at}
	}
	objection := func(o restriction.Objection) Objection {
		return Objection{Key: o.Key, Needed: o.Need, Earliest: told(o.Earliest)}
	}
	out := &Explanation{Admitted: e.Admitted, Earliest: told(e.Earliest)}
	for i := range e.Clauses {
		c := ClauseExplanation{Clause: e.Clauses[i].Clause, Earliest: told(e.Clauses[i].Earliest)}
		for _, o := range e.Clauses[i].Objections {
			c.Objections = append(c.Objections, objection(o))
		}
		out.Clauses = append(out.Clauses, c)
	}
	if e.Objection != nil {
		o := objection(*e.Objection)
		out.Objection = &o
	}
	return out
}

// Explanation is what was told. Instants that were not are unknown.
func (e *Explanation) Explanation() *restriction.Explanation {
	objection := func(o Objection) restriction.Objection {
		return restriction.Objection{Key: o.Key, Need: o.Needed, Earliest: o.Earliest.value()}
	}
	out := &restriction.Explanation{Admitted: e.Admitted, Earliest: e.Earliest.value()}
	for i := range e.Clauses {
		c := restriction.ClauseExplanation{Clause: e.Clauses[i].Clause, Earliest: e.Clauses[i].Earliest.value()}
		for _, o := range e.Clauses[i].Objections {
			c.Objections = append(c.Objections, objection(o))
		}
		out.Clauses = append(out.Clauses, c)
	}
	if e.Objection != nil {
		o := objection(*e.Objection)
		out.Objection = &o
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

// UnmarshalJSON reads what MarshalJSON writes. Everything else is unknown.
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
