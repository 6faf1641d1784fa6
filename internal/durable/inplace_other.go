//go:build !linux

package durable

import "os"

// Mounted returns false: it does not know how to ask this system. Update finds out when
// the system refuses to replace the file.
func Mounted(*os.Root, string) bool { return false }

// reserve does nothing: it does not know how to ask this system.
func reserve(*os.File, int) error { return nil }
