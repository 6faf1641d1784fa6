package maxmind_test

import (
	"fmt"

	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/maxmind"
)

// How do I restrict tokens to countries?
func ExampleOpen() {
	locator, err := maxmind.Open("/var/lib/GeoIP/GeoLite2-Country.mmdb")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer locator.Close()
	policy, err := restriction.Compile(
		restriction.List{{GeoIPAllow: []string{"DE", "FR"}}},
		restriction.Options{Locator: locator, PrivateCountry: "DE"},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(policy.NeedsLookup())
}
