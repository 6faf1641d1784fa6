package clip_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"

	"github.com/mytoken-go/sdk/internal/clip"
)

func TestRunes(t *testing.T) {
	assert.Equal(t, "", clip.Runes("grüße", 0))
	assert.Equal(t, "grü", clip.Runes("grüße", 3))
	assert.Equal(t, "grüße", clip.Runes("grüße", 5))
	assert.Equal(t, "grüße", clip.Runes("grüße", 6))
	assert.Equal(t, "\xffa", clip.Runes("\xffab", 2), "one byte that is not UTF-8 counts as a character")
}

func TestBytes(t *testing.T) {
	assert.Equal(t, "gr", clip.Bytes("grüße", 3), "no half character")
	assert.Equal(t, "grü", clip.Bytes("grüße", 4))
	assert.Equal(t, "grüße", clip.Bytes("grüße", 7))
	assert.Equal(t, "ab", clip.Bytes("a\xffbcd", 3))
}

func TestName(t *testing.T) {
	fits := strings.Repeat("n", 64)
	assert.Equal(t, fits, clip.Name(fits))
	assert.Equal(t, fits+"…", clip.Name(fits+"n"))
	assert.True(t, utf8.ValidString(clip.Name(strings.Repeat("日", 40))))
}

// Text that is not too long stays as it is, and nothing valid becomes invalid.
func FuzzClip(f *testing.F) {
	f.Add("grüße", 3)
	f.Add("\xff\xfe", 1)
	f.Fuzz(func(t *testing.T, text string, most int) {
		most = max(0, min(most, 1<<10))
		runes, bytes := clip.Runes(text, most), clip.Bytes(text, most)
		assert.LessOrEqual(t, utf8.RuneCountInString(runes), most)
		assert.LessOrEqual(t, len(bytes), most)
		assert.True(t, strings.HasPrefix(text, runes))
		if utf8.ValidString(text) {
			assert.True(t, utf8.ValidString(runes) && utf8.ValidString(bytes))
			assert.True(t, strings.HasPrefix(text, bytes))
		}
	})
}
