//go:build unix

package issuer_test

import "syscall"

// The tests make directories that only their owner may change.
func init() { syscall.Umask(0o022) }
