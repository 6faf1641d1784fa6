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

// Locator finds countries in a database. It implements the interface Locator of package
// restriction and is safe for concurrent use. The zero Locator is closed.
type Locator struct {
	// mu is locked for reading during every look-up, so that nobody unmaps the database
	// from memory meanwhile.
	mu     sync.RWMutex
	reader *geoip2.Reader
}

// Open opens a database file with countries: a Country, City or Enterprise database. It
// returns an error for any other file. Close the Locator when nobody needs it any more.
func Open(path string) (*Locator, error) {
	reader, err := open(path)
	if err != nil {
		return nil, err
	}
	return &Locator{reader: reader}, nil
}

// FromBytes uses a database in memory. Do not change the bytes while the Locator is in
// use. It returns an error if they are not a database with countries.
func FromBytes(database []byte) (*Locator, error) {
	reader, err := geoip2.FromBytes(database)
	if err != nil {
		return nil, fmt.Errorf("maxmind: reading the database: %w", err)
	}
	if err := check(reader); err != nil {
		return nil, err
	}
	return &Locator{reader: reader}, nil
}

func open(path string) (*geoip2.Reader, error) {
	reader, err := geoip2.Open(path)
	if err != nil {
		return nil, fmt.Errorf("maxmind: opening the database: %w", err)
	}
	return reader, check(reader)
}

// check looks up an address. It closes a database that has no countries.
func check(reader *geoip2.Reader) error {
	if _, err := reader.Country(net.IPv4zero); err != nil {
		return errors.Join(fmt.Errorf("maxmind: the database has no countries: %w", err), reader.Close())
	}
	return nil
}

// Country returns the ISO 3166-1 alpha-2 code of the country of an address. It returns ""
// if the database does not know the country, or if addr is not valid. The error is
// [ErrClosed], or that of a damaged database.
func (l *Locator) Country(_ context.Context, addr netip.Addr) (string, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.reader == nil {
		return "", ErrClosed
	}
	if !addr.IsValid() {
		return "", nil
	}
	record, err := l.reader.Country(net.IP(addr.Unmap().AsSlice()))
	if err != nil {
		return "", fmt.Errorf("maxmind: looking up an address: %w", err)
	}
	return record.Country.IsoCode, nil
}

// Reload opens a database file and uses it from then on. If it cannot open the file, the
// former database stays in use. An error from closing the former database comes after the
// new one is in use. Reload opens a closed Locator again.
func (l *Locator) Reload(path string) error {
	reader, err := open(path)
	if err != nil {
		return err
	}
	l.mu.Lock()
	former := l.reader
	l.reader = reader
	l.mu.Unlock()
	if former == nil {
		return nil
	}
	if err := former.Close(); err != nil {
		return fmt.Errorf("maxmind: closing the former database: %w", err)
	}
	return nil
}

// Close releases the database. To close a Locator twice is no error.
func (l *Locator) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reader == nil {
		return nil
	}
	reader := l.reader
	l.reader = nil
	if err := reader.Close(); err != nil {
		return fmt.Errorf("maxmind: closing the database: %w", err)
	}
	return nil
}
