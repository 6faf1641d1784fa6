package oidcupstream_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/oidcupstream"
)

// Providers say invalid_grant although the refresh token is good, and tell the reason in
// members of their own. Only a refusal of the grant may end a login. proves P5
func TestReasonsOfInvalidGrant(t *testing.T) {
	entra := func(code, suberror string, text string) map[string]any {
		return map[string]any{
			"error_description": "AADSTS" + code + ": " + text + "\r\nTrace ID: ff335f08-ba8c-4aa9-ac56-a710a11a3e00\r\nTimestamp: 2019-10-02 10:26:15Z",
			"error_codes":       []any{json.Number(code)}, "suberror": suberror,
		}
	}
	many := make([]any, 100_000)
	for i := range many {
		many[i] = 65001
	}
	for name, test := range map[string]struct {
		more map[string]any
		code string
	}{
		"nothing more":               {nil, "invalid_grant"},
		"consent":                    {entra("65001", "consent_required", "The user or administrator has not consented to use the application."), "consent_required"},
		"suberror alone":             {map[string]any{"suberror": "consent_required"}, "consent_required"},
		"suberror in upper case":     {map[string]any{"suberror": "Consent_Required"}, "consent_required"},
		"interaction":                {map[string]any{"suberror": "interaction_required"}, "interaction_required"},
		"login":                      {map[string]any{"suberror": "login_required"}, "login_required"},
		"basic action":               {entra("50076", "basic_action", "you must use multi-factor authentication"), "interaction_required"},
		"additional action":          {map[string]any{"suberror": "additional_action"}, "interaction_required"},
		"message":                    {entra("53003", "message_only", "Access has been blocked by Conditional Access policies."), "interaction_required"},
		"policy of devices":          {map[string]any{"suberror": "protection_policy_required"}, "interaction_required"},
		"password has expired":       {map[string]any{"suberror": "user_password_expired"}, "interaction_required"},
		"reauthentication at Google": {map[string]any{"error_subtype": "invalid_rapt", "error_description": "reauth related error (invalid_rapt)"}, "login_required"},
		"number alone":               {map[string]any{"error_codes": []any{65001}}, "consent_required"},
		"number as a string":         {map[string]any{"error_codes": []any{"50079"}}, "interaction_required"},
		"one number":                 {map[string]any{"error_codes": 50076}, "interaction_required"},
		"one string":                 {map[string]any{"error_codes": " 50105 "}, "access_denied"},
		"name and number":            {map[string]any{"error_codes": []any{"AADSTS65001"}}, "consent_required"},
		"among others":               {map[string]any{"error_codes": []any{nil, true, map[string]any{}, 1.5, "x", 90094}}, "consent_required"},
		"session has expired":        {entra("70044", "", "The session has expired or is invalid due to sign-in frequency checks by conditional access."), "login_required"},
		"user disabled at Entra":     {map[string]any{"error_codes": []any{50057}}, "access_denied"},
		"user locked at Entra":       {map[string]any{"error_codes": []any{50053}}, "access_denied"},
		"client disabled":            {map[string]any{"error_codes": []any{7000112}}, "unauthorized_client"},
		"client secret":              {map[string]any{"error_codes": []any{7000222}}, "invalid_client"},
		"text alone":                 {map[string]any{"error_description": "AADSTS50079: enrol first"}, "interaction_required"},
		"user disabled at Keycloak":  {map[string]any{"error_description": "User disabled"}, "access_denied"},
		"with a full stop":           {map[string]any{"error_description": " user disabled. "}, "access_denied"},
		"actions at Keycloak":        {map[string]any{"error_description": "Account is not fully set up"}, "interaction_required"},
		"user inactive":              {map[string]any{"error_description": "inactive user"}, "access_denied"},
		"device not managed":         {entra("530003", "", "Your device is required to be managed to access this resource."), "interaction_required"},
		"device disabled":            {map[string]any{"error_codes": []any{70000, 135011}}, "interaction_required"},
		"guest disabled":             {entra("500571", "", "The guest user account is disabled."), "access_denied"},
		"fault at Entra":             {entra("50000", "", "There was an error issuing a token or an issue with our sign-in service."), "server_error"},
		"address of Keycloak":        {map[string]any{"error_description": "Invalid token issuer. Expected 'http://keycloak:8080/realms/" + strings.Repeat("x", 60) + "'"}, "server_error"},
		"both addresses":             {map[string]any{"error_description": "Invalid token issuer. Expected 'https://a.example', but was 'https://b.example'."}, "server_error"},
		"rules at INDIGO IAM":        {map[string]any{"error_description": "User alice needs to sign AUP for this organization in order to proceed."}, "interaction_required"},
		"by an id":                   {map[string]any{"error_description": "User with uuid 80e5fb8d-b7c8-451a-89ba-346ae278a66f needs to sign AUP for this organization in order to proceed."}, "interaction_required"},
		"not approved":               {map[string]any{"error_description": "user hasn't approved this consumer"}, "consent_required"},

		// The refresh token is dead.
		"inactive for long":      {entra("700082", "", "The refresh token has expired due to inactivity."), "invalid_grant"},
		"expired":                {entra("70008", "token_expired", "The refresh token has expired."), "invalid_grant"},
		"revoked":                {entra("50173", "bad_token", "The provided grant has expired due to it being revoked."), "invalid_grant"},
		"of a single page":       {entra("700084", "", "The refresh token was issued to a single page app."), "invalid_grant"},
		"dead, whatever it says": {entra("50173", "basic_action", "revoked"), "invalid_grant"},
		"dead among others":      {map[string]any{"error_codes": []any{65001, "50173"}, "suberror": "consent_required"}, "invalid_grant"},
		"suberror of a dead one": {map[string]any{"error_codes": []any{50076}, "suberror": "bad_token"}, "invalid_grant"},
		"Keycloak session":       {map[string]any{"error_description": "Session not active"}, "invalid_grant"},
		"Keycloak token":         {map[string]any{"error_description": "Token is not active"}, "invalid_grant"},
		"Google":                 {map[string]any{"error_description": "Token has been expired or revoked."}, "invalid_grant"},

		// An unknown reason stays a refusal of the grant.
		"unknown suberror":      {map[string]any{"suberror": "moon_phase"}, "invalid_grant"},
		"unknown number":        {map[string]any{"error_codes": []any{12345}}, "invalid_grant"},
		"generic number":        {entra("70000", "", "The provided value for the input parameter 'refresh_token' is not valid."), "invalid_grant"},
		"suberror not a string": {map[string]any{"suberror": 7}, "invalid_grant"},
		"longer number":         {map[string]any{"error_description": "AADSTS650010: no such one"}, "invalid_grant"},
		"number inside":         {map[string]any{"error_description": "the scope AADSTS65001: is not known"}, "invalid_grant"},
		"words inside":          {map[string]any{"error_description": "no consent_required User disabled"}, "invalid_grant"},
		"rules, and more":       {map[string]any{"error_description": "the scope User x needs to sign AUP for this organization in order to proceed"}, "invalid_grant"},
		"very long text":        {map[string]any{"error_description": "User " + strings.Repeat("x", 2000) + " needs to sign AUP for this organization in order to proceed"}, "invalid_grant"},
		"very long suberror":    {map[string]any{"suberror": strings.Repeat("consent_required", 10_000)}, "invalid_grant"},
		"very many numbers":     {map[string]any{"error_codes": many}, "invalid_grant"},
		"very long description": {map[string]any{"error_description": "AADSTS65001" + strings.Repeat("0", 100_000)}, "invalid_grant"},
	} {
		t.Run(name, func(t *testing.T) {
			answer := map[string]any{"error": "invalid_grant"}
			for member, value := range test.more {
				answer[member] = value
			}
			body, err := json.Marshal(answer)
			require.NoError(t, err)
			for _, status := range []int{400, 401, 403, 200} {
				p := answering(t, status, nil, string(body))
				_, err = p.Refresh(t.Context(), oidcupstream.RefreshRequest{RefreshToken: "r"})
				e := upstreamError(t, err)
				require.Equal(t, oidcupstream.Refused, e.Outcome)
				require.Equal(t, test.code, e.Code)
				require.Equal(t, test.code == "invalid_grant", e.InvalidGrant())
				require.Less(t, len(e.Error()), 500)
			}
		})
	}
}

