package pages

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
)

// TestEventOfAChild: the history names a token that was made from this one, without the
// words of the protocol.
func TestEventOfAChild(t *testing.T) {
	for comment, want := range map[string]string{"Created MT job 4711": "job 4711", "Created MT ": "", "Created MT": ""} {
		e := newEvent(mytoken.Event{Name: issuer.EventMTCreated, Comment: comment})
		require.Equal(t, "Another token was made from it", e.Text)
		require.Equal(t, want, e.Comment, comment)
	}
}
