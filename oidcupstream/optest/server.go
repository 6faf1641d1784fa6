package optest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mytoken-go/sdk/internal/unique"
	"github.com/mytoken-go/sdk/oidcupstream"
)

// Server is a running provider. It is safe for concurrent use and prints as "[redacted]".
type Server struct {
	hidden

	opts   Options
	issuer string
	http   *http.Server
	stop   context.CancelFunc
	done   chan struct{}

	mu       sync.Mutex
	rotation Rotation
	keys     []signingKey // the last one signs
	clients  map[string]Client
	users    map[string]User
	sessions map[string]time.Time // time of the login, by subject
	codes    map[string]*code
	grants   []*grant // at index Event.Grant - 1
	refresh  map[string]refreshToken
	access   map[string]accessToken
	seen     map[string]bool // by jti of client assertions
	calls    map[Endpoint]int
	events   []Event
	secrets  []string
}

// Start starts a server, which runs until [Server.Close]. It returns an error if a client
// or user has no identifier, or if it cannot listen on the address.
func Start(opts Options) (*Server, error) {
	opts = opts.withDefaults()
	s := &Server{
		opts:     opts,
		done:     make(chan struct{}),
		rotation: opts.Rotation,
		clients:  map[string]Client{},
		users:    map[string]User{},
		sessions: map[string]time.Time{},
		codes:    map[string]*code{},
		refresh:  map[string]refreshToken{},
		access:   map[string]accessToken{},
		seen:     map[string]bool{},
		calls:    map[Endpoint]int{},
	}
	for _, c := range opts.Clients {
		if c.ID == "" {
			return nil, errors.New("optest: a client has no ID")
		}
		s.clients[c.ID] = c
	}
	for _, u := range opts.Users {
		if u.Subject == "" {
			return nil, errors.New("optest: a user has no subject")
		}
		s.users[u.Subject] = u
	}
	if err := s.RotateKeys(); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", opts.Address)
	if err != nil {
		return nil, fmt.Errorf("optest: %w", err)
	}
	s.issuer = "http://" + listener.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	s.http = &http.Server{
		Handler:           s.routes(),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: time.Minute,
	}
	go func() {
		defer close(s.done)
		s.http.Serve(listener) // returns when Close is called
	}()
	return s, nil
}

func (o Options) withDefaults() Options {
	if len(o.Clients) == 0 {
		o.Clients = []Client{{ID: DefaultClientID, Secret: DefaultClientSecret}}
	}
	if o.Subject == "" {
		o.Subject = "alice"
		if len(o.Users) > 0 {
			o.Subject = o.Users[0].Subject
		}
	}
	o.Scopes = slices.Clone(o.Scopes)
	if len(o.Scopes) == 0 {
		o.Scopes = []string{"openid", "profile", "email", "offline_access", "compute", "storage.read", "storage.write"}
	}
	o.AccessTokenLifetime = cmp.Or(o.AccessTokenLifetime, time.Hour)
	o.CodeLifetime = cmp.Or(o.CodeLifetime, time.Minute)
	o.Address = cmp.Or(o.Address, "127.0.0.1:0")
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Decide == nil {
		o.Decide = func(AuthorizationRequest) Decision { return Decision{} }
	}
	if o.Faults == nil {
		o.Faults = func(FaultPoint) Fault { return Fault{} }
	}
	return o
}

// Close stops the server and closes its connections. It ends the contexts of requests
// that wait in a fault.
func (s *Server) Close() error {
	s.stop()
	err := s.http.Close()
	<-s.done
	return err
}

// Issuer returns the issuer identifier of the provider, an http URL with a loopback
// address.
func (s *Server) Issuer() string { return s.issuer }

// ClientConfig returns a configuration for the first client of Options, with all scopes
// of the server. The client must have a secret or be public: ClientConfig does not know
// private keys.
func (s *Server) ClientConfig(redirectURL string) oidcupstream.Config {
	client := s.opts.Clients[0]
	auth := oidcupstream.PublicClient()
	switch {
	case client.Secret != "" && client.AuthMethod == methodPost:
		auth = oidcupstream.ClientSecretPost(client.Secret)
	case client.Secret != "":
		auth = oidcupstream.ClientSecretBasic(client.Secret)
	}
	return oidcupstream.Config{
		Issuer:      s.issuer,
		ClientID:    client.ID,
		Auth:        auth,
		RedirectURL: redirectURL,
		Scopes:      slices.Clone(s.opts.Scopes),
		Clock:       s.opts.Clock,
	}
}

