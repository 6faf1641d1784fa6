package browsertest

import (
	"bytes"
	"context"
	"image"
	"image/png"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/makiuchi-d/gozxing"
	zxing "github.com/makiuchi-d/gozxing/qrcode"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
)

// user is the user who logs in unless a test names another.
const user = "alice"

// give gives the user a token.
func (s *service) give(props mytoken.Properties) string {
	s.t.Helper()
	issued, err := s.Login(s.t.Context(), user, props)
	require.NoError(s.t, err)
	return issued.Token.Reveal()
}

// derive creates a child of a token.
func (s *service) derive(parent, name string) string {
	s.t.Helper()
	status, answer := s.post("/api/v0/token/my", m{"grant_type": "mytoken", "mytoken": parent, "name": name, "capabilities": []string{"AT"}})
	require.Equal(s.t, http.StatusOK, status, "%v", answer)
	return answer["mytoken"].(string)
}

func (s *service) access(token string) (status int, answer m) {
	s.t.Helper()
	return s.post("/api/v0/token/access", m{"grant_type": "mytoken", "mytoken": token})
}

// manage logs the user in to the management pages.
func manage(t *testing.T, v view, s *service) *tab {
	t.Helper()
	b := open(t, v, s.URL+"/manage")
	b.press("#provider-0", "/manage", "form.search")
	return b
}

// TestTokens: the user looks at a token, its children and its history, and revokes it.
func TestTokens(t *testing.T) {
	eachView(t, func(t *testing.T, v view) {
		s := start(t)
		now := s.Clock.Now()
		parent := s.give(mytoken.Properties{
			Name: "cluster: nightly backup", Capabilities: capability.Set{capability.AT, capability.CreateMytoken, capability.Tokeninfo},
			Restrictions: restriction.List{
				{NotBefore: now.Unix(), Expires: now.Add(10 * 24 * time.Hour).Unix(), Scopes: []string{"openid", "compute"}, UsagesAT: restriction.Usages(5), Hosts: []string{"127.0.0.0/8"}},
				{NotBefore: now.Add(5 * 24 * time.Hour).Unix(), Expires: now.Add(20 * 24 * time.Hour).Unix(), Audiences: []string{"https://storage.example"}},
			},
		})
		child := s.derive(parent, "job 4711")
		for range 2 {
			status, answer := s.access(child)
			require.Equal(t, http.StatusOK, status, "%v", answer)
		}
		b := open(t, v, s.URL+"/home")
		b.look("home")
		b.press("#manage", "/manage", "#login")
		b.look("login")
		b.clean()
		b.press("#provider-0", "/manage", "form.search")
		b.look("tokens")
		for _, said := range []string{user, "Example University", "cluster: nightly backup", "job 4711", "mytoken-web"} {
			require.Contains(t, b.text(), said)
		}
		b.fill("#search", "4711")
		b.press("form.search button", "/manage", "form.search")
		require.Contains(t, b.text(), "job 4711")
		require.NotContains(t, b.text(), "mytoken-web")

		b.press(`ul ul a.token-name`, "/manage/token", "#history")
		b.look("child")
		b.press(`dl.facts a`, "/manage/token", "#children")
		b.look("token")
		for _, said := range []string{"cluster: nightly backup", "job 4711", "https://storage.example"} {
			require.Contains(t, b.text(), said)
		}
		b.press("#revoke", "/manage/revoke", "#revoke-form")
		b.look("revoke")
		b.press("#confirm", "/manage", "[role=status]")
		b.look("revoked")
		for _, token := range []string{parent, child} {
			status, _ := s.access(token)
			require.Equal(t, http.StatusUnauthorized, status)
		}
		b.press("#logout", "/home", "#manage")
		b.press("#manage", "/manage", "#login")
	})
}

// TestCreateToken: the user creates a token with the editor, copies it, and uses it.
func TestCreateToken(t *testing.T) {
	eachView(t, func(t *testing.T, v view) {
		s := start(t)
		b := manage(t, v, s)
		b.press(`nav a[href$="/create"]`, "/manage/create", "#create-form")
		b.look("create")
		b.fill("#name", "laptop")
		b.fill("#clause-1-scope", "openid compute")
		b.fill("#clause-1-hosts", "not/an/address")
		b.press("#create", "/manage/create", "[role=alert]")
		b.look("create-problem")
		b.clean("status: 400", "log: error")
		b.fill("#clause-1-hosts", "127.0.0.0/8")
		b.press("#add-clause", "/manage/create", "#clause-2")
		b.fill("#clause-2-scope", "openid storage.read")
		b.fill("#clause-2-usages_AT", "3")
		b.fill("#clause-2-schedule", "Monday to Sunday, Europe/Berlin")
		b.press("#check", "/manage/create", ".timeline svg")
		b.look("create-checked")
		b.pressInto("#create", "#token")
		b.look("created")

		token := eval[string](b, `document.querySelector("#token").value`)
		status, answer := s.access(token)
		require.Equal(t, http.StatusOK, status, "%v", answer)
		require.Equal(t, "openid compute", answer["scope"])
		require.Regexp(t, `/login/[\w-]{12}$`, eval[string](b, "location.href"))

		b.press("#done", "/manage", "form.search")
		require.Contains(t, b.text(), "laptop")
		require.NotContains(t, b.text(), token)
	})
}

