package issuer_test

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"testing"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/restriction"
)

func startService(t *testing.T, change ...func(*mytokentest.Options)) *mytokentest.Service {
	t.Helper()
	var opts mytokentest.Options
	for _, change := range change {
		change(&opts)
	}
	service, err := mytokentest.Start(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := service.Close(); err != nil {
			t.Error(err)
		}
	})
	return service
}

func loginWith(t *testing.T, service *mytokentest.Service, props mytoken.Properties) *mytoken.Issued {
	t.Helper()
	issued, err := service.Login(t.Context(), "alice", props)
	if err != nil {
		t.Fatal(err)
	}
	return issued
}

// An operation of the embedding service is checked and counted like one of the issuer.
func TestAuthorizeCounts(t *testing.T) {
	service := startService(t)
	issued := loginWith(t, service, mytoken.Properties{
		Capabilities: capability.Set{capability.ReadSettings},
		Restrictions: restriction.List{{UsagesOther: restriction.Usages(1)}},
		Rotation:     &mytoken.Rotation{OnOther: true},
	})
	req := issuer.AuthorizeRequest{Token: issued.Token, Needs: capability.SettingsGrants, Event: "x", Client: mytokentest.Client}
	var lacks *mytoken.CapabilityError
	if _, err := service.Issuer.Authorize(t.Context(), req); !errors.As(err, &lacks) {
		t.Fatalf("writing with a capability to read: %v", err)
	}
	req.Needs = capability.ReadSettingsGrants
	got, err := service.Issuer.Authorize(t.Context(), req)
	if err != nil || got.Claims.ID() != issued.ID || got.Update == nil {
		t.Fatalf("%+v, %v", got, err)
	}
	req.Token = got.Update.Token
	var refused *issuer.RefusedError
	if _, err := service.Issuer.Authorize(t.Context(), req); !errors.As(err, &refused) {
		t.Fatalf("a second use of one: %v", err)
	}
	for _, incomplete := range []issuer.AuthorizeRequest{
		{Token: req.Token, Event: "x"}, {Token: req.Token, Needs: capability.ReadSettings},
	} {
		if _, err := service.Issuer.Authorize(t.Context(), incomplete); err == nil {
			t.Error("an incomplete request was authorised")
		}
	}
}

// Inspect needs no capability, and ignores where the token may be used. The token must be
// live.
func TestInspect(t *testing.T) {
	service := startService(t)
	issued := loginWith(t, service, mytoken.Properties{
		Capabilities: capability.Set{capability.AT}, Restrictions: restriction.List{{Hosts: []string{"203.0.113.9"}}},
	})
	got, err := service.Issuer.Inspect(t.Context(), issuer.InspectRequest{Token: issued.Token})
	if err != nil || got.Claims.ID() != issued.ID || got.Type != mytoken.ResponseToken {
		t.Fatalf("%+v, %v", got, err)
	}
	if _, err := service.Issuer.Revoke(t.Context(), issuer.RevokeRequest{Token: issued.Token}); err != nil {
		t.Fatal(err)
	}
	var dead *issuer.TokenError
	if _, err := service.Issuer.Inspect(t.Context(), issuer.InspectRequest{Token: issued.Token}); !errors.As(err, &dead) {
		t.Fatalf("of a revoked token: %v", err)
	}
}

