package oidcupstream

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/redact"
)

// scrub does what its comment says.
func TestScrub(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	letters := func(n int) string {
		text := make([]byte, n)
		for i := range text {
			text[i] = "ab "[random.IntN(3)]
		}
		return string(text)
	}
	for range 5000 {
		text, secrets := letters(random.IntN(60)), []string{letters(random.IntN(40)), letters(random.IntN(6))}
		want := strings.Split(text, " ")
		for i, word := range want {
			for _, secret := range secrets {
				shows := len(secret) >= 4 && strings.Contains(word, secret)
				for j := 0; j+secretWindow <= len(word); j++ {
					shows = shows || strings.Contains(secret, word[j:j+secretWindow])
				}
				if shows {
					want[i] = redact.Placeholder
				}
			}
		}
		require.Equal(t, strings.Join(want, " "), scrub(text, secrets), "%q in %q", secrets, text)
	}
}

// Long secrets that a provider chose cost one pass each. Looking for each piece of the
// text in each of them would take most of a minute here.
func TestScrubOfLongSecrets(t *testing.T) {
	secrets := make([]string, 16)
	for i := range secrets {
		secrets[i] = strings.Repeat("AAAAAAAAAAAC", 1<<16)
	}
	text := strings.Repeat("AAAAAAAAAAAB", 4*maxCause/secretWindow)
	require.NotContains(t, printable(text, maxCause, secrets), redact.Placeholder)
	require.Equal(t, redact.Placeholder, printable(text+"AAAAAAAAAAAC", 2*maxCause, secrets))
}
