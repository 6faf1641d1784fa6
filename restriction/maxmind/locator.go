package maxmind

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"github.com/oschwald/geoip2-golang"
)

// ErrClosed reports a look-up in a [Locator] that was closed.
var ErrClosed = errors.New("maxmind: the locator is closed")

// DatabaseError says that a database cannot be used. The file is missing, not complete,
// damaged, or of a type without countries.
type DatabaseError struct {
	Path string // of the file; empty: the bytes given to [FromBytes]
	Err  error  // what is wrong: an error of the file system, or a text that says what to do
}

func (e *DatabaseError) Error() string {
	if e.Path == "" {
		return "maxmind: the database cannot be used: " + e.Err.Error()
	}
	return "maxmind: the database " + e.Path + " cannot be used: " + e.Err.Error()
}

// Unwrap returns what is wrong.
func (e *DatabaseError) Unwrap() error { return e.Err }

// Locator finds countries in a database. It implements the interface Locator of package
// restriction and is safe for concurrent use. The zero Locator is closed.
type Locator struct {
	mapped bool // Reload maps files

	// mu is locked for reading during every look-up, so that nobody unmaps the database
	// from memory meanwhile.
	mu sync.RWMutex
	db *database // nil: closed
}

// database is a database that was checked.
type database struct {
	reader *geoip2.Reader
	unmap  func() error // nil: it is not mapped
}

func (d *database) close() error {
	if d == nil || d.unmap == nil {
		return nil
	}
	if err := d.unmap(); err != nil {
		return fmt.Errorf("maxmind: unmapping the former database: %w", err)
	}
	return nil
}

// Open reads a database file with countries into memory: a Country, City or Enterprise
// database. For any other file it returns a [*DatabaseError]. The memory is as large as
// the file, 10 MB for GeoLite2 Country. Close the Locator when nobody needs it any more.
func Open(path string) (*Locator, error) { return newLocator(&Locator{}, path) }

// OpenMapped is like [Open], but maps the file into memory, so that the processes of a
// machine share it. [Locator.Reload] of such a Locator maps files, too.
//
// Warning: if anybody truncates the file while it is in use, the next look-up kills the
// process with SIGBUS. cp and editors do that. Use OpenMapped only if every update writes
// another file and renames it. Systems without mapping read the file into memory.
func OpenMapped(path string) (*Locator, error) { return newLocator(&Locator{mapped: true}, path) }

func newLocator(l *Locator, path string) (*Locator, error) {
	if err := l.Reload(path); err != nil {
		return nil, err
	}
	return l, nil
}

// FromBytes uses a database in memory. Do not change the bytes while the Locator is in
// use. It returns a [*DatabaseError] if they are not a database with countries.
func FromBytes(data []byte) (*Locator, error) {
	reader, err := check(data)
	if err != nil {
		return nil, &DatabaseError{Err: err}
	}
	return &Locator{db: &database{reader: reader}}, nil
}

// Country returns the ISO 3166-1 alpha-2 code of the country of an address. It returns ""
// if the database does not know the country, or if addr is not valid. A database of IPv4
// alone knows no country of an IPv6 address. The error is
// [ErrClosed], or that of a damaged database.
func (l *Locator) Country(_ context.Context, addr netip.Addr) (string, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.db == nil {
		return "", ErrClosed
	}
	if !addr.IsValid() {
		return "", nil
	}
	addr = addr.Unmap()
	if addr.Is6() && l.db.reader.Metadata().IPVersion == 4 {
		return "", nil
	}
	record, err := l.db.reader.Country(net.IP(addr.AsSlice()))
	if err != nil {
		return "", fmt.Errorf("maxmind: looking up an address: %w", err)
	}
	return record.Country.IsoCode, nil
}

// Reload opens a database file and uses it from then on. If it returns a
// [*DatabaseError], the former database stays in use. Any other error comes from
// releasing the former database, and the new one is in use. Reload opens a closed Locator
// again.
func (l *Locator) Reload(path string) error {
	db, err := load(path, l.mapped)
	if err != nil {
		return &DatabaseError{path, err}
	}
	return l.swap(db)
}

// Close releases the database. To close a Locator twice is no error.
func (l *Locator) Close() error { return l.swap(nil) }

func (l *Locator) swap(db *database) error {
	l.mu.Lock()
	former := l.db
	l.db = db
	l.mu.Unlock()
	return former.close()
}