// Preview returns what Derive would make, and makes nothing.
func TestPreview(t *testing.T) {
	service := startService(t)
	parent := loginWith(t, service, mytoken.Properties{
		Capabilities: capability.Set{capability.AT, capability.CreateMytoken},
		Restrictions: restriction.List{{Scopes: []string{"openid", "compute"}, UsagesOther: restriction.Usages(1)}},
	})
	req := issuer.DeriveRequest{Token: parent.Token, Client: mytokentest.Client, Adjust: true, Properties: mytoken.Properties{
		Capabilities: capability.Set{capability.AT, capability.Settings},
		Restrictions: restriction.List{{Scopes: []string{"compute"}, UsagesOther: restriction.Usages(0)}, {Scopes: []string{"storage.read"}}},
	}}
	for range 2 { // it spends nothing
		got, err := service.Issuer.Preview(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Capabilities, capability.Set{capability.AT}) || len(got.Restrictions) != 1 || got.Restrictions[0].Scopes[0] != "compute" {
			t.Fatalf("%+v", got)
		}
	}
	child, err := service.Issuer.Derive(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	var lacks *mytoken.CapabilityError
	if _, err := service.Issuer.Preview(t.Context(), issuer.DeriveRequest{Token: child.Token, Client: mytokentest.Client}); !errors.As(err, &lacks) {
		t.Fatalf("by a token that cannot derive: %v", err)
	}
}

// A pending login is known until its state is used up.
func TestPendingLogin(t *testing.T) {
	service := startService(t)
	login, err := service.Issuer.StartLogin(t.Context(), issuer.LoginRequest{
		Provider: service.Provider.Issuer(), Application: "app", ReturnTo: "/home", Client: mytokentest.Client,
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		got, err := service.Issuer.PendingLogin(t.Context(), login.State)
		if err != nil || *got != (issuer.PendingLogin{Application: "app", ReturnTo: "/home"}) {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	finish(t, service, login)
	if _, err := service.Issuer.PendingLogin(t.Context(), login.State); !errors.Is(err, issuer.ErrState) {
		t.Fatalf("after the login: %v", err)
	}
	if _, err := service.Issuer.PendingLogin(t.Context(), mytoken.NewSecret("")); !errors.Is(err, issuer.ErrState) {
		t.Fatalf("without a state: %v", err)
	}
	native, err := service.Issuer.StartNative(t.Context(), issuer.LoginRequest{Provider: service.Provider.Issuer(), Client: mytokentest.Client})
	if err != nil {
		t.Fatal(err)
	}
	if login, err = service.Issuer.Approve(t.Context(), native.ConsentCode, mytoken.Properties{Capabilities: capability.Default()}); err != nil {
		t.Fatal(err)
	}
	if got, err := service.Issuer.PendingLogin(t.Context(), login.State); err != nil || !got.Polled {
		t.Fatalf("%+v, %v", got, err)
	}
}

func finish(t *testing.T, service *mytokentest.Service, login *issuer.Login) {
	t.Helper()
	redirect, err := optest.Login(context.WithoutCancel(t.Context()), login.URL, "alice")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(redirect)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := service.Issuer.FinishLogin(t.Context(), issuer.FinishRequest{Query: u.Query(), Client: mytokentest.Client}); err != nil {
		t.Fatal(err)
	}
}

// RestrictionOptions returns those of the configuration. Changing them does not change
// the issuer's.
func TestRestrictionOptions(t *testing.T) {
	never := func([]byte) (restriction.Condition, error) { return nil, errors.New("never") }
	service := startService(t, func(o *mytokentest.Options) {
		o.Config = func(c *issuer.Config) {
			c.Restrictions.Conditions = map[string]restriction.Factory{"badge": never}
			c.Restrictions.Disabled = []string{restriction.KeyGeoIPAllow}
		}
	})
	got := service.Issuer.RestrictionOptions()
	if got.Conditions["badge"] == nil || !slices.Equal(got.Disabled, []string{restriction.KeyGeoIPAllow}) {
		t.Fatalf("%+v", got)
	}
	delete(got.Conditions, "badge")
	got.Disabled[0] = restriction.KeyScope
	if keys := service.Issuer.RestrictionKeys(); !slices.Contains(keys, "badge") || !slices.Contains(keys, restriction.KeyScope) {
		t.Errorf("the issuer forgot keys: %v", keys)
	}
}

// Issuers with the same keys recognise each other's marks, other issuers do not. A code
// without a mark does not pass.
func TestMarks(t *testing.T) {
	service := startService(t)
	other, err := issuer.New(service.Config)
	if err != nil {
		t.Fatal(err)
	}
	stranger := startService(t).Issuer
	native, err := service.Issuer.StartNative(t.Context(), issuer.LoginRequest{Provider: service.Provider.Issuer()})
	if err != nil {
		t.Fatal(err)
	}
	code := native.PollingCode
	marked := service.Issuer.MarkCode(code)
	if len(marked.Reveal()) >= 32 {
		t.Errorf("a marked polling code of %d characters is taken for a token", len(marked.Reveal()))
	}
	if got, ok := other.UnmarkCode(marked); !ok || !got.Equal(code) {
		t.Error("another process does not know the mark")
	}
	s := marked.Reveal()
	first := "x"
	if s[0] == 'x' {
		first = "y"
	}
	for name, forged := range map[string]string{
		"no mark": code.Reveal(), "no code": s[len(s)-7:], "empty": "", "another code": first + s[1:], "cut": s[:len(s)-1], "longer": s + "a",
	} {
		if got, ok := service.Issuer.UnmarkCode(mytoken.NewSecret(forged)); ok || got.Reveal() != forged {
			t.Errorf("%s: accepted, or changed", name)
		}
	}
	if _, ok := stranger.UnmarkCode(marked); ok {
		t.Error("an issuer with other keys knows the mark")
	}
	if !service.Issuer.MarkCode(mytoken.Secret{}).IsEmpty() {
		t.Error("the empty code got a mark")
	}
}
