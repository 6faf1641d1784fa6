// Package optest is an OpenID provider in the process, for tests: real HTTP on a loopback address, users who log in without
// being asked, a clock and faults under the test's control, and a record of everything that happened.
//
//	op, err := optest.Start(optest.Options{Rotation: optest.RotateStrict, Clock: clock})
//	if err != nil {
//		t.Fatal(err)
//	}
//	defer op.Close()
//	provider, err := oidcupstream.New(op.ClientConfig("https://portal.example.org/redirect"))
//
// It offers discovery, keys, the authorization endpoint (code flow with PKCE S256, which it enforces), the token endpoint
// (authorization_code and refresh_token; client_secret_basic, client_secret_post, private_key_jwt, public clients), userinfo
// and revocation (RFC 7009). Access tokens are JWTs (RFC 9068) or opaque. Audiences are honoured as resource (RFC 8707) and
// as audience, repeated or separated by spaces. Redirects carry iss (RFC 9207).
//
// [Login] acts as the user's browser; any HTTP client that follows redirects does as well. [Options.Faults] makes single
// requests fail in a chosen way, before or after the provider acted on them. [Server.Record] tells what it did, and
// [Server.Secrets] every token and code that it ever made, so that a test can search logs and databases for them.
//
// Other processes use a server by its address, like any provider. It is no provider for anything but tests: it keeps
// everything in memory for ever and lets everybody in.
package optest
