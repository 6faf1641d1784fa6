package restriction

// gate is what [Policy.Evaluate] compares of a clause first. It is open to every request
// that the clause admits, and closed to most others. The gates of a policy lie side by
// side in memory. The zero gate is closed.
type gate struct {
	from, until int64 // the first and the last second, in Unix time
	hosts       marks // lets requests pass that have one of them
	// scopes and audiences let requests pass that have no others.
	scopes, audiences marks
	kinds             kinds // of uses that pass
	asks              asks
}

// kinds is a set of kinds of uses.
type kinds uint8

func kindSet(k Kind) kinds { return 1 << k }

// asks says which requests a part must judge although the gate of its clause is open to
// them. To all others, the gate is closed if the part refuses them.
type asks uint8

const (
	askCounted asks = 1 << iota // requests with counters
	askShared                   // requests with a mark that several entries share
	askAlways                   // all requests

	askNever asks = 0
)

// gatedPart is a part that can close the gate of its clause. Clauses with any other part
// ask it about each request that finds their gate open.
type gatedPart interface {
	part
	// narrow closes g to requests that the part refuses, and to no others. It must not
	// open g to anything. The entries of lists get their marks from p.
	narrow(p *Policy, g *gate) asks
}

// guard makes the gate of the clause.
func (c *clause) guard(p *Policy, g *gate) {
	*g = gate{noStart, noEnd, anyEntry, anyEntry, anyEntry, kindSet(AT) | kindSet(Other) | kindSet(Uncounted), askNever}
	for _, field := range [...]gatedPart{&c.from, &c.until, &c.at, &c.other, &c.scopes, &c.audiences, &c.hosts} {
		g.asks |= field.narrow(p, g)
	}
	for i := range c.rest {
		gated, ok := c.rest[i].part.(gatedPart)
		if !ok || gated.narrow(p, g) != askNever {
			g.asks |= askAlways
		}
	}
}

// outline is a request in the form that gates compare.
type outline struct {
	now                      int64
	hosts, scopes, audiences marks // of its address and its words
	kind                     kinds
	asks                     asks // who must judge it
}

// draw fills a zero outline. To return one would copy it, which takes longer.
func (o *outline) draw(p *Policy, r *Request) {
	o.now, o.kind, o.hosts, o.asks = r.Now.Unix(), kindSet(r.Kind), noEntry, askAlways
	if p.hosts.some() {
		o.hosts = p.hosts.around(newPoint(r.Address))
	}
	if r.Kind == AT {
		o.scopes, o.audiences = p.scopes.all(r.Scopes), p.audiences.all(r.Audiences)
	}
	if r.Used != nil {
		o.asks |= askCounted
	}
	if (o.hosts|o.scopes|o.audiences)&sharedMarks != 0 {
		o.asks |= askShared
	}
}

// nextOpen returns the first clause, from i on, whose gate is open, or the number of
// clauses. It is a loop of its own, because few numbers stay in registers.
//
//go:noinline
func nextOpen(gates []gate, o *outline, i int) int {
	now, hosts, scopes, audiences, kind := o.now, o.hosts, o.scopes, o.audiences, o.kind
	for ; i < len(gates); i++ {
		g := &gates[i]
		if now >= g.from && now <= g.until && kind&g.kinds != 0 && hosts&g.hosts != 0 && scopes&^g.scopes|audiences&^g.audiences == 0 {
			break
		}
	}
	return i
}
