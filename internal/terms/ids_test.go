package terms_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/mytoken-go/sdk/internal/terms"
)

func TestMomIDIsReadAsItIsWritten(t *testing.T) {
	id := terms.TokenID(bytes.Repeat([]byte{0xfb, 0xff}, 32))
	text := id.String()
	if want := base64.StdEncoding.EncodeToString(id[:]); text != want || len(text) != 88 {
		t.Errorf("got %q, want %q", text, want)
	}
	if got, err := terms.ParseTokenID(text); err != nil || got != id {
		t.Errorf("got %v, %v", got, err)
	}
	var owner terms.OwnerID
	if got, want := owner.String(), strings.Repeat("A", 43)+"="; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for name, bad := range map[string]string{
		"nothing":       "",
		"unpadded":      strings.TrimRight(text, "="),
		"URL alphabet":  base64.URLEncoding.EncodeToString(id[:]),
		"line break":    text[:40] + "\n" + text[40:],
		"trailing bits": text[:85] + "/==",
		"too short":     base64.StdEncoding.EncodeToString(id[:63]),
		"too long":      base64.StdEncoding.EncodeToString(append(id[:], 0)),
		"a space":       text + " ",
	} {
		if got, err := terms.ParseTokenID(bad); !errors.Is(err, terms.ErrTokenID) || !got.IsZero() {
			t.Errorf("%s: %q is accepted as %v", name, bad, got)
		}
	}
}
