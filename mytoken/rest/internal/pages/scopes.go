package pages

import (
	"slices"
	"strings"

	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/internal/unique"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/restriction"
)

// standardScopes describes the scopes of OpenID Connect, of the WLCG token profile, of
// SciTokens, and of the AARC guidelines. A name that ends in :/
// describes only scopes with a path: without one they may mean anything.
var standardScopes = map[string]issuer.ScopeInfo{
	"openid":         {Title: "Know who you are", Description: "It sees the identifier under which the provider knows you."},
	"profile":        {Title: "Read your profile", Description: "Your name, user name, picture and the like."},
	"email":          {Title: "Read your email address"},
	"address":        {Title: "Read your postal address"},
	"phone":          {Title: "Read your phone number"},
	"offline_access": {Title: "Act while you are away", Description: "The login goes on when you close the browser. Every mytoken needs this."},

	"storage.read":   {Title: "Read files"},
	"storage.create": {Title: "Add files", Description: "It can upload new files. It cannot overwrite or delete any."},
	"storage.modify": {Title: "Change and delete files", Description: "It can upload, overwrite, rename and delete files.", Sensitive: true},
	"storage.stage":  {Title: "Read files, also from tape", Description: "It can have files fetched from slow storage."},
	"storage.poll":   {Title: "See whether files are ready", Description: "It can ask whether files were fetched from tape."},
	"compute.read":   {Title: "See jobs", Description: "It can look at jobs and their state."},
	"compute.create": {Title: "Submit jobs", Description: "It can start computing jobs."},
	"compute.modify": {Title: "Change jobs", Description: "It can change jobs that were submitted."},
	"compute.cancel": {Title: "Cancel jobs", Description: "It can stop and remove jobs."},
	"wlcg":           {Title: "Use the format of WLCG", Description: "Its access tokens are made for services of the LHC computing grid."},
	"wlcg.groups":    {Title: "Show your groups", Description: "Services see to which groups you belong."},

	"read:/":  {Title: "Read files"},
	"write:/": {Title: "Change and delete files", Sensitive: true},

	"entitlements":                  {Title: "Show your entitlements", Description: "Services see your groups, roles and permissions."},
	"eduperson_entitlement":         {Title: "Show your entitlements", Description: "Services see your groups, roles and permissions."},
	"eduperson_scoped_affiliation":  {Title: "Show your affiliation", Description: "Services see what you are at your organization, such as student or staff."},
	"voperson_external_affiliation": {Title: "Show your affiliation", Description: "Services see what you are at your organization, such as student or staff."},
	"eduperson_assurance":           {Title: "Show how you were identified", Description: "Services see how well your identity was checked."},
	"eduperson_unique_id":           {Title: "Show your identifier", Description: "Services see an identifier that stays the same everywhere."},
	"voperson_id":                   {Title: "Show your identifier", Description: "Services see an identifier that stays the same everywhere."},
	"groups":                        {Title: "Show your groups", Description: "Services see to which groups you belong."},
}

// scopes describes what a login at a provider requests for a token with these
// restrictions.
func (p *Pages) scopes(iss string, list restriction.List) []scopeView {
	all, bounded := list.ScopeUnion()
	if !bounded {
		all = p.knownScopes(iss)
		for i := range list {
			all = append(all, list[i].Scopes...)
		}
	}
	return p.describe(iss, all)
}

// describe says in words what scopes of a provider allow.
func (p *Pages) describe(iss string, scopes []string) []scopeView {
	var configured map[string]issuer.ScopeInfo
	known := func(string) bool { return true }
	if p := p.login(iss); p != nil {
		configured, known = p.Scopes, knownTo(p)
	}
	var out []scopeView
	for _, name := range unique.Strings(scopes) {
		info, parameter := lookUp(name, configured)
		out = append(out, scopeView{
			Name: legible.Show(name), Title: info.Title, Description: info.Description, Sensitive: info.Sensitive,
			Limit: legible.Show(limitWords(parameter)), Unknown: !known(name),
		})
	}
	return out
}

// lookUp returns what is known of a scope, and its parameter if the text is about the
// name before it.
func lookUp(name string, configured map[string]issuer.ScopeInfo) (info issuer.ScopeInfo, parameter string) {
	for _, texts := range []map[string]issuer.ScopeInfo{configured, standardScopes} {
		if info, found := texts[name]; found {
			return info, ""
		}
		for base := range bases(name) {
			parameter := name[len(base)+1:]
			if info, found := texts[base]; found {
				return info, parameter
			}
			if info, found := texts[base+":/"]; found && strings.HasPrefix(parameter, "/") {
				return info, parameter
			}
		}
	}
	return issuer.ScopeInfo{}, ""
}

// bases yields what stands before each colon of a scope, the longest first.
func bases(name string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for at := strings.LastIndexByte(name, ':'); at > 0; at = strings.LastIndexByte(name[:at], ':') {
			if !yield(name[:at]) {
				return
			}
		}
	}
}

// limitWords says what the parameter of a scope limits it to.
func limitWords(parameter string) string {
	switch {
	case parameter == "":
		return ""
	case parameter == "/":
		return "Everywhere."
	case strings.HasPrefix(parameter, "/"):
		return "Only below " + parameter
	}
	return "Only for " + parameter
}

// knownTo returns whether a provider lists a scope, or it is configured. Every scope is
// known of a provider that lists none, or whose metadata has not been fetched yet.
func knownTo(p *issuer.Provider) func(scope string) bool {
	supported := supportedScopes(p)
	if len(supported) == 0 {
		return func(string) bool { return true }
	}
	known := make(map[string]bool)
	for name := range p.Scopes {
		known[name] = true
	}
	for _, name := range slices.Concat(supported, p.Upstream.Scopes(), []string{"openid", "offline_access"}) {
		known[name] = true
		// A provider that lists storage.read:/ knows storage.read, and other paths.
		if base, _, found := strings.Cut(name, ":/"); found && !strings.Contains(name, "://") {
			known[base] = true
		}
	}
	return func(scope string) bool {
		if known[scope] {
			return true
		}
		for base := range bases(scope) {
			if known[base] {
				return true
			}
		}
		return false
	}
}

// mostSupported is how many supported scopes package oidcupstream keeps. A list that is
// so long may have lost some.
const mostSupported = 1024

// supportedScopes returns the scopes that a provider lists, if that is known already.
func supportedScopes(p *issuer.Provider) []string {
	metadata, _ := p.Upstream.Discovered()
	if len(metadata.ScopesSupported) >= mostSupported {
		return nil
	}
	return metadata.ScopesSupported
}
