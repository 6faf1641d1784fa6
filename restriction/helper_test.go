package restriction

import (
	"net/netip"
	"testing"
	"time"
)

// epoch is the present of the tests.
var epoch = time.Unix(1_800_000_000, 0)

func mustCompile(t testing.TB, list List, options Options) *Policy {
	t.Helper()
	p, err := Compile(list, options)
	if err != nil {
		t.Fatalf("Compile: %v", err)
	}
	return p
}

func addr(text string) netip.Addr { return netip.MustParseAddr(text) }
