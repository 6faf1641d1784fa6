package memstore_test

import (
	"slices"
	"testing"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/memstore"
	"github.com/mytoken-go/sdk/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, storetest.Harness{
		Open: func(_ testing.TB, nodes int) storetest.Backend {
			s := memstore.New()
			return storetest.Backend{Nodes: slices.Repeat([]store.Store{s}, nodes), Dump: s.Dump}
		},
		Rounds: 100,
	})
}
