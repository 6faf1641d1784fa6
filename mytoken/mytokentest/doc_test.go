package mytokentest_test

import (
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/restriction"
)

func TestTokenExpires(t *testing.T) {
	service, err := mytokentest.Start(mytokentest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer service.Close()
	end := service.Clock.Now().Add(time.Hour)
	issued, err := service.Login(t.Context(), "alice", mytoken.Properties{
		Restrictions: restriction.List{{Expires: end.Unix()}},
	})
	if err != nil {
		t.Fatal(err)
	}

	request := issuer.AccessTokenRequest{Token: issued.Token, Client: mytokentest.Client}
	if _, err := service.Issuer.AccessToken(t.Context(), request); err != nil {
		t.Error("before the end:", err)
	}
	service.Clock.Advance(2 * time.Hour)
	if _, err := service.Issuer.AccessToken(t.Context(), request); err == nil {
		t.Error("the token is still good after its end")
	}
}

// The package comment shows TestTokenExpires as it stands above.
func TestPackageComment(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments)
	require.NoError(t, err)
	_, code, found := strings.Cut(file.Doc.Text(), "A complete test:\n\n")
	require.True(t, found)
	code, _, found = strings.Cut(code, "\nThe clock")
	require.True(t, found)
	code = strings.TrimPrefix(strings.ReplaceAll(code, "\n\t", "\n"), "\t")
	source, err := os.ReadFile("doc_test.go")
	require.NoError(t, err)
	require.Contains(t, strings.ReplaceAll(string(source), "\r\n", "\n"), "\n"+code)
}
