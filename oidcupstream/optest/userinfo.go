package optest

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// serveUserInfo returns the claims of an access token's user (OpenID Connect Core section
// 5.3).
func (s *Server) serveUserInfo(w http.ResponseWriter, r *http.Request) {
	presented, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	s.mu.Lock()
	token, known := s.access[presented]
	valid := ok && known && !token.revoked && !token.grant.ended && s.opts.Clock().Before(token.expires)
	s.mu.Unlock()
	at := FaultPoint{Endpoint: EndpointUserInfo}
	if known {
		at.ClientID, at.Subject, at.Grant, at.Scopes, at.Audiences =
			token.grant.clientID, token.grant.subject, token.grant.id, token.scopes, token.audiences
	}
	f := s.fault(at)
	if f.before(w, r) {
		return
	}
	if !valid || !slices.Contains(token.scopes, "openid") {
		w.Header().Set("WWW-Authenticate", `Bearer realm="optest", error="invalid_token", error_description="The access token is not valid here"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	s.mu.Lock()
	answer := map[string]any{}
	maps.Copy(answer, s.users[token.grant.subject].Claims)
	answer["sub"] = token.grant.subject
	s.record(Event{Kind: Told, ClientID: at.ClientID, Subject: at.Subject, Grant: at.Grant, Scopes: at.Scopes, Audiences: at.Audiences, Lost: f.spoils()})
	s.mu.Unlock()
	if f.after(w, r) {
		return
	}
	f.edit(answer)
	if !s.opts.SignedUserInfo {
		writeJSON(w, http.StatusOK, answer)
		return
	}
	answer["iss"], answer["aud"] = s.issuer, at.ClientID
	signed, err := s.sign("JWT", answer, f.IDToken)
	if err != nil {
		http.Error(w, "cannot sign", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/jwt")
	w.Write([]byte(signed))
}

// serveRevoke revokes a token (RFC 7009). Revoking a refresh token ends the whole grant.
// Revoking an access token ends only that token.
func (s *Server) serveRevoke(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		oauthError{http.StatusBadRequest, "invalid_request", "unreadable"}.write(w)
		return
	}
	client, ok := s.authenticate(r)
	if !ok {
		oauthError{http.StatusUnauthorized, "invalid_client", ""}.write(w)
		return
	}
	presented := r.PostForm.Get("token")
	s.mu.Lock()
	rt, isRefresh := s.refresh[presented]
	at, isAccess := s.access[presented]
	s.mu.Unlock()
	point := FaultPoint{Endpoint: EndpointRevoke, ClientID: client.ID}
	grant := at.grant
	if isRefresh {
		grant, point.Generation = rt.grant, rt.generation
	}
	if grant != nil {
		point.Subject, point.Grant, point.Scopes, point.Audiences = grant.subject, grant.id, grant.scopes, grant.audiences
	}
	f := s.fault(point)
	if f.before(w, r) {
		return
	}
	if grant != nil && grant.clientID != client.ID {
		oauthError{http.StatusBadRequest, "invalid_grant", "not a token of this client"}.write(w)
		return
	}
	s.mu.Lock()
	switch {
	case isRefresh:
		grant.ended = true
	case isAccess:
		at.revoked = true
		s.access[presented] = at
	}
	if grant != nil {
		s.record(Event{Kind: Revoked, ClientID: client.ID, Subject: grant.subject, Grant: grant.id, Generation: point.Generation, Lost: f.spoils()})
	}
	s.mu.Unlock()
	if f.after(w, r) {
		return
	}
	w.WriteHeader(http.StatusOK)
}
