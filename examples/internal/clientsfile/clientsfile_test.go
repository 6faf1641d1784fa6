package clientsfile_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/examples/internal/clientsfile"
	"github.com/mytoken-go/sdk/mytoken/rest"
)

func TestRead(t *testing.T) {
	name := filepath.Join(t.TempDir(), "clients")
	read := func(text string) ([]rest.Client, error) {
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
		return clientsfile.Read(name)
	}
	sum := sha256.Sum256([]byte("a secret of the tests"))
	line := fmt.Sprintf("compute:%x\n", sum)
	got, err := read("# clients\n\n" + line + "  " + strings.Replace(line, "compute", "storage", 1))
	require.NoError(t, err)
	require.Equal(t, []rest.Client{{ID: "compute", SecretSum: sum}, {ID: "storage", SecretSum: sum}}, got)
	for text, want := range map[string]string{
		"": "no client is in it", "# a\n": "no client is in it", "\ncompute:hunter2\n": "line 2 is not", "compute\n": "line 1 is not", line[7:]: "line 1 is not",
		line + "hunter2:" + strings.Repeat("a", 62) + "\n": "line 2 is not", strings.Repeat("x", 1<<20): "token too long",
	} {
		_, err := read(text)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "hunter2")
	}
	_, err = clientsfile.Read(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
}
