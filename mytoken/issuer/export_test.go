package issuer

import (
	"context"

	"github.com/mytoken-go/sdk/mytoken"
)

// Verifier returns the verifier of the issuer's own tokens.
func (i *Issuer) Verifier() *mytoken.Verifier { return i.verifier }

// Flights returns how many calls to a provider have not ended.
func (i *Issuer) Flights() int {
	flights, _ := i.refresher.Load()
	return flights
}

// Ends returns how many ends of leases are under way.
func (i *Issuer) Ends() int { return i.refresher.Ends() }

// AwaitErrands waits until no errand runs.
func (i *Issuer) AwaitErrands(ctx context.Context) error { return i.errands.Close(ctx) }

// Waiters returns how many requests wait for such calls.
func (i *Issuer) Waiters() int {
	_, waiters := i.refresher.Load()
	return waiters
}
