package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/client"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/mytoken/rest"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/restriction"
)

// begin is when the program begins, by its own clock.
var begin = time.Date(2030, time.March, 1, 8, 0, 0, 0, time.UTC)

// user is who lets the launcher work for her.
const user = "alice"

// userLife is how long the user lets the launcher work for her.
const userLife = 48 * time.Hour

// site is what the launcher finds when it starts: an OpenID provider, a mytoken
// service, a storage service, and a user who has logged in.
type site struct {
	service *mytokentest.Service
	storage *storage
	desk    string // URL of the clock and of the reports
	reached func(point) bool
	servers []*http.Server
	token   mytoken.Secret // the user's

	mu        sync.Mutex
	out       io.Writer
	timelines []report
	known     map[string]bool // secrets that were handed out
}

func startSite(ctx context.Context, out io.Writer, reached func(point) bool) (s *site, err error) {
	s = &site{out: out, reached: reached, known: make(map[string]bool)}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if err := s.startService(); err != nil {
		return s, err
	}
	if s.storage, err = newStorage(ctx, s.service.Provider.Issuer(), s.service.Clock.Now); err != nil {
		return s, err
	}
	if s.storage.url, err = s.serve(s.storage.handler()); err != nil {
		return s, err
	}
	if s.desk, err = s.serve(s.handler()); err != nil {
		return s, err
	}
	return s, s.login(ctx)
}

// startService starts the provider, which replaces the refresh token at each use, and
// the mytoken service, whose refusals say when to come back.
func (s *site) startService() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	iss := "http://" + listener.Addr().String()
	s.service, err = mytokentest.Start(mytokentest.Options{
		Clock: mytokentest.NewClock(begin), Provider: optest.Options{Rotation: optest.RotateStrict},
		Upstream: func(c *oidcupstream.Config) { c.RedirectURL = iss + "/redirect" },
		Config:   func(c *issuer.Config) { c.Issuer = iss },
	})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	handler, err := rest.NewHandler(s.service.Issuer, rest.Options{
		Logger: s.service.Config.Logger, Explanations: rest.ExplainClauses, RequestTimeout: time.Minute,
	})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	s.serveOn(listener, s.observed(handler))
	return nil
}

func (s *site) serve(h http.Handler) (url string, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	s.serveOn(listener, h)
	return "http://" + listener.Addr().String(), nil
}

func (s *site) serveOn(l net.Listener, h http.Handler) {
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	s.servers = append(s.servers, server)
	go server.Serve(l) // ends with close
}

// close ends everything. What a killed process has asked for is not waited for.
func (s *site) close() error {
	var err error
	for _, server := range s.servers {
		err = errors.Join(err, server.Close())
	}
	if s.service != nil {
		err = errors.Join(err, s.service.Close())
	}
	return err
}

// login is the user, who logs in with a browser.
func (s *site) login(ctx context.Context) error {
	issued, err := s.service.Login(ctx, user, mytoken.Properties{
		Name: "launcher", Capabilities: capability.Set{capability.AT, capability.CreateMytoken, capability.Tokeninfo},
		Restrictions: restriction.List{{
			Expires: begin.Add(userLife).Unix(), Scopes: []string{scopeRead, scopeWrite}, Audiences: []string{storageAudience},
			Hosts: []string{"127.0.0.1"},
		}},
	})
	if err != nil {
		return err
	}
	s.token = issued.Token
	s.learn(issued.Token.Reveal())
	return s.say("user", "logs in, and lets the launcher work for her for two days")
}

// transferCode is how the user's token gets to the launcher.
func (s *site) transferCode(ctx context.Context) (mytoken.Secret, error) {
	c, err := client.New(client.Config{Issuer: s.service.Issuer.URL(), Timeout: time.Minute})
	if err != nil {
		return mytoken.Secret{}, err
	}
	code, err := c.Transfer(ctx, s.token)
	if err != nil {
		return mytoken.Secret{}, err
	}
	return code.Code, nil
}

// observed is a handler whose answers are looked at before they leave.
func (s *site) observed(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := &heldAnswer{header: make(http.Header), status: http.StatusOK}
		h.ServeHTTP(a, r)
		s.learnFrom(a.body.Bytes())
		if s.reached(point("answer: " + r.Method + " " + r.URL.Path)) {
			panic(http.ErrAbortHandler)
		}
		for name, values := range a.header {
			w.Header()[name] = values
		}
		w.WriteHeader(a.status)
		_, _ = w.Write(a.body.Bytes()) // the launcher may be gone
	})
}

// heldAnswer is an answer that is not sent yet.
type heldAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *heldAnswer) Header() http.Header         { return a.header }
func (a *heldAnswer) WriteHeader(status int)      { a.status = status }
func (a *heldAnswer) Write(p []byte) (int, error) { return a.body.Write(p) }

// learnFrom finds the secrets in an answer.
func (s *site) learnFrom(body []byte) {
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil {
		return
	}
	for name, value := range members {
		var text string
		switch {
		case name == "token_update":
			s.learnFrom(value)
		case (name == "mytoken" || name == "access_token" || name == "transfer_code") && json.Unmarshal(value, &text) == nil:
			s.learn(text)
		}
	}
}

func (s *site) learn(secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known[secret] = true
}

// secrets are all that were handed out, those of the provider included.
func (s *site) secrets() []string {
	all := s.service.Provider.Secrets()
	s.mu.Lock()
	defer s.mu.Unlock()
	for secret := range s.known {
		all = append(all, secret)
	}
	return all
}

// say prints what somebody does, with the time since the beginning.
func (s *site) say(who, text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	prefix := fmt.Sprintf("%-8s %-12s", offset(s.service.Clock.Now()), who)
	for line := range strings.Lines(text) {
		if _, err := fmt.Fprintf(s.out, "%s %s\n", prefix, strings.TrimRight(line, "\n")); err != nil {
			return err
		}
		prefix = strings.Repeat(" ", len(prefix))
	}
	return nil
}

// offset is an instant as it is printed.
func offset(t time.Time) string {
	d := t.Sub(begin)
	return fmt.Sprintf("+%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
}