// TestTransferCode: the user creates a token for another device, which scans the code.
func TestTransferCode(t *testing.T) {
	eachView(t, func(t *testing.T, v view) {
		s := start(t)
		b := manage(t, v, s)
		b.press(`nav a[href$="/create"]`, "/manage/create", "#create-form")
		b.fill("#name", "for the other device")
		b.do(b.click("#response-transfer"))
		b.pressInto("#create", "#code")
		b.look("code")
		code := eval[string](b, `document.querySelector("#code").value`)
		require.Equal(t, code, b.scan("figure.qr svg"))

		status, answer := s.post("/api/v0/token/my", m{"grant_type": "transfer_code", "transfer_code": code})
		require.Equal(t, http.StatusOK, status, "%v", answer)
		status, answer = s.access(answer["mytoken"].(string))
		require.Equal(t, http.StatusOK, status, "%v", answer)
	})
}

// scan reads the QR code of an element. It reads the picture as an exact one: zxing's
// search for a code in a photograph misses 3 in 1,000 random ones.
func (b *tab) scan(selector string) string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	shot, err := chromedp.Run(ctx, chromedp.Screenshot(chromedp.CSS(selector)))
	require.NoError(b.t, err)
	picture, err := png.Decode(bytes.NewReader(shot))
	require.NoError(b.t, err)
	quiet := picture.Bounds().Inset(2) // the edge of the element may share pixels with the page
	bitmap, err := gozxing.NewBinaryBitmapFromImage(picture.(interface {
		SubImage(image.Rectangle) image.Image
	}).SubImage(quiet))
	require.NoError(b.t, err)
	found, err := zxing.NewQRCodeReader().Decode(bitmap, map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_PURE_BARCODE: true})
	require.NoError(b.t, err)
	return found.GetText()
}

// TestSessionEnds: a session that ends elsewhere ends here.
func TestSessionEnds(t *testing.T) {
	s := start(t)
	b := manage(t, phone, s)
	s.Clock.Advance(8 * 24 * time.Hour)
	b.leave(chromedp.Navigate(s.URL+"/manage"), "/manage", "#login")
	b.look("ended")
	require.Contains(t, b.text(), "Your session has ended")
	b.clean("status: 401", "log: error")
	b.press("#provider-0", "/manage", "form.search")
}

// TestWebFlow: a page with scripts logs the user in for itself, and uses the API with the
// cookie of the login (protocol section 6.2).
func TestWebFlow(t *testing.T) {
	eachView(t, func(t *testing.T, v view) {
		s := start(t)
		b := open(t, v, s.URL+"/home")
		answer := fetch(b, "/api/v0/token/my", `{
			grant_type: "oidc_flow", oidc_flow: "authorization_code", client_type: "web", redirect_uri: "/home",
			oidc_issuer: "`+s.Provider.Issuer()+`", name: "mytoken-web", capabilities: ["AT", "tokeninfo", "create_mytoken"],
			rotation: {on_AT: true, on_other: true, auto_revoke: true, lifetime: 86400}
		}`)
		address := answer["consent_uri"].(string)
		b.leave(chromedp.Navigate(address), pathOf(t, address), "#approve")
		b.look("consent-web")
		b.do(b.click("input[value=create_mytoken]"))
		b.press("#approve", "/home", "#manage")

		about := fetch(b, "/api/v0/tokeninfo", `{action: "introspect"}`)
		require.Equal(t, []any{"AT", "tokeninfo"}, about["token"].(m)["capabilities"])
		require.Equal(t, user, about["token"].(m)["oidc_sub"])
		for range 3 { // each replaces the cookie
			require.NotEmpty(t, fetch(b, "/api/v0/token/access", `{grant_type: "mytoken"}`)["access_token"])
		}
		kept := slices.DeleteFunc(b.cookies(s.URL+"/api/"), func(c *network.Cookie) bool {
			return strings.HasPrefix(c.Name, "mytoken-response-") // what became of the login
		})
		require.Len(t, kept, 1)
		require.Equal(t, "mytoken", kept[0].Name)
		require.Equal(t, network.CookieSameSiteStrict, kept[0].SameSite)
		require.True(t, kept[0].HTTPOnly, "a script can read the cookie")
	})
}

// cookies returns the cookies that the browser sends to an address.
func (b *tab) cookies(address string) []*network.Cookie {
	b.t.Helper()
	got, err := chromedp.Call(b.ctx, network.GetCookies, network.GetCookiesParams{URLs: []string{address}})
	require.NoError(b.t, err)
	return got.Cookies
}

// fetch sends a request as a script of the page, and returns the response.
func fetch(b *tab, path, body string) m {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	script := `fetch("` + path + `", {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(` + strings.TrimSpace(body) + `)}).then((r) => r.json())`
	answer, err := chromedp.Run(ctx, chromedp.Evaluate[m](script, chromedp.EvalAwaitPromise))
	require.NoError(b.t, err)
	require.NotContains(b.t, answer, "error")
	return answer
}