// AddClient registers a client. It replaces a client with the same ID.
func (s *Server) AddClient(c Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients[c.ID] = c
}

// SetRotation changes the rotation policy for later refreshes.
func (s *Server) SetRotation(r Rotation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rotation = r
}

// EndGrants ends all grants of a subject: their refresh tokens and access tokens stop
// working. Providers do so when they close an account or the user withdraws consent.
// EndGrants returns the number of grants that it ended.
func (s *Server) EndGrants(subject string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, g := range s.grants {
		if g.subject == subject && !g.ended {
			s.end(g)
			n++
		}
	}
	return n
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", s.serveDiscovery)
	mux.HandleFunc("GET /keys", s.serveKeys)
	mux.HandleFunc("GET /authorize", s.serveAuthorize)
	mux.HandleFunc("POST /authorize", s.serveAuthorize)
	if s.opts.LoginPage {
		mux.HandleFunc("GET /page.css", serveStyle)
	}
	mux.HandleFunc("POST /token", s.serveToken)
	mux.HandleFunc("GET /userinfo", s.serveUserInfo)
	mux.HandleFunc("POST /userinfo", s.serveUserInfo)
	if !s.opts.NoRevocation {
		mux.HandleFunc("POST /revoke", s.serveRevoke)
	}
	const maxBody = 1 << 20
	return http.MaxBytesHandler(mux, maxBody)
}

// fault counts the request and asks Options.Faults what goes wrong with it. The caller
// must not hold the lock.
func (s *Server) fault(at FaultPoint) Fault {
	s.mu.Lock()
	s.calls[at.Endpoint]++
	at.Call = s.calls[at.Endpoint]
	s.mu.Unlock()
	at.Scopes, at.Audiences = slices.Clone(at.Scopes), slices.Clone(at.Audiences)
	return s.opts.Faults(at)
}

func (s *Server) serveDiscovery(w http.ResponseWriter, r *http.Request) {
	doc := map[string]any{
		"issuer":                                         s.issuer,
		"authorization_endpoint":                         s.issuer + "/authorize",
		"token_endpoint":                                 s.issuer + "/token",
		"jwks_uri":                                       s.issuer + "/keys",
		"userinfo_endpoint":                              s.issuer + "/userinfo",
		"scopes_supported":                               s.opts.Scopes,
		"response_types_supported":                       []string{"code"},
		"grant_types_supported":                          []string{"authorization_code", "refresh_token"},
		"subject_types_supported":                        []string{"public"},
		"id_token_signing_alg_values_supported":          []string{signingAlg},
		"code_challenge_methods_supported":               []string{"S256"},
		"token_endpoint_auth_methods_supported":          []string{methodBasic, methodPost, methodJWT, methodNone},
		"authorization_response_iss_parameter_supported": true,
	}
	if !s.opts.NoRevocation {
		doc["revocation_endpoint"] = s.issuer + "/revoke"
	}
	s.serveDocument(w, r, EndpointDiscovery, doc)
}

// serveDocument answers with a public document, unless a fault prevents it.
func (s *Server) serveDocument(w http.ResponseWriter, r *http.Request, endpoint Endpoint, doc map[string]any) {
	f := s.fault(FaultPoint{Endpoint: endpoint})
	if f.before(w, r) || f.after(w, r) {
		return
	}
	f.edit(doc)
	writeJSON(w, http.StatusOK, doc)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

// oauthError is an error response (RFC 6749 section 5.2).
type oauthError struct {
	status     int
	code, text string
}

func (e oauthError) write(w http.ResponseWriter) {
	if e.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="optest"`)
	}
	writeJSON(w, e.status, e.object())
}

// object is the JSON object of the answer.
func (e oauthError) object() map[string]any {
	answer := map[string]any{"error": e.code}
	if e.text != "" {
		answer["error_description"] = e.text
	}
	return answer
}

// fieldsOf splits the values at spaces and drops duplicates.
func fieldsOf(values ...string) []string {
	var lists [][]string
	for _, value := range values {
		lists = append(lists, strings.Fields(value))
	}
	if list := unique.Strings(lists...); len(list) > 0 {
		return list
	}
	return nil
}

// within reports whether all of a are in b.
func within(a, b []string) bool {
	listed := make(map[string]bool, len(b))
	for _, s := range b {
		listed[s] = true
	}
	return !slices.ContainsFunc(a, func(s string) bool { return !listed[s] })
}
