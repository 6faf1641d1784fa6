package optest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// grant is one login. The server's lock guards its fields.
type grant struct {
	id        int
	clientID  string
	subject   string
	scopes    []string
	audiences []string
	authTime  time.Time
	ended     bool

	generation int    // of the current refresh token, or 0 if there never was one
	current    string // the current refresh token
	rotated    time.Time

	prepared map[preparation]issued
}

type refreshToken struct {
	grant      *grant
	generation int
}

type accessToken struct {
	grant     *grant
	scopes    []string
	audiences []string
	expires   time.Time
	revoked   bool
}

// serveToken serves the token endpoint (RFC 6749 section 3.2).
func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		oauthError{http.StatusBadRequest, "invalid_request", "unreadable"}.write(w)
		return
	}
	client, ok := s.authenticate(r)
	if !ok {
		oauthError{http.StatusUnauthorized, "invalid_client", "client authentication failed"}.write(w)
		return
	}
	switch r.PostForm.Get("grant_type") {
	case "authorization_code":
		s.exchange(w, r, client)
	case "refresh_token":
		s.refreshGrant(w, r, client)
	default:
		oauthError{http.StatusBadRequest, "unsupported_grant_type", ""}.write(w)
	}
}

func invalidGrant(text string) *oauthError {
	return &oauthError{http.StatusBadRequest, "invalid_grant", text}
}

// end ends a grant. The caller holds the lock.
func (s *Server) end(g *grant) {
	if g.ended {
		return
	}
	g.ended = true
	s.record(Event{Kind: Ended, ClientID: g.clientID, Subject: g.subject, Grant: g.id, Generation: g.generation})
}

func (s *Server) exchange(w http.ResponseWriter, r *http.Request, client Client) {
	presented, verifier := r.PostForm.Get("code"), r.PostForm.Get("code_verifier")
	audiences := requestedAudiences(r.PostForm)
	e := Event{ClientID: client.ID, Audiences: audiences}
	s.mu.Lock()
	c := s.codes[presented]
	if verifier != "" {
		s.secrets = append(s.secrets, verifier)
	}
	if c != nil {
		e.Subject, e.Scopes = c.subject, c.scopes
		if len(audiences) == 0 {
			e.Audiences = c.audiences
		}
	}
	s.mu.Unlock()
	f := s.fault(FaultPoint{Endpoint: EndpointExchange, ClientID: client.ID, Subject: e.Subject, Scopes: e.Scopes, Audiences: e.Audiences})
	if f.before(w, r) {
		return
	}
	challenge := sha256.Sum256([]byte(verifier))
	var refused *oauthError
	var g *grant
	given := "" // the refresh token in the answer
	s.mu.Lock()
	switch {
	case c == nil || c.clientID != client.ID:
		refused = invalidGrant("unknown code")
	case c.used:
		e.Reuse, e.Grant = true, c.grant.id
		s.end(c.grant) // RFC 6749 section 4.1.2
		refused = invalidGrant("the code was used before")
	case !s.opts.Clock().Before(c.expires):
		refused = invalidGrant("the code has expired")
	case c.redirectURI != r.PostForm.Get("redirect_uri"):
		refused = invalidGrant("another redirect_uri")
	case base64.RawURLEncoding.EncodeToString(challenge[:]) != c.challenge:
		refused = invalidGrant("the code verifier does not match")
	case !s.grantable(audiences, c.audiences):
		refused = &oauthError{http.StatusBadRequest, "invalid_target", ""}
	default:
		g = &grant{
			id: len(s.grants) + 1, clientID: client.ID, subject: c.subject,
			scopes: c.scopes, audiences: c.audiences, authTime: c.authTime,
		}
		s.grants = append(s.grants, g)
		c.used, c.grant = true, g
		e.Kind, e.Grant = Exchanged, g.id
		if c.offline || s.opts.RefreshAlways {
			s.nextRefreshToken(g)
			given = g.current
		}
		e.Generation, e.Next = g.generation, g.generation
	}
	e = s.settle(e, &f, refused)
	s.mu.Unlock()
	if refused != nil {
		refused.write(w)
		return
	}
	s.answer(w, r, &f, g, e, c.nonce, given)
}

func (s *Server) refreshGrant(w http.ResponseWriter, r *http.Request, client Client) {
	presented := r.PostForm.Get("refresh_token")
	e := Event{ClientID: client.ID, Scopes: fieldsOf(r.PostForm.Get("scope")), Audiences: requestedAudiences(r.PostForm)}
	s.mu.Lock()
	token, known := s.refresh[presented]
	if known {
		e.Subject, e.Grant, e.Generation = token.grant.subject, token.grant.id, token.generation
		if len(e.Scopes) == 0 {
			e.Scopes = token.grant.scopes
		}
		if len(e.Audiences) == 0 {
			e.Audiences = token.grant.audiences
		}
	}
	s.mu.Unlock()
	f := s.fault(FaultPoint{
		Endpoint: EndpointRefresh, ClientID: client.ID, Subject: e.Subject, Grant: e.Grant, Generation: e.Generation,
		Scopes: e.Scopes, Audiences: e.Audiences,
	})
	if f.before(w, r) {
		return
	}
	var refused *oauthError
	given := "" // the refresh token in the answer
	g := token.grant
	s.mu.Lock()
	switch {
	case !known || g.clientID != client.ID:
		refused = invalidGrant("unknown refresh token")
	case g.ended:
		e.Reuse = token.generation < g.generation
		refused = invalidGrant("the grant has ended")
	case token.generation < g.generation && !s.inGrace(token):
		e.Reuse = true
		if s.rotation == RotateStrict || s.rotation == RotateGrace {
			s.end(g)
		}
		refused = invalidGrant("the refresh token was used before")
	case !within(e.Scopes, g.scopes):
		refused = &oauthError{http.StatusBadRequest, "invalid_scope", ""}
	case !s.grantable(e.Audiences, g.audiences):
		refused = &oauthError{http.StatusBadRequest, "invalid_target", ""}
		if s.opts.LoginAudiencesOnly && s.rotation != RotateOff {
			s.nextRefreshToken(g)
		}
	default:
		e.Kind = Refreshed
		switch {
		case f.SameRefreshToken:
			given = presented
		case token.generation < g.generation: // in grace
			given = g.current
		case s.rotation != RotateOff || f.Rotate:
			s.nextRefreshToken(g)
			given = g.current
		}
		e.Next = g.generation
	}
	e = s.settle(e, &f, refused)
	s.mu.Unlock()
	if refused != nil {
		refused.write(w)
		return
	}
	s.answer(w, r, &f, g, e, "", given)
}

