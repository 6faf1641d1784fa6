package rest_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/mytoken-go/sdk/mytoken/issuer"
)

// TestNativeLogin is protocol section 6.1 from beginning to end.
func TestNativeLogin(t *testing.T) {
	s := start(t)
	consent, polling := s.startNative(m{
		"name": "laptop:job", "application_name": `<b>"job" & co</b>`, "capabilities": []string{"AT", "tokeninfo"},
		"restrictions": []m{{"exp": "+1d", "hosts": []string{"this"}}}, "rotation": m{"on_AT": true},
	})
	s.fails(s.poll(polling), 428, "authorization_pending", "")

	b := s.browser()
	shown := b.open(consent)
	if shown.StatusCode != http.StatusOK || !strings.Contains(shown.text, "&lt;b&gt;&#34;job&#34; &amp; co&lt;/b&gt;") || strings.Contains(shown.text, "<b>") {
		t.Fatalf("%d %s", shown.StatusCode, shown.text)
	}
	to := b.approve(consent, nil)
	s.fails(s.poll(polling), 428, "authorization_pending", "")
	back := b.login(to, "alice")
	if back.StatusCode != http.StatusSeeOther || !strings.HasPrefix(back.Header.Get("Location"), "/native?login=") {
		t.Fatalf("%d %v %s", back.StatusCode, back.Header, back.text)
	}
	landing := b.open(s.URL + back.Header.Get("Location"))
	if landing.StatusCode != http.StatusOK || !strings.Contains(landing.text, "<strong><bdi>&lt;b&gt;&#34;job&#34; &amp; co&lt;/b&gt;</bdi></strong> can fetch its token") ||
		!strings.Contains(landing.text, "<bdi>laptop:job</bdi>") || strings.Contains(landing.text, "<b>") {
		t.Fatalf("%d %s", landing.StatusCode, landing.text)
	}
	got := s.object(s.poll(polling), http.StatusOK)
	if got["mytoken_type"] != "token" || got["mytoken"] == "" || got["mom_id"] == "" || got["expires_in"] != 86400.0 {
		t.Fatalf("%v", got)
	}
	if encode(t, got["capabilities"]) != `["AT","tokeninfo"]` { // rotation was not agreed to
		t.Fatalf("%v", got)
	}
	if _, ok := got["rotation"]; ok {
		t.Fatalf("%v", got)
	}
	if hosts := got["restrictions"].([]any)[0].(m)["hosts"]; encode(t, hosts) != `["127.0.0.1"]` {
		t.Fatalf("%v", got)
	}
	s.fails(s.poll(polling), 401, "invalid_token", "Bad polling or transfer code")

	access := s.object(s.post("/api/v0/token/access", m{"grant_type": "mytoken", "mytoken": got["mytoken"]}), http.StatusOK)
	if access["access_token"] == "" || access["token_type"] != "Bearer" {
		t.Fatalf("%v", access)
	}
}

// TestPolicyRefusesALogin: the text of the policy reaches the browser and the program
// that polls.
func TestPolicyRefusesALogin(t *testing.T) {
	s := start(t, func(o *setup) {
		o.Config = func(c *issuer.Config) {
			c.Policy = func(_ context.Context, i *issuer.Issuance) error {
				if i.Subject == "alice" {
					return errors.New("members only")
				}
				return nil
			}
		}
	})
	back, polled := s.tokenAs("alice", nil)
	s.fails(polled, 401, "access_denied", "members only")
	assert.Equal(t, http.StatusForbidden, back.StatusCode)
	assert.Contains(t, back.text, "members only")
}
