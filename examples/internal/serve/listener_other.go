//go:build !unix

package serve

import (
	"net"
	"syscall"
)

// acceptRest returns nothing: the operating system resets connections that a listener has
// not accepted when it is closed.
func acceptRest(syscall.Conn) []net.Conn { return nil }

// lockDirectory does nothing: the operating system does not lock directories.
func lockDirectory(string) (unlock func(), err error) { return func() {}, nil }
