//go:build unix

package ownfiletest

import "syscall"

func init() { syscall.Umask(0o022) }
