package oidcupstream

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// refusal fills in e if the response is an OAuth error (RFC 6749 section 5.2), and
// reports whether it is one.
//
// Providers also say invalid_grant if the grant is good, and something else is in the
// way: the user has to consent or to log in again, the user or the client is disabled, or
// the provider is busy. Their own members tell. Then the code of e names the reason, and
// not invalid_grant: whoever takes it for that would end the login for all.
//
// INDIGO IAM and Cloud Foundry UAA refuse a refresh token with invalid_token (RFC 6750)
// instead. At a refresh that counts as invalid_grant: otherwise nobody would be asked to
// log in again. Okta has names of its own for the members about a client that it refuses.
func refusal(e *Error, f fields, secrets []string) bool {
	code, _ := f.text("error")
	description, _ := f.text("error_description")
	if okta, _ := f.text("errorCode"); code == "" && slices.Contains(registeredCodes, okta) {
		code = okta
		description, _ = f.text("errorSummary")
	}
	if code == "" {
		return false
	}
	if code == codeInvalidGrant || code == codeInvalidToken && e.Op == opRefresh {
		code = grantReason(f, description)
	}
	e.Outcome = Refused
	e.Code = printableCode(code, secrets)
	e.Description = printable(description, maxDescription, secrets)
	if e.isBusy() {
		e.Outcome = NotProcessed
	}
	return true
}

// isBusy reports whether the provider refused the request because of what it has to do
// (RFC 6749 section 4.1.2.1, RFC 8628 section 3.5).
func (e *Error) isBusy() bool {
	return e.Code == codeBusy || e.Code == "slow_down"
}

// The codes that stand for the reasons of an invalid_grant. All are registered.
const (
	codeInvalidGrant = "invalid_grant"
	codeInvalidToken = "invalid_token"
	codeConsent      = "consent_required"
	codeInteraction  = "interaction_required"
	codeLogin        = "login_required"
	codeDenied       = "access_denied"
	codeBusy         = "temporarily_unavailable"
	codeServer       = "server_error"
	codeClient       = "unauthorized_client"
	codeCredentials  = "invalid_client"
)

// grantReasons are the values of suberror (Microsoft) and error_subtype (Google).
var grantReasons = map[string]string{
	"bad_token":     codeInvalidGrant,
	"token_expired": codeInvalidGrant,

	"consent_required":           codeConsent,
	"login_required":             codeLogin,
	"invalid_rapt":               codeLogin,
	"rapt_required":              codeLogin,
	"interaction_required":       codeInteraction,
	"basic_action":               codeInteraction,
	"additional_action":          codeInteraction,
	"message_only":               codeInteraction,
	"user_password_expired":      codeInteraction,
	"protection_policy_required": codeInteraction,
}

// grantNumbers are the numbers of Microsoft Entra, which follow AADSTS in its
// descriptions. A number that is missing here leaves the code as it is.
var grantNumbers = func() map[int]string {
	numbers := make(map[int]string)
	for code, list := range map[string][]int{
		// The refresh token, or the session behind it, has expired or was revoked.
		codeInvalidGrant: {50089, 50132, 50133, 50173, 70008, 70043, 700081, 700082, 700084},
		// The user or an administrator has not agreed.
		codeConsent: {52004, 65001, 65002, 65004, 90008, 90094, 90095},
		// The session is too old for the policy.
		codeLogin: {50058, 70044},
		// A policy wants a second factor, a known device, a new password, or a choice.
		codeInteraction: {
			16000, 16001, 50005, 50015, 50055, 50072, 50074, 50076, 50078, 50079, 50085, 50097, 50125, 50127, 50129, 50131, 50135,
			50140, 50142, 50144, 50155, 50158, 50161, 50187, 50199, 53000, 53001, 53002, 53003, 53004, 53009, 53010, 53011, 135011,
			530002, 530003, 530004, 530021, 530031, 530032, 530034, 530035, 700003, 700020,
		},
		// The user is disabled or locked, or may not use this client or tenant.
		codeDenied: {50002, 50014, 50020, 50053, 50057, 50105, 80012, 500021, 500022, 500212, 500213, 500571},
		// The client is disabled or unknown, or its credentials are wrong.
		codeClient:      {70001, 700011, 700016, 1000031, 7000112},
		codeCredentials: {70002, 700025, 700027, 7000215, 7000218, 7000222},
		// The provider is busy, or a part of it is down.
		codeBusy: {40010, 50033, 50087, 50088, 50166, 50196, 80001, 80002, 90006, 90012, 90024, 90033, 90055, 90090, 90091},
		// The provider has a fault of its own.
		codeServer: {40008, 50000, 70012, 90036, 90092},
	} {
		for _, n := range list {
			numbers[n] = code
		}
	}
	return numbers
}()

