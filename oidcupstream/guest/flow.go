package guest

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// grant is the content of a code or a refresh token.
type grant struct {
	Subject   string   `json:"sub"`
	Scopes    []string `json:"scopes"`
	Nonce     string   `json:"nonce,omitempty"`     // codes only
	Challenge string   `json:"challenge,omitempty"` // codes only
	Audience  []string `json:"aud,omitempty"`
	AuthTime  int64    `json:"auth_time"`
	Expires   int64    `json:"exp"`
}

// session is the content of the cookie by which the provider recognises a guest.
type session struct {
	Subject string `json:"sub"`
	Expires int64  `json:"exp"`
}

const (
	sessionCookie   = "mytoken-guest"
	sessionLifetime = 24 * time.Hour
)

// maxParameters bounds the query or body of a request, in bytes.
const maxParameters = 16 << 10

// authorize logs a guest in without asking anything (OpenID Connect Core section 3.1.2).
// It redirects only to the configured URL.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if len(r.URL.RawQuery) > maxParameters || q.Get("client_id") != ClientID || q.Get("redirect_uri") != p.cfg.RedirectURL {
		p.object(w, http.StatusBadRequest, map[string]string{"error": "invalid_request", "error_description": "unknown client or redirect_uri"})
		return
	}
	back := url.Values{"iss": {p.cfg.Issuer}, "state": {q.Get("state")}}
	scopes := p.scopes(q.Get("scope"))
	switch {
	case q.Get("response_type") != "code":
		back.Set("error", "unsupported_response_type")
	case q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43:
		back.Set("error", "invalid_request")
	case !slices.Contains(scopes, "openid"):
		back.Set("error", "invalid_scope")
	default:
		code, err := p.seal(kindCode, grant{
			Subject: p.session(w, r), Scopes: scopes, Nonce: q.Get("nonce"), Challenge: q.Get("code_challenge"), Audience: q["resource"],
			AuthTime: p.cfg.Clock().Unix(), Expires: p.cfg.Clock().Add(codeLifetime).Unix(),
		})
		if err != nil {
			back.Set("error", "server_error")
		} else {
			back.Set("code", code)
		}
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Location", p.cfg.RedirectURL+"?"+back.Encode())
	w.WriteHeader(http.StatusSeeOther)
}

// session returns the subject of the browser's session. It starts a session if there is
// none (D64).
func (p *Provider) session(w http.ResponseWriter, r *http.Request) string {
	now := p.cfg.Clock()
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		var s session
		if p.open(kindSession, cookie.Value, &s) == nil && now.Unix() <= s.Expires {
			return s.Subject
		}
	}
	var id [16]byte
	rand.Read(id[:])
	s := session{Subject: "guest-" + base64.RawURLEncoding.EncodeToString(id[:]), Expires: now.Add(sessionLifetime).Unix()}
	if value, err := p.seal(kindSession, s); err == nil {
		http.SetCookie(w, &http.Cookie{
			Name: sessionCookie, Value: value, Path: p.path + "/auth", MaxAge: int(sessionLifetime.Seconds()),
			HttpOnly: true, Secure: strings.HasPrefix(p.cfg.Issuer, "https:"), SameSite: http.SameSiteLaxMode,
		})
	}
	return s.Subject
}

// scopes returns the scopes of text that guests can get.
func (p *Provider) scopes(text string) []string {
	return slices.DeleteFunc(strings.Fields(text), func(s string) bool { return !slices.Contains(p.cfg.Scopes, s) })
}

// token serves the token endpoint (RFC 6749 sections 4.1.3 and 6).
func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxParameters)
	if err := r.ParseForm(); err != nil || r.PostForm.Get("client_id") != ClientID {
		p.object(w, http.StatusBadRequest, map[string]string{"error": "invalid_request"})
		return
	}
	var (
		g    grant
		code string
	)
	switch r.PostForm.Get("grant_type") {
	case "authorization_code":
		g, code = p.redeem(r.PostForm)
	case "refresh_token":
		g, code = p.refresh(r.PostForm)
	default:
		code = "unsupported_grant_type"
	}
	if code != "" {
		p.object(w, http.StatusBadRequest, map[string]string{"error": code})
		return
	}
	out, err := p.tokens(g)
	if err != nil {
		p.object(w, http.StatusInternalServerError, map[string]string{"error": "server_error"})
		return
	}
	p.object(w, http.StatusOK, out)
}

