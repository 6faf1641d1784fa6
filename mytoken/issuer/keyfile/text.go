package keyfile

// Text returns the content of a file with a secret of another kind, such as the host key
// of an SSH server, and makes the file with what fresh returns if it is missing.
// Processes that ask at the same time get the same. It returns an error if other users
// can read the file, or may replace it. An error names the file.
func Text(path string, fresh func() ([]byte, error)) ([]byte, error) {
	return one(path, fresh, func(text []byte) ([]byte, error) { return text, nil })
}
