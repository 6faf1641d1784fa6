package sqlstore

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/mytoken-go/sdk/store"
)

// An engine says whether it has queries for uses before anybody describes these uses.
func TestEnginesThatDecide(t *testing.T) {
	for e, want := range map[engine]bool{postgresql{}: true, mysql{compounds: true}: true, mysql{}: false, sqlite{}: false} {
		use := &store.Use{ID: store.UseID{1}, Kind: store.UseOther, Now: 1}
		text, _ := e.spendAtOnce(newAtOnce([]*member{{token: store.Presented{ID: store.TokenID{1}}, use: use}}))
		name := fmt.Sprintf("%T%+v", e, e)
		assert.Equal(t, want, e.decides(), name)
		assert.Equal(t, want, text != "", name)
	}
}