// grantTexts are descriptions that providers write word for word, in lower case: Keycloak
// and Salesforce.
var grantTexts = map[string]string{
	"user disabled":                      codeDenied,
	"user is disabled":                   codeDenied,
	"account disabled":                   codeDenied,
	"account is disabled":                codeDenied,
	"account temporarily disabled":       codeDenied,
	"account is temporarily disabled":    codeDenied,
	"inactive user":                      codeDenied,
	"inactive organization":              codeDenied,
	"ip restricted":                      codeDenied,
	"ip not allowed":                     codeDenied,
	"account is not fully set up":        codeInteraction,
	"user hasn't approved this consumer": codeConsent,
	"client disabled":                    codeClient,
	"rate limit exceeded":                codeBusy,
}

// grantFrames are the parts of descriptions before and after a name, in lower case.
var grantFrames = []struct{ before, after, code string }{
	// Keycloak, if somebody changes the address by which it is known.
	{"invalid token issuer. expected '", "'", codeServer},
	// INDIGO IAM, until the user has accepted the rules anew.
	{"user ", " needs to sign aup for this organization in order to proceed", codeInteraction},
}

const (
	maxReason  = 64       // bytes of a suberror, or of the start of a description
	maxText    = 1 << 10  // bytes of a description that is compared
	maxNumbers = 16       // numbers that are read
	maxDigits  = 9        // of a number
	maxMember  = 4 << 10  // bytes of error_codes
	numberName = "aadsts" // precedes a number in a description
)

// grantReason returns the code for an answer that says invalid_grant. It is invalid_grant
// unless the provider clearly says otherwise, and if anything says that the refresh token
// is dead.
func grantReason(f fields, description string) string {
	var found []string
	for _, member := range []string{"suberror", "error_subtype"} {
		if text, _ := f.text(member); len(text) <= maxReason {
			found = append(found, grantReasons[strings.ToLower(text)])
		}
	}
	for _, n := range reasonNumbers(f["error_codes"]) {
		found = append(found, grantNumbers[n])
	}
	found = append(found, grantNumbers[leadingNumber(description)])
	found = append(found, textReason(description))
	found = slices.DeleteFunc(found, func(code string) bool { return code == "" })
	if len(found) == 0 || slices.Contains(found, codeInvalidGrant) {
		return codeInvalidGrant
	}
	return found[0]
}

// textReason returns the code for a description that a provider writes word for word, or
// the empty string.
func textReason(description string) string {
	if len(description) > maxText {
		return ""
	}
	text := strings.ToLower(strings.TrimRight(strings.TrimSpace(description), "."))
	for _, frame := range grantFrames {
		if strings.HasPrefix(text, frame.before) && strings.HasSuffix(text, frame.after) {
			return frame.code
		}
	}
	return grantTexts[text]
}

// reasonNumbers reads error_codes: a list of numbers or strings, or one of them. It skips
// what it cannot read, and returns nothing if there is too much.
func reasonNumbers(raw json.RawMessage) (numbers []int) {
	if len(raw) > maxMember {
		return nil
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		list = []json.RawMessage{raw}
	}
	for _, entry := range list[:min(len(list), maxNumbers)] {
		text := string(entry)
		_ = json.Unmarshal(entry, &text)
		text = strings.TrimPrefix(strings.ToLower(strings.TrimSpace(text)), numberName)
		if n, err := strconv.Atoi(text); err == nil {
			numbers = append(numbers, n)
		}
	}
	return numbers
}

// leadingNumber returns the number with which a description begins, as in "AADSTS65001:
// …". Further ones may be part of a scope that somebody asked for.
func leadingNumber(description string) int {
	text := strings.TrimSpace(description[:min(len(description), maxReason)])
	if len(text) < len(numberName) || !strings.EqualFold(text[:len(numberName)], numberName) {
		return 0
	}
	text = text[len(numberName):]
	if end := strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		text = text[:end]
	}
	if len(text) > maxDigits {
		return 0
	}
	n, _ := strconv.Atoi(text)
	return n
}
