// Package optest is an OpenID provider for tests. It runs in the test's process and
// speaks real HTTP on a loopback address. It logs users in without asking anything, or
// shows browsers a page for that ([Options].LoginPage). The test controls the clock and
// the faults, and reads a record of everything that happened.
//
//	op, err := optest.Start(optest.Options{Rotation: optest.RotateStrict, Clock: clock})
//	if err != nil {
//		t.Fatal(err)
//	}
//	defer op.Close()
//	provider, err := oidcupstream.New(op.ClientConfig("https://portal.example.org/redirect"))
//
// The provider serves these endpoints:
//
//   - discovery and keys
//   - authorization: the code flow, with PKCE (S256) required and iss in redirects (RFC
//     9207)
//   - token: authorization_code and refresh_token, with client_secret_basic,
//     client_secret_post, private_key_jwt or a public client
//   - userinfo
//   - revocation (RFC 7009)
//
// Access tokens are JWTs (RFC 9068) or opaque. Requests name audiences in the parameters
// resource (RFC 8707) or audience. Both may be repeated, or contain several audiences
// separated by spaces.
//
// [Login] acts as the user's browser. Any HTTP client that follows redirects can do the
// same. [Options].Faults makes single requests fail in a chosen way, before or after the
// provider acts. [Server.Record] returns what the provider did. [Server.Secrets] returns
// every token and code that it made, so that a test can search logs and databases for
// them.
//
// Other processes can use a server through its address. It is for tests only: it logs
// everybody in and keeps everything in memory.
package optest
