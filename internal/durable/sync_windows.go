package durable

// syncDir does nothing: Windows cannot sync a directory, and its file system keeps
// renames in a journal.
func syncDir(string) error { return nil }
