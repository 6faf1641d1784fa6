package optest

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// code is the state of an authorization code.
type code struct {
	clientID    string
	subject     string
	redirectURI string
	challenge   string
	nonce       string
	scopes      []string
	audiences   []string
	offline     bool
	authTime    time.Time
	expires     time.Time
	used        bool
	grant       *grant // nil until the code is used
}

// subjectParam is a parameter of the authorization endpoint. It names the user at the
// browser.
const subjectParam = "optest_user"

// serveAuthorize logs the user in and redirects the browser: at once, or after the login
// page. It responds with status 400 if a redirect would not be safe.
func (s *Server) serveAuthorize(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, "unreadable request", http.StatusBadRequest)
		return
	}
	form := r.Form
	s.mu.Lock()
	client, known := s.clients[form.Get("client_id")]
	s.mu.Unlock()
	redirectURI, err := url.Parse(form.Get("redirect_uri"))
	switch {
	case !known:
		http.Error(w, "unknown client", http.StatusBadRequest)
		return
	case err != nil || !redirectURI.IsAbs() || len(client.RedirectURLs) > 0 && !slices.Contains(client.RedirectURLs, form.Get("redirect_uri")):
		http.Error(w, "redirect_uri is not registered", http.StatusBadRequest)
		return
	}

	req := AuthorizationRequest{
		ClientID:  client.ID,
		Subject:   s.opts.Subject,
		Audiences: requestedAudiences(form),
		Prompt:    form.Get("prompt"),
		Params:    form,
	}
	for _, scope := range fieldsOf(form.Get("scope")) {
		if slices.Contains(s.opts.Scopes, scope) {
			req.Scopes = append(req.Scopes, scope)
		}
	}
	if hint := form.Get("login_hint"); hint != "" {
		req.Subject = hint
	}
	if subject := strings.TrimSpace(form.Get(subjectParam)); subject != "" {
		req.Subject = subject
	}
	f := s.fault(FaultPoint{
		Endpoint: EndpointAuthorize, ClientID: client.ID, Subject: req.Subject,
		Scopes: req.Scopes, Audiences: req.Audiences,
	})
	if f.before(w, r) {
		return
	}

	if ask, problem := s.asks(r); ask && invalid(req) == "" {
		if !f.after(w, r) {
			s.servePage(w, req, redirectURI, problem)
		}
		return
	}
	back := url.Values{"iss": {s.issuer}}
	if form.Has("state") {
		back.Set("state", form.Get("state"))
	}
	issued, denied := s.authorize(req)
	if denied != "" {
		back.Set("error", denied)
	} else {
		back.Set("code", issued)
	}
	if f.after(w, r) {
		return
	}
	if redirectURI.RawQuery != "" {
		redirectURI.RawQuery += "&"
	}
	redirectURI.RawQuery += back.Encode()
	status := http.StatusFound
	if r.Method == http.MethodPost {
		status = http.StatusSeeOther
	}
	http.Redirect(w, r, redirectURI.String(), status)
}

// invalid returns the OAuth error code of a request that no user could grant.
func invalid(req AuthorizationRequest) (code string) {
	form, prompts := req.Params, fieldsOf(req.Prompt)
	switch {
	case form.Get("response_type") != "code":
		return "unsupported_response_type"
	case form.Get("code_challenge_method") != "S256" || len(form.Get("code_challenge")) != 43:
		return "invalid_request"
	case !slices.Contains(req.Scopes, "openid"):
		return "invalid_scope"
	case slices.Contains(prompts, "none") && len(prompts) > 1:
		return "invalid_request"
	}
	return ""
}

// authorize returns an authorization code, or an OAuth error code.
func (s *Server) authorize(req AuthorizationRequest) (issued, denied string) {
	form := req.Params
	now := s.opts.Clock()
	deny := func(code string) (string, string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.record(Event{Kind: Denied, ClientID: req.ClientID, Subject: req.Subject, Scopes: req.Scopes, Audiences: req.Audiences, Error: code})
		return "", code
	}
	if code := invalid(req); code != "" {
		return deny(code)
	}
	if form.Get(decisionParam) == "cancel" {
		return deny("access_denied")
	}
	prompts := fieldsOf(req.Prompt)
	decision := s.opts.Decide(req)
	if decision.Error != "" {
		return deny(decision.Error)
	}
	if decision.Subject != "" {
		req.Subject = decision.Subject
	}
	if decision.Scopes != nil {
		req.Scopes = slices.Clone(decision.Scopes)
	}

	s.mu.Lock()
	authTime, loggedIn := s.sessions[req.Subject]
	s.mu.Unlock()
	if maxAge, err := strconv.Atoi(form.Get("max_age")); err == nil && now.Sub(authTime) > time.Duration(maxAge)*time.Second {
		loggedIn = false
	}
	if slices.Contains(prompts, "none") && !loggedIn {
		return deny("login_required")
	}
	if !loggedIn || slices.Contains(prompts, "login") || slices.Contains(prompts, "select_account") {
		authTime = now
	}

	issued = rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions[req.Subject] = authTime
	s.secrets = append(s.secrets, issued)
	s.codes[issued] = &code{
		clientID:    req.ClientID,
		subject:     req.Subject,
		redirectURI: form.Get("redirect_uri"),
		challenge:   form.Get("code_challenge"),
		nonce:       form.Get("nonce"),
		scopes:      req.Scopes,
		audiences:   req.Audiences,
		offline:     slices.Contains(req.Scopes, "offline_access") || form.Get("access_type") == "offline",
		authTime:    authTime,
		expires:     now.Add(s.opts.CodeLifetime),
	}
	s.record(Event{Kind: Authorized, ClientID: req.ClientID, Subject: req.Subject, Scopes: req.Scopes, Audiences: req.Audiences})
	return issued, ""
}

// requestedAudiences reads the parameters resource and audience. Each may be repeated,
// and may contain several audiences separated by spaces.
func requestedAudiences(form url.Values) []string {
	return fieldsOf(append(slices.Clone(form["resource"]), form["audience"]...)...)
}