// grantable reports whether a login can get the wanted audiences. asked are the audiences
// that it asked for.
func (s *Server) grantable(wanted, asked []string) bool {
	return len(asked) == 0 && !s.opts.LoginAudiencesOnly || within(wanted, asked)
}

// inGrace reports whether the server still accepts a replaced refresh token. The caller
// holds the lock.
func (s *Server) inGrace(t refreshToken) bool {
	return s.rotation == RotateGrace && t.generation == t.grant.generation-1 &&
		s.opts.Clock().Sub(t.grant.rotated) <= s.opts.Grace
}

// settle completes the event of a token request and records it. The caller holds the
// lock, so that the record has the order in which the server acted.
func (s *Server) settle(e Event, f *Fault, refused *oauthError) Event {
	if refused != nil {
		e.Kind, e.Error = Refused, refused.code
	} else {
		e.Lost = f.spoils()
		if f.Scopes != nil {
			e.Scopes = slices.Clone(f.Scopes)
		}
		switch {
		case f.Audiences != nil:
			e.Audiences = slices.Clone(f.Audiences)
		case len(e.Audiences) > 0:
		case len(s.opts.DefaultAudience) > 0:
			e.Audiences = slices.Clone(s.opts.DefaultAudience)
		default:
			e.Audiences = []string{s.issuer}
		}
	}
	s.record(e)
	return e
}

// nextRefreshToken replaces the refresh token of a grant. The caller holds the lock.
func (s *Server) nextRefreshToken(g *grant) {
	g.generation++
	g.current = "rt-" + rand.Text()
	g.rotated = s.opts.Clock()
	s.refresh[g.current] = refreshToken{grant: g, generation: g.generation}
	s.secrets = append(s.secrets, g.current)
}

// answer sends an access token and an ID token, unless a fault prevents it. The caller
// must not hold the lock, because faults may call the server.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, f *Fault, g *grant, e Event, nonce, refreshToken string) {
	now := s.opts.Clock()
	scope := strings.Join(e.Scopes, " ")
	tokens, err := s.tokens(f, g, e, scope, nonce, now)
	if err != nil {
		http.Error(w, "cannot sign", http.StatusInternalServerError)
		return
	}
	answer := map[string]any{
		"access_token": tokens.access,
		"token_type":   "Bearer",
		"expires_in":   int64(tokens.expires.Sub(now) / time.Second),
		"scope":        scope,
		"id_token":     tokens.id,
	}
	if refreshToken != "" {
		answer["refresh_token"] = refreshToken
	}
	f.edit(answer)
	if f.after(w, r) {
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

// tokens returns an access token and an ID token. It makes them, unless it may hand out
// prepared ones.
func (s *Server) tokens(f *Fault, g *grant, e Event, scope, nonce string, now time.Time) (issued, error) {
	prepare := s.opts.PreparedTokens && e.Kind == Refreshed && f.IDToken == nil
	var under preparation
	if prepare {
		var tokens issued
		var ok bool
		if tokens, under, ok = s.prepared(g, scope, e.Audiences, now); ok {
			return tokens, nil
		}
	}
	tokens, err := s.newTokens(f, g, e, scope, nonce, now)
	if err != nil {
		return issued{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.access[tokens.access] = accessToken{grant: g, scopes: e.Scopes, audiences: e.Audiences, expires: tokens.expires}
	s.secrets = append(s.secrets, tokens.access, tokens.id)
	if prepare {
		if g.prepared == nil {
			g.prepared = map[preparation]issued{}
		}
		g.prepared[under] = tokens
	}
	return tokens, nil
}

// newTokens makes and signs an access token and an ID token.
func (s *Server) newTokens(f *Fault, g *grant, e Event, scope, nonce string, now time.Time) (tokens issued, err error) {
	tokens.expires = now.Add(s.opts.AccessTokenLifetime)
	tokens.access = "at-" + rand.Text()
	if !s.opts.OpaqueAccessTokens {
		tokens.access, err = s.sign("at+jwt", map[string]any{
			"iss": s.issuer, "sub": g.subject, "aud": e.Audiences, "client_id": g.clientID, "scope": scope,
			"iat": now.Unix(), "exp": tokens.expires.Unix(), "jti": rand.Text(),
		}, nil)
		if err != nil {
			return issued{}, err
		}
	}
	claims := map[string]any{}
	if s.opts.ClaimsInIDToken {
		maps.Copy(claims, s.users[g.subject].Claims)
	}
	maps.Copy(claims, map[string]any{
		"iss": s.issuer, "sub": g.subject, "aud": g.clientID, "iat": now.Unix(), "exp": tokens.expires.Unix(),
		"auth_time": g.authTime.Unix(), "at_hash": halfHash(tokens.access),
	})
	if nonce != "" {
		claims["nonce"] = nonce
	}
	tokens.id, err = s.sign("JWT", claims, f.IDToken)
	return tokens, err
}
