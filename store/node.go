package store

import "fmt"

// NodeID names a node for good: everything that shares one spill directory. It is random,
// and a file in that directory keeps it.
type NodeID [16]byte

// ProcessID names one run of one process. The process draws it at random when it starts.
type ProcessID [16]byte

// IsZero reports whether the id was never set.
func (id NodeID) IsZero() bool { return id == NodeID{} }

// IsZero reports whether the id was never set.
func (id ProcessID) IsZero() bool { return id == ProcessID{} }

// MaxProcessName is the most bytes that the name of a process may have.
const MaxProcessName = 128

// Process is one run of one process that refreshes grants.
type Process struct {
	ID   ProcessID
	Node NodeID
	// Name tells operators which process this is, such as the name of its host. It has at
	// most [MaxProcessName] bytes, and a store keeps it byte for byte.
	Name string
	// Volatile says that the process has no spill directory. If it dies, nothing of it is
	// left to recover. A volatile process may do without a node.
	Volatile bool
}

// ProcessInfo is what a store knows about a process.
type ProcessInfo struct {
	Process
	Until   Micros // last instant that a heartbeat has promised
	Settled Micros // when Settle was called for it; zero: it was not
}

// Doubt is a lease that lapsed, or was taken over, without EndRefresh and without
// CommitRefresh. Its holder may have got a new refresh token that has not arrived here.
type Doubt struct {
	Lease LeaseID
	// Process held the lease, on Node. Process is zero if the holder gave none, and Node
	// is zero if no heartbeat of the process is known.
	Process ProcessID
	Node    NodeID
	Lapsed  Micros // last instant at which the lease was in force
	// Settled says that nothing will arrive any more: the process is settled, or it is
	// volatile and its heartbeat has lapsed.
	Settled bool
}

// DoubtRef names a doubt: the lease that has left it, and its grant.
type DoubtRef struct {
	Grant GrantID
	Lease LeaseID
}

// Check returns an [*ArgumentError] if the process is not complete, or if its name is too
// long.
func (p *Process) Check() error {
	switch {
	case p.ID.IsZero():
		return argument("a process needs an id")
	case p.Node.IsZero() && !p.Volatile:
		return argument("a process with a spill directory needs the id of its node")
	case len(p.Name) > MaxProcessName:
		return argument(fmt.Sprintf("the name of a process has %d bytes: use at most %d", len(p.Name), MaxProcessName))
	}
	return nil
}
