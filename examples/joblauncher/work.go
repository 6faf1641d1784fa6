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

// Environment variables of the process of a step. Package bearer has others for access
// tokens. A job that has its mytoken does not use those.
const (
	storageVariable = "JOB_STORAGE" // URL
	mytokenVariable = "MYTOKEN"
	issuerVariable  = "MYTOKEN_ISSUER"
)

// worker is the process of a step.
type worker struct {
	launcher *line
	storage  string
	client   *client.Client // nil if the launcher provides access tokens
	mytoken  mytoken.Secret
}

// work is the process of a step. It ends if its launcher has ended. It does the things in
// its arguments, one after the other:
//
//	read <name>, write <name>   an object of the storage service
//	compute <duration>
func work(ctx context.Context, launcher *line, things []string) (err error) {
	w := &worker{launcher: launcher, storage: os.Getenv(storageVariable)}
	if token := os.Getenv(mytokenVariable); token != "" {
		w.mytoken = mytoken.NewSecret(token)
		if w.client, err = client.New(client.Config{Issuer: os.Getenv(issuerVariable), Timeout: time.Minute, Attempts: 1}); err != nil {
			return err
		}
	}
	for _, thing := range things {
		said, err := w.do(ctx, thing)
		if refused, ok := errors.AsType[*client.Error](err); ok && refused.Explanation != nil {
			return w.refused(thing, refused)
		} else if err != nil {
			return fmt.Errorf("%s: %w", thing, err)
		}
		if _, err := launcher.ask(question{Done: said}); err != nil {
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
		_, err = w.launcher.ask(question{Compute: d})
		return "computed for " + what, err
	case "read":
		data, err := w.exchange(ctx, http.MethodGet, what, scopeRead, "")
		return fmt.Sprintf("read %s, %d bytes", what, len(data)), err
	case "write":
		_, err := w.exchange(ctx, http.MethodPut, what, scopeWrite, "results\n")
		return "stored " + what, err
	}
	return "", fmt.Errorf("%q is not a verb", verb)
}

// refused reports what refused the job, and when to try again.
func (w *worker) refused(thing string, e *client.Error) error {
	later, _ := e.Explanation.Earliest.Time()
	text := fmt.Sprintf("cannot %s: %s\n%s", thing, e.Description, e.Explanation)
	_, err := w.launcher.ask(question{Refused: text, Later: later})
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
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxObject))
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s: %s", resp.Status, resp.Header.Get("WWW-Authenticate"))
	}
	return data, err
}

// accessToken finds an access token anew each time, because the launcher may have
// replaced the file.
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
