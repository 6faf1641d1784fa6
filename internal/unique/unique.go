// Package unique removes repetitions from lists that somebody else made.
package unique

// Strings returns the entries of the lists in order, each once. The result is a new
// slice and never nil. The work grows with the number of entries and not with its square:
// a remote side chooses the number.
func Strings(lists ...[]string) []string {
	out, seen := []string{}, make(map[string]struct{})
	for _, list := range lists {
		for _, entry := range list {
			if _, ok := seen[entry]; !ok {
				seen[entry] = struct{}{}
				out = append(out, entry)
			}
		}
	}
	return out
}
