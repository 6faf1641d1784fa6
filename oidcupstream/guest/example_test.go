package guest_test

import (
	"fmt"
	"net/http"

	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/guest"
)

// A service offers logins as a guest next to those of real providers.
func Example() {
	const service = "https://mytoken.example.org"
	guests, err := guest.New(guest.Config{Issuer: service + "/api/v0/guests", RedirectURL: service + "/redirect/guests"})
	if err != nil {
		fmt.Println(err)
		return
	}
	upstream, err := oidcupstream.New(guests.Upstream())
	if err != nil {
		fmt.Println(err)
		return
	}
	// Package rest does this for the provider in its options.
	mux := http.NewServeMux()
	mux.Handle("/api/v0/guests/", http.StripPrefix("/api/v0/guests", guests))
	fmt.Println(upstream.Name(), upstream.Issuer())
	// Output: Guests https://mytoken.example.org/api/v0/guests
}
