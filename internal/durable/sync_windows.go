package durable

import "os"

const noWait = 0

// Refused returns false: on Windows, errors do not tell a file that is open from one that
// cannot be replaced.
func Refused(error) bool { return false }

func immutable(error) bool { return false }

// syncDir does nothing: Windows cannot sync a directory, and its file system keeps
// renames in a journal.
func syncDir(string) error { return nil }

// syncRoot does nothing, for the same reason.
func syncRoot(*os.Root) error { return nil }
