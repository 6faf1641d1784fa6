package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/client"
	"github.com/mytoken-go/sdk/mytoken/client/bearer"
)

// Variables of the process of a step. How it gets at access tokens is in the others:
// those of package bearer, or its mytoken.
const (
	deskVariable    = "JOB_DESK"    // URL at which the launcher answers
	storageVariable = "JOB_STORAGE" // URL
	mytokenVariable = "MYTOKEN"
	issuerVariable  = "MYTOKEN_ISSUER"
)

// worker is the process of a step.
type worker struct {
	desk, storage string
	client        *client.Client // nil: it finds access tokens
	mytoken       mytoken.Secret
}

// work is the process of a step: it does one thing after the other, and asks the
// launcher for the time that this takes.
//
//	read <name>, write <name>   an object of the storage service
//	compute <duration>
func work(ctx context.Context, things []string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // a job does not outlive its launcher
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	if os.Getenv(configVariable) != "" {
		return errors.New("a job was told how its launcher is configured")
	}
	w := &worker{desk: os.Getenv(deskVariable), storage: os.Getenv(storageVariable)}
	if token := os.Getenv(mytokenVariable); token != "" {
		var err error
		if w.client, err = client.New(client.Config{Issuer: os.Getenv(issuerVariable), Clock: deskClock{ctx, w.desk}, Timeout: time.Minute, Attempts: 1}); err != nil {
			return err
		}
		w.mytoken = mytoken.NewSecret(token)
	}
	for _, thing := range things {
		said, err := w.do(ctx, thing)
		if refused, ok := errors.AsType[*client.Error](err); ok && refused.Explanation != nil {
			return w.refused(ctx, thing, refused)
		} else if err != nil {
			return fmt.Errorf("%s: %w", thing, err)
		}
		if _, err := ask[struct{}](ctx, w.desk+"/done", said); err != nil {
			return err
		}
	}
	return nil
}

func (w *worker) do(ctx context.Context, thing string) (said string, err error) {
	verb, what, _ := strings.Cut(thing, " ")
	switch verb {
	case "compute":
		d, err := time.ParseDuration(what)
		if err != nil {
			return "", err
		}
		_, err = ask[struct{}](ctx, w.desk+"/compute", d)
		return "computed for " + what, err
	case "read":
		data, err := w.exchange(ctx, http.MethodGet, what, scopeRead, "")
		return fmt.Sprintf("read %s, %d bytes", what, len(data)), err
	case "write":
		_, err := w.exchange(ctx, http.MethodPut, what, scopeWrite, "results\n")
		return "stored " + what, err
	}
	return "", errors.New("unknown")
}

// refused tells what refused the job, and when it may come back.
func (w *worker) refused(ctx context.Context, thing string, e *client.Error) error {
	later, _ := e.Explanation.Earliest.Time()
	text := fmt.Sprintf("cannot %s: %s\n%s", thing, e.Description, e.Explanation)
	_, err := ask[struct{}](ctx, w.desk+"/later", refusal{Text: text, Later: later})
	return err
}

// exchange sends a request to the storage service.
func (w *worker) exchange(ctx context.Context, method, name, scope, body string) ([]byte, error) {
	token, err := w.accessToken(ctx, scope)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, w.storage+"/"+name, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token.Reveal())
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxMessage))
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s: %s", resp.Status, resp.Header.Get("WWW-Authenticate"))
	}
	return data, err
}

// accessToken finds an access token, each time anew: a file may have been replaced.
func (w *worker) accessToken(ctx context.Context, scope string) (mytoken.Secret, error) {
	if w.client == nil {
		found, err := bearer.Discover()
		return found.Token, err
	}
	got, err := w.client.AccessToken(ctx, w.mytoken, client.AccessTokenRequest{Scopes: []string{scope}, Audiences: []string{storageAudience}})
	if err != nil {
		return mytoken.Secret{}, err
	}
	return got.Token, nil
}

// deskClock is the launcher's clock, as its jobs see it.
type deskClock struct {
	ctx  context.Context
	desk string
}

// Now implements client.Clock.
func (c deskClock) Now() time.Time {
	now, err := ask[time.Time](c.ctx, c.desk+"/now", nil)
	if err != nil {
		return time.Time{} // the launcher is gone, and so is this process
	}
	return now
}

// After implements client.Clock. Nobody waits: requests are sent once.
func (c deskClock) After(d time.Duration) <-chan time.Time {
	ch := make(chan time.Time, 1)
	ch <- c.Now().Add(d)
	return ch
}
