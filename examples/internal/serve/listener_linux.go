package serve

import (
	"syscall"
	"time"
)

// handshake is how long a handshake may take that has begun when a listener is closed.
const handshake = 10 * time.Millisecond

// ignoreSYN accepts each TCP segment, but not if its flags say that it is the first one of
// a connection.
var ignoreSYN = []syscall.SockFilter{
	{Code: syscall.BPF_LD | syscall.BPF_B | syscall.BPF_ABS, K: 13},         // the flags
	{Code: syscall.BPF_JMP | syscall.BPF_JSET | syscall.BPF_K, K: 2, Jf: 1}, // SYN
	{Code: syscall.BPF_RET | syscall.BPF_K, K: 0},
	{Code: syscall.BPF_RET | syscall.BPF_K, K: 1<<16 - 1},
}

// refuseNew keeps others from connecting to a TCP listener between its last accept and its
// shutdown. Their systems try again a second later, and are refused then. Whoever had
// begun to connect is in the queue when refuseNew returns.
func refuseNew(fd int) {
	//lint:ignore SA1019 the successor needs another module for this one call
	if syscall.AttachLsf(fd, ignoreSYN) == nil {
		time.Sleep(handshake)
	}
}
