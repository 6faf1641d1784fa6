// Package mytokentest gives tests a mytoken issuer that is ready to use. Its store is in
// memory, the test sets its clock, and its OpenID provider speaks real HTTP in the same
// process.
//
// A service that only verifies mytokens needs no issuer for its tests: see [Sign].
//
// A complete test:
//
//	func TestTokenExpires(t *testing.T) {
//		service, err := mytokentest.Start(mytokentest.Options{})
//		if err != nil {
//			t.Fatal(err)
//		}
//		defer service.Close()
//		end := service.Clock.Now().Add(time.Hour)
//		issued, err := service.Login(t.Context(), "alice", mytoken.Properties{
//			Restrictions: restriction.List{{Expires: end.Unix()}},
//		})
//		if err != nil {
//			t.Fatal(err)
//		}
//
//		request := issuer.AccessTokenRequest{Token: issued.Token, Client: mytokentest.Client}
//		if _, err := service.Issuer.AccessToken(t.Context(), request); err != nil {
//			t.Error("before the end:", err)
//		}
//		service.Clock.Advance(2 * time.Hour)
//		if _, err := service.Issuer.AccessToken(t.Context(), request); err == nil {
//			t.Error("the token is still good after its end")
//		}
//	}
//
// The clock stands still unless the test moves it. The issuer signs tokens with ES256,
// which is fast. Public clients do not recognise such tokens as JWTs, so a test with such
// a client sets other keys with Options.Config. The issuer logs nothing unless
// Options.Config sets a logger.
//
// Programs such as a job launcher talk to the issuer over HTTP. Their tests set
// Options.URL and serve the issuer with package [github.com/mytoken-go/sdk/mytoken/rest];
// the example overHTTP shows how. [Service.Agree] is the user at the consent page.
//
// Goroutines may share a service as long as nobody changes its fields. Its methods return
// the errors of the issuer's methods, and those of the network.
package mytokentest
