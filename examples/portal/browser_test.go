package main

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"html"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// client speaks HTTP with the program, whatever host its URL names, and keeps cookies.
func (p *portal) client() *http.Client {
	p.t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(p.t, err)
	own, err := url.Parse(p.URL)
	require.NoError(p.t, err)
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		if host, _, _ := net.SplitHostPort(address); host == own.Hostname() && own.Port() == "" {
			address = p.address
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	p.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Jar: jar, Transport: transport}
}

// send sends a request and returns the body of the response.
func send(ctx context.Context, client *http.Client, method, address, media, body string, header ...string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", media)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// api sends an object to the program and returns the object of the response.
func (p *portal) api(path string, body any) (int, map[string]any) {
	p.t.Helper()
	text, err := json.Marshal(body)
	require.NoError(p.t, err)
	status, answer, err := send(p.t.Context(), p.client(), http.MethodPost, p.URL+"/api/v0/"+path, "application/json", string(text))
	require.NoError(p.t, err)
	object := map[string]any{}
	if answer != "" {
		if err := json.Unmarshal([]byte(answer), &object); err != nil {
			p.t.Fatalf("%s: %v: %s", path, err, answer)
		}
	}
	return status, object
}

type object = map[string]any

// login gets a mytoken as a program with a user does. The program requests it; the user
// opens the page in a browser, agrees, logs in at the provider, and comes back. It
// returns the token, and all other secrets. The request also has the members of with.
func (p *portal) login(with ...object) (token string, secrets []string) {
	p.t.Helper()
	request := object{
		"grant_type": "oidc_flow", "oidc_flow": "authorization_code", "client_type": "native", "oidc_issuer": p.provider,
		"capabilities": []string{"AT", "tokeninfo", "settings"},
	}
	for _, members := range with {
		maps.Copy(request, members)
	}
	got, secrets := p.register("token/my", request)
	token, _ = got["mytoken"].(string)
	require.NotEmpty(p.t, token)
	return token, append(secrets, token)
}

// register sends a request that needs the consent of a user, and polls for what it leads to.
func (p *portal) register(path string, request object) (got object, secrets []string) {
	p.t.Helper()
	status, started := p.api(path, request)
	consent, _ := started["consent_uri"].(string)
	if status != http.StatusOK || !strings.HasPrefix(consent, p.URL+"/c/") {
		p.t.Fatalf("%d %v", status, started)
	}
	browser := p.client()
	navigate := []string{"User-Agent", "Mozilla/5.0 (X11; Linux x86_64)", "Accept", "text/html", "Sec-Fetch-Mode", "navigate"}
	status, page, err := send(p.t.Context(), browser, http.MethodGet, consent, "", "", append(navigate, "Sec-Fetch-Site", "none")...)
	if err != nil || status != http.StatusOK {
		p.t.Fatalf("%d %v %s", status, err, page)
	}
	fields := formOf(p.t, page, consent)
	fields.Set("decision", "approve")
	status, page, err = send(p.t.Context(), browser, http.MethodPost, consent, "application/x-www-form-urlencoded", fields.Encode(),
		append(navigate, "Sec-Fetch-Site", "same-origin", "Origin", p.URL)...)
	link := regexp.MustCompile(`href="(` + regexp.QuoteMeta(p.provider) + `[^"]*)"`).FindStringSubmatch(page)
	if err != nil || status != http.StatusOK || link == nil {
		p.t.Fatalf("%d %v %s", status, err, page)
	}
	// the provider sends the browser back, and the service on to its last page
	there, err := optest.AsUser(html.UnescapeString(link[1]), "alice")
	require.NoError(p.t, err)
	status, page, err = send(p.t.Context(), browser, http.MethodGet, there, "", "", append(navigate, "Sec-Fetch-Site", "same-origin")...)
	if err != nil || status != http.StatusOK || !strings.Contains(page, "can fetch its token now") {
		p.t.Fatalf("%d %v %s", status, err, page)
	}
	code, _ := started["polling_code"].(string)
	status, got = p.api(path, object{"grant_type": "polling_code", "polling_code": code})
	if status != http.StatusOK {
		p.t.Fatalf("%d %v", status, got)
	}
	return got, []string{code, strings.TrimPrefix(consent, p.URL+"/c/")}
}

// access gets an access token.
func (p *portal) access(token string) string {
	p.t.Helper()
	status, got := p.api("token/access", object{"grant_type": "mytoken", "mytoken": token})
	text, _ := got["access_token"].(string)
	if status != http.StatusOK || text == "" {
		p.t.Fatalf("%d %v\n%s", status, got, p.errs)
	}
	return text
}

// formOf reads what a browser would send of the page's form with this action if the user
// changed nothing.
func formOf(t *testing.T, page, action string) url.Values {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	values := url.Values{}
	var inside bool
	var area, list string // the textarea, or the select, that is open
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v: %s", err, page)
		}
		switch token := token.(type) {
		case xml.StartElement:
			a := map[string]string{}
			for _, attribute := range token.Attr {
				a[attribute.Name.Local] = attribute.Value
			}
			_, checked := a["checked"]
			_, selected := a["selected"]
			switch name := token.Name.Local; {
			case name == "form":
				inside = a["action"] == action
			case !inside:
			case name == "textarea":
				area = a["name"]
				values.Add(area, "")
			case name == "select":
				list = a["name"]
			case name == "option" && (selected || !values.Has(list)):
				values.Set(list, a["value"])
			case name == "input" && a["name"] != "" && (checked || a["type"] != "checkbox" && a["type"] != "radio"):
				values.Add(a["name"], a["value"])
			}
		case xml.CharData:
			if area != "" {
				values.Set(area, string(token))
			}
		case xml.EndElement:
			switch token.Name.Local {
			case "form":
				inside = false
			case "textarea":
				area = ""
			}
		}
	}
	if len(values) == 0 {
		t.Fatalf("no form for %s: %s", action, page)
	}
	return values
}
