// Package client is for programs that hold a mytoken of a mytoken server: one built
// with this SDK, or the reference server.
//
//	c, err := client.New(client.Config{Issuer: "https://mytoken.example.org"})
//	login, err := c.StartLogin(ctx, client.LoginRequest{Application: "my program"})
//	fmt.Println("Go to", login.ConsentURI)
//	token, err := login.Wait(ctx)
//
// A [Client] has a method for each request of the protocol, and takes the mytoken as an
// argument. A mytoken that rotates has to be replaced after each use; a [Holder] does
// that, with the token in a [TokenStore] that several processes may share:
//
//	holder := c.NewHolder(client.NewFileStore("/home/alice/.mytoken"))
//	source := holder.TokenSource(client.SourceOptions{})
//	http := oauth2.NewClient(ctx, source)
//
// # Files with access tokens
//
// Programs that know nothing of mytokens read an access token from a file whose name
// they know by the rules of the WLCG (see package bearer). [Keep] keeps such a file fresh,
// and [Keeper.RunCommand] does so for as long as a command runs.
//
// # Errors
//
// An answer of the server that is an error is an [*Error] with its code; a request
// without an answer is a [*NetworkError], which says whether the server may have acted;
// an answer that makes no sense is an [*AnswerError]. Use errors.As. A refusal of a server
// that explains itself has an Explanation; [Client.Explain] asks for one beforehand.
//
// # Repeated requests
//
// A request is sent again, after a growing pause, only where the protocol makes that
// safe: discovery, starting a login, polling, introspection, creating a transfer code,
// revoking, and whatever certainly did not reach the server or was turned away by it
// with the status 429, or 503 and a Retry-After. A request for an access token whose
// answer is lost is not: the second one would count as another use. A [Holder] of a
// token that rotates repeats it all the same, because otherwise the token would be
// lost.
//
// # Secrets
//
// Tokens and codes are of the type [Secret], which redacts itself in fmt, log/slog and
// JSON. They are sent over https only, or to this host, and never to where an answer
// redirects to.
//
// Section numbers in comments refer to PROTOCOL.md in the repository root.
package client
