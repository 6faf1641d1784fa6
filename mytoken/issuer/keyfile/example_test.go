package keyfile_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/issuer/keyfile"
)

// A service keeps its keys in a directory. The first start makes them, and the next one
// finds them.
func ExampleOpen() {
	data, err := os.MkdirTemp("", "portal") // a real service has one that stays
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(data)
	dir := filepath.Join(data, "keys")

	config := issuer.Config{Issuer: "https://mytoken.example.org"} // and Store, Providers, …
	if config.Keys, config.Seal, err = keyfile.Open(dir); err != nil {
		panic(err)
	}
	fmt.Println("no key can be printed:", config.Seal)

	again, _, err := keyfile.Open(dir)
	if err != nil {
		panic(err)
	}
	fmt.Println("the same keys at the next start:", again.ActiveID() == config.Keys.ActiveID())
	// Output:
	// no key can be printed: [redacted]
	// the same keys at the next start: true
}
