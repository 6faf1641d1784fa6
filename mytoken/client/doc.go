// Package client is for programs that hold a mytoken. It talks to any mytoken server: one
// built with this SDK, or the reference server.
//
// A user logs in with a browser, on any device, while the program polls:
//
//	c, err := client.New(client.Config{Issuer: "https://mytoken.example.org"})
//	login, err := c.StartLogin(ctx, client.LoginRequest{Application: "my program"})
//	fmt.Println("Go to", login.ConsentURI)
//	issued, err := login.Wait(ctx)
//
// A [Client] has one method per request of the protocol. Each takes the mytoken as an
// argument. If a mytoken rotates, each use replaces it with a successor, which the
// program must store. A [Holder] does that. It keeps the token in a [TokenStore], which
// several processes may share:
//
//	holder := c.NewHolder(client.NewFileStore("/home/alice/.mytoken"))
//	source := holder.TokenSource(client.SourceOptions{})
//	http := oauth2.NewClient(ctx, source)
//
// A rotating token needs a store that can save its successor. If it cannot, the holder
// does not use the token and returns an [*UnsavableError]. A read-only secret of systemd or
// Kubernetes is such a store, so put only a token there that does not rotate.
//
// Requests and answers use the types of package [github.com/mytoken-go/sdk/mytoken].
//
// # Files with access tokens
//
// Programs that know nothing of mytokens read an access token from a file. They find the
// file by the rules of package [github.com/mytoken-go/sdk/mytoken/client/bearer]. [Keep]
// keeps a fresh token in such a file. [Keeper.RunCommand] does so while a command runs.
//
// # Errors
//
// An [*Error] holds the error that the server answered with. A [*NetworkError] says that
// there was no answer, and whether the server may have acted on the request. An
// [*AnswerError] says that the answer breaks the protocol. Use errors.As. Some servers
// explain a refusal: see Error.Explanation, and [Client.Explain] to ask beforehand.
// [Holder.WaitUntilAdmitted] waits until a use is admitted. [ErrLoginEnded] says that the
// user has to log in again.
//
// # Repeated requests
//
// The client repeats a request, after a growing pause, only where that is safe:
// discovery, starting a login, polling, introspection, creating a transfer code and
// revoking. It also repeats any request that certainly did not reach the server, or that
// the server turned away with the status 429, or 503 with Retry-After.
//
// A request that counts as a use carries a key, which names it (protocol section 5.0.9).
// A server that advertises it counts all requests with the same key once; see
// [Metadata].IdempotencyKeys. Servers of this SDK do. There the client repeats such a
// request, too, when its answer is lost or the server fails.
//
// At other servers it does not: the second request would count as another use. A [Holder]
// of a rotating token repeats it all the same, because otherwise the token would be lost.
//
// [Keeper] and [TokenSource] keep the key of a request until it is answered, through an
// outage of any length. So the outage of a provider costs one use in all. At other servers
// they spend at most half of what is left of a limited mytoken in an hour. The key is in
// memory: a program that starts anew makes a new use, and the lost one stays counted.
//
// Networks change, and laptops sleep. The client's own transport notices within 10 s that
// a connection is dead. A request that the client must not repeat never travels on a
// connection that was idle: it gets a new one, whose handshake proves that the path
// works. A program that makes hundreds of such requests a second should set
// Config.HTTPClient.
//
// # Secrets
//
// Tokens and codes are of the type mytoken.Secret, which prints, logs and encodes as
// "[redacted]". The client sends them over https or to a loopback address, and never
// follows a redirect.
//
// Section numbers in comments refer to PROTOCOL.md in the repository root.
package client
