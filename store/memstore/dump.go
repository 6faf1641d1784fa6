package memstore

import (
	"bytes"
	"context"
	"reflect"
)

// Dump returns every byte string and every text that the store holds, in no particular
// order. It leaves out numbers. Tests search the result for secrets. Dump returns only
// the error of an ended context.
func (s *Store) Dump(ctx context.Context) ([]byte, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()

	d := dumper{seen: make(map[uintptr]bool)}
	for _, table := range []any{s.tokens, s.grants, s.tickets, s.uses, s.processes, s.belongings, s.links} {
		d.walk(reflect.ValueOf(table))
	}
	return d.out.Bytes(), nil
}

// dumper walks through the rows by reflection, so that it misses no field.
type dumper struct {
	out  bytes.Buffer
	seen map[uintptr]bool
}

func (d *dumper) walk(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() || d.seen[v.Pointer()] {
			return
		}
		d.seen[v.Pointer()] = true
		d.walk(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			d.walk(v.Field(i))
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			d.walk(it.Key())
			d.walk(it.Value())
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			d.walk(v.Index(i))
		}
		d.out.WriteByte('\n')
	case reflect.Uint8:
		d.out.WriteByte(byte(v.Uint()))
	case reflect.String:
		d.out.WriteString(v.String())
		d.out.WriteByte('\n')
	}
}
