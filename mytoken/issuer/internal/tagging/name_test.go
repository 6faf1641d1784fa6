package tagging_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/mytoken-go/sdk/mytoken/issuer/internal/tagging"
)

func TestName(t *testing.T) {
	for text, want := range map[string]string{
		"a": "a", "  grid ": "grid", "two words": "two words", "\u2003wide\u2003": "wide", "Übung": "Übung", "...": "...", "a+b&c=d": "a+b&c=d",
		strings.Repeat("é", 64): strings.Repeat("é", 64), "日本": "日本",
	} {
		name, wrong := tagging.Name(text)
		assert.Equal(t, [2]string{want, ""}, [2]string{name, wrong}, "%q", text)
	}
	for _, text := range []string{
		"", " ", "\t\n", ".", "..", " .. ", "a/b", "a?b", "a#b", "a%41", `a\b`, "a\nb", "a\x00", "\u202ea", "a\u200bb", "\xff", strings.Repeat("é", 65), strings.Repeat("x", 1<<20),
	} {
		name, wrong := tagging.Name(text)
		assert.NotEmpty(t, wrong, "%.80q is accepted as %.80q", text, name)
		assert.Less(t, len(wrong), 200)
	}
}

func TestColor(t *testing.T) {
	for text, want := range map[string]string{"": "", "1F6FEB": "1F6FEB", "#1f6feb": "1f6feb"} {
		color, wrong := tagging.Color(text)
		assert.Equal(t, [2]string{want, ""}, [2]string{color, wrong}, "%q", text)
	}
	for _, text := range []string{"#", "fff", "#fff", "12345", "1234567", "##123456", "12345g", "red", " 123456", "é2345"} {
		_, wrong := tagging.Color(text)
		assert.NotEmpty(t, wrong, "%q", text)
	}
}

// The colours are those of the reference server. A checksum may have eight digits, or
// fewer than seven: then zeros are in front.
func TestDefaultColor(t *testing.T) {
	for name, want := range map[string]string{
		"123456789": "CBF439", "a": "E8B7BE", // CBF43926 and E8B7BE43
		"tag-157": "8CC319", "tag-5060": "029FDF", "tag-101498": "00A2AF",
	} {
		assert.Equal(t, want, tagging.DefaultColor(name))
	}
}
