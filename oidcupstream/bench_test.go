package oidcupstream_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/oidcupstream"
)

// BenchmarkRefresh measures one of 32 concurrent refreshes on the loopback interface. It
// uses the default transport of a provider and that of net/http. The floor (x-bare) is a
// bare POST of the same form through the default transport.
func BenchmarkRefresh(b *testing.B) {
	const answer = `{"access_token":"a","token_type":"Bearer","expires_in":3600,"scope":"openid"}`
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if r.Method == http.MethodGet {
			fmt.Fprint(w, discoveryDocument(server.URL, server.URL))
			return
		}
		io.WriteString(w, answer)
	}))
	defer server.Close()
	request := oidcupstream.RefreshRequest{RefreshToken: "r", Scopes: []string{"openid"}}
	refresh := func(client *http.Client) func(*testing.B) {
		return func(b *testing.B) {
			p, err := oidcupstream.New(oidcupstream.Config{
				Issuer: server.URL, ClientID: "c", Auth: oidcupstream.ClientSecretBasic("secret"), HTTPClient: client,
			})
			require.NoError(b, err)
			_, err = p.Discover(b.Context())
			require.NoError(b, err)
			b.ReportAllocs()
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := p.Refresh(b.Context(), request); err != nil {
						b.Error(err)
					}
				}
			})
		}
	}
	b.Run("own-transport", refresh(nil))
	b.Run("net/http-transport", refresh(&http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}))
	b.Run("x-bare", func(b *testing.B) {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConnsPerHost = 64
		client := &http.Client{Transport: transport}
		form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"r"}, "scope": {"openid"}}.Encode()
		b.ReportAllocs()
		b.SetParallelism(16)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				resp, err := client.Post(server.URL+"/token", "application/x-www-form-urlencoded", strings.NewReader(form))
				if err != nil {
					b.Error(err)
					continue
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		})
	})
}
