package optest

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
)

// Login acts as the browser of a user who follows a link to the provider's authorization endpoint, and returns the address
// that the provider sends the browser to, with code and state, or with error and state. It does not go there. Subject says
// who the user is; empty leaves it to the provider.
//
// It needs no Server and works across processes. Any HTTP client that follows redirects does the same and then goes on to the
// application; [AsUser] tells it who the user is.
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

// LoginAndFollow is Login that goes on to the application and returns its answer, after any redirects of the application's
// own. The client's cookies are those of the user's browser; nil means http.DefaultClient. The caller closes the body.
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

// AsUser returns the address of an authorization request with a parameter that tells this package's provider who the user at
// the browser is. An empty subject changes nothing.
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
