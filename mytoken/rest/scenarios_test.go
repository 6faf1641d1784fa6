package rest_test

import (
	"testing/fstest"
	"time"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/mytoken/rest"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/guest"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// scenarios configure the services of transcripts that need an unusual one.
var scenarios = map[string][]func(*setup){
	"discovery": {func(o *setup) { o.rest.Documentation = "https://docs.example.org/" }},
	"native-login-failed": {func(o *setup) {
		o.Provider.Decide = func(r optest.AuthorizationRequest) optest.Decision {
			if r.Subject == "denied" {
				return optest.Decision{Error: "login_required"}
			}
			return optest.Decision{}
		}
	}},
	"web-login-trusted": {func(o *setup) {
		o.rest.TrustedRedirectURIs = []string{`https://portal\.example/done(\?.*)?`}
		o.rest.RedirectURIs = []string{`https://other\.example/cb`}
	}},
	"explanations": {func(o *setup) { o.rest.Explanations = rest.ExplainClauses }},
	"guests":       {withGuests},
	"ssh-keys":     {withSSH},
	"profiles": {func(o *setup) {
		o.rest.Templates = fstest.MapFS{
			"grid/restrictions/site.json": {Data: []byte(`{"include":["_/1d"],"hosts":["192.0.2.0/24"]}`)},
		}
	}},
	"profiles-write": {func(o *setup) { withEditors(&memoryTemplates{files: fstest.MapFS{}})(o) }},
	"standards": {func(o *setup) {
		o.rest.Clients = []rest.Client{{ID: "compute", Secret: mytoken.NewSecret("a-secret-of-the-tests")}}
	}},
}

// withGuests adds the provider for guests.
func withGuests(o *setup) {
	o.Clock = mytokentest.NewClock(time.Time{})
	o.Config = func(c *issuer.Config) {
		guests, err := guest.New(guest.Config{Issuer: c.Issuer + "/api/v0/guests", RedirectURL: c.Issuer + "/redirect/guests", Clock: o.Clock.Now})
		if err != nil {
			panic(err)
		}
		upstream, err := oidcupstream.New(guests.Upstream())
		if err != nil {
			panic(err)
		}
		c.Providers = append(c.Providers, issuer.Provider{Upstream: upstream, MaxLifetime: time.Hour})
		o.rest.Guest = guests
	}
}
