package maxmind_test

import (
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

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

// How does a service take the weekly update of its database?
func ExampleLocator_Reload() {
	const path = "/var/lib/GeoIP/GeoLite2-Country.mmdb"
	locator, err := maxmind.Open(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	updated := make(chan os.Signal, 1)
	signal.Notify(updated, syscall.SIGHUP) // or a time.Ticker
	go func() {
		for range updated {
			if err := locator.Reload(path); err != nil {
				slog.Error("the former GeoIP database stays in use", "error", err)
			}
		}
	}()
}
