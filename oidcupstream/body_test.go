package oidcupstream

import (
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Once seal has reported that nothing was read, nothing is ever read, in every schedule
// of the transport's goroutines. proves P5
func TestSealedBody(t *testing.T) {
	unread := 0
	for range 2000 {
		body := &onceBody{r: strings.NewReader("refresh_token=secret")}
		var wg sync.WaitGroup
		var got []byte
		wg.Go(func() { got, _ = io.ReadAll(body) })
		untouched := body.seal()
		wg.Wait()
		if untouched {
			unread++
			require.Empty(t, got)
		}
		_, err := body.Read(make([]byte, 1))
		require.Error(t, err)
	}
	t.Logf("sealed before reading in %d of 2000 rounds", unread)
}
