package pages

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestInlined: what a page holds is what a browser reads and the policy admits. A file that
// would end its element is refused.
func TestInlined(t *testing.T) {
	file := func(text string) map[string]Asset { return map[string]Asset{"a": {Data: []byte(text)}} }
	for text, want := range map[string]string{
		"a{b:c}": "a{b:c}", "@media x{a{b:c}}": "@media x{a{b:c} }", "x={{{}}}": "x={ { {} } }", "a\r\nb\rc": "a\nb\nc", "": "",
	} {
		got, err := inlined(file(text), "</style", "a")
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.False(t, strings.Contains(got, "{{") || strings.Contains(got, "}}"))
	}
	for _, bad := range []string{"a</style>", "a</STYLE >", "<!-- a"} {
		_, err := inlined(file(bad), "</style", "a")
		require.ErrorContains(t, err, "static/a has ")
	}
	two, err := inlined(map[string]Asset{"a": {Data: []byte("x()")}, "b": {Data: []byte("(y)")}}, "</script", "a", "b")
	require.NoError(t, err)
	require.Equal(t, "x()\n;\n(y)", two)
}