// redeem returns the content of a code, once. problem is an OAuth error code, or empty.
func (p *Provider) redeem(form url.Values) (g grant, problem string) {
	text := form.Get("code")
	sum := sha256.Sum256([]byte(form.Get("code_verifier")))
	switch {
	case p.open(kindCode, text, &g) != nil || p.cfg.Clock().Unix() > g.Expires,
		form.Get("redirect_uri") != p.cfg.RedirectURL,
		subtle.ConstantTimeCompare([]byte(g.Challenge), []byte(base64.RawURLEncoding.EncodeToString(sum[:]))) != 1,
		!p.use(text, g.Expires):
		return grant{}, "invalid_grant"
	}
	if aud := form["resource"]; len(aud) > 0 {
		g.Audience = aud
	}
	return g, ""
}

// use remembers a code as used. It returns false if the code was used before, or if the
// provider remembers too many codes.
func (p *Provider) use(code string, expires int64) bool {
	sum, now := sha256.Sum256([]byte(code)), p.cfg.Clock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.used) >= p.cfg.MaxLogins {
		for k, until := range p.used {
			if now.After(until) {
				delete(p.used, k)
			}
		}
	}
	if _, again := p.used[sum]; again || len(p.used) >= p.cfg.MaxLogins {
		return false
	}
	p.used[sum] = time.Unix(expires, 0)
	return true
}

// refresh returns the content of a refresh token, which stays valid. problem is an OAuth
// error code, or empty.
func (p *Provider) refresh(form url.Values) (g grant, problem string) {
	if p.open(kindRefresh, form.Get("refresh_token"), &g) != nil || p.cfg.Clock().Unix() > g.Expires {
		return grant{}, "invalid_grant"
	}
	if text := form.Get("scope"); text != "" {
		asked := strings.Fields(text)
		if slices.ContainsFunc(asked, func(s string) bool { return !slices.Contains(g.Scopes, s) }) {
			return grant{}, "invalid_scope"
		}
		g.Scopes = asked
	}
	g.Audience, g.Nonce = form["resource"], ""
	return g, ""
}

// tokens returns the response of the token endpoint.
func (p *Provider) tokens(g grant) (map[string]any, error) {
	now := p.cfg.Clock()
	audience := g.Audience
	if len(audience) == 0 {
		audience = []string{p.cfg.Issuer}
	}
	access, err := p.sign("at+jwt", map[string]any{
		"iss": p.cfg.Issuer, "sub": g.Subject, "aud": audience, "client_id": ClientID, "scope": strings.Join(g.Scopes, " "),
		"iat": now.Unix(), "exp": now.Add(p.cfg.AccessTokenLifetime).Unix(), "jti": rand.Text(),
	})
	if err != nil {
		return nil, err
	}
	out := map[string]any{
		"access_token": access, "token_type": "Bearer", "expires_in": int64(p.cfg.AccessTokenLifetime.Seconds()), "scope": strings.Join(g.Scopes, " "),
	}
	if g.Challenge == "" { // a refresh
		return out, nil
	}
	if out["id_token"], err = p.sign("JWT", map[string]any{
		"iss": p.cfg.Issuer, "sub": g.Subject, "aud": ClientID, "nonce": g.Nonce, "auth_time": g.AuthTime, "name": "Guest",
		"iat": now.Unix(), "exp": now.Add(p.cfg.AccessTokenLifetime).Unix(),
	}); err != nil {
		return nil, err
	}
	out["refresh_token"], err = p.seal(kindRefresh, grant{
		Subject: g.Subject, Scopes: g.Scopes, AuthTime: g.AuthTime, Expires: now.Add(p.cfg.RefreshTokenLifetime).Unix(),
	})
	return out, err
}

func (p *Provider) sign(typ string, claims map[string]any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	return p.signer.Sign(payload, typ)
}
