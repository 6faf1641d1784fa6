package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
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

const (
	user     = "alice"        // the user, who lets the launcher work for her
	userLife = 48 * time.Hour // for how long
)

// site is the world in which the launcher starts: an OpenID provider, a mytoken service,
// a storage service, and a user who has logged in.
type site struct {
	service  *mytokentest.Service
	storage  *storage
	reached  func(point) bool
	answered func(body []byte) // called with each answer of the mytoken service; may be nil
	servers  []*http.Server
	token    mytoken.Secret // the user's

	mu  sync.Mutex
	out io.Writer
}

func startSite(ctx context.Context, out io.Writer, reached func(point) bool) (s *site, err error) {
	s = &site{out: out, reached: reached}
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
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return s, err
	}
	s.storage.url = "http://" + listener.Addr().String()
	s.serve(listener, s.storage)
	return s, s.login(ctx)
}

// startService starts the provider and the mytoken service. The provider replaces the
// refresh token at each use. The service says in refusals when to try again.
func (s *site) startService() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	iss := "http://" + listener.Addr().String()
	s.service, err = mytokentest.Start(mytokentest.Options{
		Clock: mytokentest.NewClock(begin), Provider: optest.Options{Rotation: optest.RotateStrict},
		Upstream: func(c *oidcupstream.Config) {
			c.RedirectURL = iss + "/redirect/" + oidcupstream.DefaultShortName(c.Issuer)
		},
		Config: func(c *issuer.Config) { c.Issuer = iss },
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
	s.serve(listener, s.hold(handler))
	return nil
}

func (s *site) serve(l net.Listener, h http.Handler) {
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	s.servers = append(s.servers, server)
	go server.Serve(l) // until close
}

// close ends all services. It does not wait for requests of a killed process.
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

// login logs the user in, as a browser would.
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
	s.say("user", "logs in, and lets the launcher work for her for two days")
	return nil
}

// transferCode returns the code that gives the launcher a copy of the user's token.
func (s *site) transferCode(ctx context.Context) (string, error) {
	c, err := client.New(client.Config{Issuer: s.service.Issuer.URL(), Timeout: time.Minute})
	if err != nil {
		return "", err
	}
	code, err := c.Transfer(ctx, s.token)
	if err != nil {
		return "", err
	}
	return code.Code.Reveal(), nil
}

// advance moves the clock forward, never back.
func (s *site) advance(to time.Time) {
	if to.After(s.service.Clock.Now()) {
		s.service.Clock.Set(to)
	}
}

// hold delays each answer of a handler until the launcher may be killed. A killed
// launcher gets no answer.
func (s *site) hold(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		held := httptest.NewRecorder()
		h.ServeHTTP(held, r)
		if s.answered != nil {
			s.answered(held.Body.Bytes())
		}
		if s.reached(point("answer: " + r.Method + " " + r.URL.Path)) {
			panic(http.ErrAbortHandler)
		}
		maps.Copy(w.Header(), held.Header())
		w.WriteHeader(held.Code)
		_, _ = held.Body.WriteTo(w) // the launcher may be gone
	})
}

// say prints what somebody does, with the time since the beginning.
func (s *site) say(who, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.service.Clock.Now().Sub(begin)
	prefix := fmt.Sprintf("+%dh%02dm %-12s ", d/time.Hour, d%time.Hour/time.Minute, who)
	for line := range strings.Lines(strings.TrimSpace(text)) {
		fmt.Fprintln(s.out, strings.TrimRight(prefix+line, " \n"))
		prefix = strings.Repeat(" ", len(prefix))
	}
}
