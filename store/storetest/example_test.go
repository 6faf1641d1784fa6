package storetest_test

import (
	"context"
	"fmt"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/memstore"
	"github.com/mytoken-go/sdk/store/storetest"
)

// The example makes the store fail before and after each step. The first run records the
// points. Then there is one run for each point.
func ExampleFaulty() {
	ctx := context.Background()
	redeem := func(s store.Store) error {
		code := store.Ticket{TicketRef: store.TicketRef{Kind: store.TicketTransfer, ID: store.TicketID{1}}, Status: store.TicketReady, Expires: 10}
		if err := s.ChangeTickets(ctx, store.TicketChanges{Put: []store.Ticket{code}}, 1); err != nil {
			return err
		}
		return s.TakeTicket(ctx, code.TicketRef, store.UseID{1}, store.Event{}, 2)
	}

	f := storetest.NewFaulty(memstore.New(), nil)
	if err := redeem(f); err != nil {
		fmt.Println(err)
	}
	for _, point := range f.Trace() {
		s := memstore.New()
		first := redeem(storetest.NewFaulty(s, storetest.FailAt(point, storetest.ErrFault)))
		fmt.Printf("%s: %v; repeated: %v\n", point, first, redeem(s))
	}
	// Output:
	// before ChangeTickets 1: storetest: injected fault; repeated: <nil>
	// after ChangeTickets 1: storetest: injected fault; repeated: <nil>
	// before TakeTicket 1: storetest: injected fault; repeated: <nil>
	// after TakeTicket 1: storetest: injected fault; repeated: <nil>
}

// The example searches the dump of a database for a code.
func ExampleFindSecrets() {
	dump := []byte(`{"state": "Ym9keSBvZiBhIGNvZGUgLSBXWFlaMTIzNDU2Nzg="}`)
	for _, leak := range storetest.FindSecrets(dump, "another secret", "WXYZ12345678") {
		fmt.Println(leak)
	}
	// Output:
	// secret 1 as base64 at offset 34
}