// Some providers refuse a refresh token with invalid_token. Elsewhere that is about
// something else. proves P5
func TestInvalidTokenAtRefresh(t *testing.T) {
	for name, test := range map[string]struct{ body, code string }{
		"INDIGO IAM":         {`{"error":"invalid_token","error_description":"Refresh token for value old-refresh-token was not found"}`, "invalid_grant"},
		"Cloud Foundry UAA":  {`{"error":"invalid_token","error_description":"The token expired, was revoked, or the token ID is incorrect: 1-r"}`, "invalid_grant"},
		"no description":     {`{"error":"invalid_token"}`, "invalid_grant"},
		"for another reason": {`{"error":"invalid_token","error_description":"User disabled"}`, "access_denied"},
		"another refusal":    {`{"error":"insufficient_scope"}`, "insufficient_scope"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScripted(t, respond(401, test.body, "WWW-Authenticate", `Bearer error="invalid_token"`))
			_, err := s.Refresh(t.Context(), oidcupstream.RefreshRequest{RefreshToken: "old-refresh-token"})
			e := upstreamError(t, err)
			require.Equal(t, oidcupstream.Refused, e.Outcome)
			require.Equal(t, test.code, e.Code)
			require.Equal(t, test.code == "invalid_grant", e.InvalidGrant())
			require.NotContains(t, e.Error(), "old-refresh-token")

			require.False(t, upstreamError(t, s.Revoke(t.Context(), "r")).InvalidGrant())
			_, err = s.UserInfo(t.Context(), "a", "alice")
			require.Equal(t, "invalid_token", upstreamError(t, err).Code)
		})
	}
}

// A provider that is busy says so in the same way. It is asked again later, and other
// users are not held up: the limit may be that of one user.
func TestBusyInInvalidGrant(t *testing.T) {
	s := newScripted(t, respond(400, `{"error":"invalid_grant","error_codes":[50196],"error_description":"AADSTS50196: loop"}`))
	e := upstreamError(t, s.refresh(t))
	require.Equal(t, oidcupstream.NotProcessed, e.Outcome)
	require.Equal(t, "temporarily_unavailable", e.Code)
	s.answer = respond(200, granted)
	require.NoError(t, s.refresh(t))
}

// These say by themselves that they are not about the grant, and other codes keep their
// name.
func TestOtherRefusals(t *testing.T) {
	for _, code := range []string{
		"login_required", "interaction_required", "consent_required", "account_selection_required", "access_denied", "mfa_required", "not_allowed", "invalid_scope",
	} {
		p := answering(t, 400, nil, `{"error":"`+code+`","suberror":"bad_token","error_codes":[50173,65001],"error_description":"AADSTS50173: revoked"}`)
		_, err := p.Refresh(t.Context(), oidcupstream.RefreshRequest{RefreshToken: "r"})
		e := upstreamError(t, err)
		require.Equal(t, oidcupstream.Refused, e.Outcome)
		require.Equal(t, code, e.Code)
		require.False(t, e.InvalidGrant())
	}
}
