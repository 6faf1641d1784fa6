// Package envflag reads flags from the environment.
package envflag

import (
	"errors"
	"flag"
	"os"
	"strings"
)

// Read sets each flag whose variable exists: prefix and the name of the flag in upper case,
// such as PORTAL_CLIENT_ID for -client-id. It returns an error for a value that a flag does
// not accept, without the value, which may be a secret.
func Read(flags *flag.FlagSet, prefix string) (err error) {
	flags.VisitAll(func(f *flag.Flag) {
		name := prefix + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		if value, ok := os.LookupEnv(name); ok && f.Value.Set(value) != nil {
			err = errors.New(name + " has a value that its flag does not accept; see -help")
		}
	})
	return err
}
