package rest_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/mytoken-go/sdk/mytoken"
)

// TestOAuth2Library: golang.org/x/oauth2 refreshes with a mytoken as refresh token,
// follows its rotation, and understands refusals.
func TestOAuth2Library(t *testing.T) {
	s := start(t)
	for _, path := range []string{"/api/v0/token/access", "/oauth/token"} {
		cfg := oauth2.Config{ClientID: "any", ClientSecret: "thing", Endpoint: oauth2.Endpoint{TokenURL: s.URL + path}}
		token := s.token(mytoken.Properties{Capabilities: everything, Rotation: &mytoken.Rotation{OnAT: true, AutoRevoke: true}})
		for _, style := range []oauth2.AuthStyle{oauth2.AuthStyleInHeader, oauth2.AuthStyleInParams, oauth2.AuthStyleAutoDetect} {
			cfg.Endpoint.AuthStyle = style
			expired := &oauth2.Token{RefreshToken: token, Expiry: time.Unix(1, 0)}
			got, err := cfg.TokenSource(t.Context(), expired).Token()
			if err != nil || got.AccessToken == "" || got.Type() != "Bearer" {
				t.Fatalf("%s: %v", path, err)
			}
			if got.RefreshToken == token || got.RefreshToken == "" {
				t.Fatalf("%s: the rotated token is not followed", path)
			}
			token = got.RefreshToken
		}
		var refused *oauth2.RetrieveError
		_, err := cfg.TokenSource(t.Context(), &oauth2.Token{RefreshToken: token + "x"}).Token()
		want, status := "invalid_token", http.StatusUnauthorized
		if path == "/oauth/token" {
			want, status = "invalid_grant", http.StatusBadRequest
		}
		if !errors.As(err, &refused) || refused.ErrorCode != want || refused.Response.StatusCode != status {
			t.Errorf("%s: %v", path, err)
		}
	}
}
