package durable

import "os"

// syncDir does nothing: Windows cannot sync a directory, and its file system keeps
// renames in a journal.
func syncDir(string) error { return nil }

// syncRoot does nothing, for the same reason.
func syncRoot(*os.Root) error { return nil }
