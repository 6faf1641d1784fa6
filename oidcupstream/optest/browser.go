package optest

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
)

// Login acts as the browser of a user who follows authURL to the provider's authorization
// endpoint. It returns the address to which the provider redirects the browser, with code
// and state or with error and state. It does not visit that address. subject is the user;
// if it is empty, the server chooses one. Login returns an error if the provider does not
// redirect.
//
// Login needs no Server and works across processes.
func Login(ctx context.Context, authURL, subject string) (redirectURL string, err error) {
	address, err := AsUser(authURL, subject)
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", fmt.Errorf("optest: login: %w", err)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return "", fmt.Errorf("optest: login: %w", err)
	}
	resp.Body.Close()
	location, err := resp.Location()
	if err != nil {
		return "", fmt.Errorf("optest: login: the provider answered %s instead of a redirect", resp.Status)
	}
	return location.String(), nil
}

// LoginAndFollow acts like Login, but follows the redirect to the application, and the
// redirects of the application too. It returns the last response. client holds the
// cookies of the user's browser; nil means http.DefaultClient. The caller closes the body
// of the response.
func LoginAndFollow(ctx context.Context, client *http.Client, authURL, subject string) (*http.Response, error) {
	address, err := AsUser(authURL, subject)
	if err != nil {
		return nil, err
	}
	if client == nil {
		client = http.DefaultClient
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("optest: login: %w", err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("optest: login: %w", err)
	}
	return resp, nil
}

// AsUser adds a parameter to the address of an authorization request, which tells a
// [Server] who the user at the browser is. An empty subject changes nothing. Use AsUser
// with an HTTP client of your own.
func AsUser(authURL, subject string) (string, error) {
	u, err := url.Parse(authURL)
	if err != nil {
		return "", fmt.Errorf("optest: login: not a URL")
	}
	if subject != "" {
		query := u.Query()
		query.Set(subjectParam, subject)
		u.RawQuery = query.Encode()
	}
	return u.String(), nil
}
