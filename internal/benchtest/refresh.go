package benchtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/sync/singleflight"
)

// Refresh is the floor of a request for an access token: one POST of a form to the
// provider, whose answer is read to the end. It looks at nothing in the answer but a new
// refresh token.
type Refresh struct {
	// Client sends the requests; see NewClient.
	Client *http.Client
	// Endpoint is the token endpoint.
	Endpoint string
	// ID and Secret authenticate the client (client_secret_basic).
	ID, Secret string
	// Form has the parameters of the request, refresh_token included.
	Form url.Values

	flights singleflight.Group
}

// Post sends one request and keeps a new refresh token for the next one. It must not be
// called again before it has returned.
func (r *Refresh) Post(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.Endpoint, strings.NewReader(r.Form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(url.QueryEscape(r.ID), url.QueryEscape(r.Secret))
	resp, err := r.Client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("%s: %.200s", resp.Status, answer)
	case !bytes.Contains(answer, []byte(`"refresh_token"`)):
		return nil
	}
	var next struct {
		RefreshToken string `json:"refresh_token"`
	}
	if err := json.Unmarshal(answer, &next); err != nil {
		return err
	}
	r.Form.Set("refresh_token", next.RefreshToken)
	return nil
}

// Shared sends one request for all callers that wait at the same time. It is safe for
// concurrent use, but not together with Post.
func (r *Refresh) Shared(ctx context.Context) error {
	_, err, _ := r.flights.Do("", func() (any, error) { return nil, r.Post(ctx) })
	return err
}
