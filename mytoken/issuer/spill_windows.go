package issuer

// syncDir does nothing: Windows makes renames durable with the file itself
// and has no way to sync a directory.
func syncDir(string) error { return nil }
