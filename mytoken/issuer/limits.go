package issuer

import (
	"cmp"
)

// Limits bound what one issuer keeps and works on. In each field, 0 means its default.
type Limits struct {
	// LoginBytes bounds what a login makes the store keep while it waits: the JSON text,
	// before it is sealed, of everything that was asked for. Often anybody can start a
	// login. 1 KiB to 1 MiB. 0: 8 KiB.
	LoginBytes int
	// PendingLogins is how many logins may wait at once that this process started. Each
	// process of a service counts its own. A login stops waiting when it comes back, is
	// declined or expires; the process that started it learns of an end in another
	// process only when the login expires. 1 to 1,000,000. 0: 10,000.
	PendingLogins int
}

func (l Limits) withDefaults() Limits {
	l.LoginBytes = cmp.Or(l.LoginBytes, 8<<10)
	l.PendingLogins = cmp.Or(l.PendingLogins, 10_000)
	return l
}

func (l Limits) check() error {
	return cmp.Or(
		within("Limits.LoginBytes", l.LoginBytes, 1<<10, 1<<20),
		within("Limits.PendingLogins", l.PendingLogins, 1, 1_000_000),
	)
}

// Limits returns the limits of this issuer, with the defaults filled in.
func (i *Issuer) Limits() Limits { return i.cfg.Limits }
