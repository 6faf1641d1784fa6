package optest

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/mytoken-go/sdk/internal/legible"
)

var (
	//go:embed page.html
	pageHTML string
	//go:embed page.css
	pageCSS []byte

	pageTemplate = template.Must(template.New("page.html").Parse(pageHTML))
)

// loginPage is what page.html gets.
type loginPage struct {
	Client, Return string // who asks, and where the browser goes afterwards
	Scopes         []scopeLine
	Audiences      []string
	Users          []userLine
	Subject        string
	Problem        string // what is wrong with the subject, or empty
	Params         []param
}

type scopeLine struct{ Name, Text string }

type userLine struct{ Subject, Name string }

// param is a parameter of the authorization request, which the form sends again.
type param struct{ Name, Value string }

// scopeTexts are the scopes that OpenID Connect Core sections 5.4 and 11 define.
var scopeTexts = map[string]string{
	"openid":         "see who you are",
	"profile":        "see your name and your profile",
	"email":          "see your email address",
	"address":        "see your postal address",
	"phone":          "see your phone number",
	"offline_access": "act for you when you are away, until you withdraw it",
}

// decisionParam is a parameter that the login page sends: cancel if the user does not log
// in.
const decisionParam = "optest_decision"

// asks reports whether the user at the browser has to see the login page. problem is what
// is wrong with the subject that the user sent.
func (s *Server) asks(r *http.Request) (ask bool, problem string) {
	form := r.Form
	switch {
	case !s.opts.LoginPage || !strings.Contains(r.Header.Get("Accept"), "text/html"),
		form.Get(decisionParam) == "cancel", slices.Contains(fieldsOf(form.Get("prompt")), "none"):
		return false, ""
	case !form.Has(subjectParam):
		return true, ""
	case strings.TrimSpace(form.Get(subjectParam)) == "":
		return true, "Type a user name. Any name will do."
	}
	if reason := legible.Refuse(form.Get(subjectParam)); reason != "" {
		return true, "Choose another user name: " + reason + "."
	}
	return false, ""
}

// servePage shows the login page.
func (s *Server) servePage(w http.ResponseWriter, req AuthorizationRequest, back *url.URL, problem string) {
	page := loginPage{
		Client: legible.Show(req.ClientID), Return: back.Scheme + "://" + back.Host, Audiences: req.Audiences,
		Subject: legible.Show(req.Subject), Problem: problem,
	}
	if problem != "" {
		page.Subject = legible.Show(req.Params.Get(subjectParam))
	}
	for _, name := range req.Scopes {
		page.Scopes = append(page.Scopes, scopeLine{legible.Show(name), scopeTexts[name]})
	}
	for _, u := range s.opts.Users {
		name, _ := u.Claims["name"].(string)
		page.Users = append(page.Users, userLine{u.Subject, legible.Show(name)})
	}
	for name, values := range req.Params {
		if name != subjectParam && name != decisionParam {
			for _, value := range values {
				page.Params = append(page.Params, param{name, value})
			}
		}
	}
	slices.SortStableFunc(page.Params, func(a, b param) int { return strings.Compare(a.Name, b.Name) })
	var out bytes.Buffer
	if err := pageTemplate.Execute(&out, page); err != nil {
		http.Error(w, "the login page cannot be shown: "+err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	// form-action is not restricted: browsers apply it to the redirect that follows the
	// form too, and clients are everywhere.
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	if problem != "" {
		w.WriteHeader(http.StatusBadRequest)
	}
	w.Write(out.Bytes())
}

func serveStyle(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Write(pageCSS)
}
