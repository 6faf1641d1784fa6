package pages

import (
	"strings"

	"github.com/mytoken-go/sdk/internal/clip"
	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
)

// newEvent tells an event in words: what happened, by which program, and from where.
func newEvent(e mytoken.Event) event {
	text, comment := eventWords(e)
	return event{
		Name: e.Name, Text: text, Comment: legible.Show(comment), By: programWords(e.UserAgent), Address: e.Address,
		UserAgent: e.UserAgent, Time: e.Time,
	}
}

// eventTexts say what an event is.
var eventTexts = map[string]string{
	issuer.EventCreated:             "The token was created",
	issuer.EventATCreated:           "An access token was obtained",
	issuer.EventMTCreated:           "Another token was made from it",
	issuer.EventInheritedRT:         "It shares the login of the token that it was made from",
	issuer.EventTokenRotated:        "The token was replaced by a new one",
	issuer.EventTransferCodeCreated: "A code to hand the token on was made",
	issuer.EventTransferCodeUsed:    "The token was fetched with its code",
	issuer.EventIntrospected:        "The token was asked what it may do",
	issuer.EventHistoryRead:         "Its history was read",
	issuer.EventHistoryOtherRead:    "The history of tokens was read with it",
	issuer.EventSubtokensRead:       "The tokens made from it were listed",
	issuer.EventListRead:            "All of your tokens were listed with it",
	issuer.EventRevoked:             "The token was revoked",
	issuer.EventRevokedOther:        "Another token was revoked with it",
	issuer.EventTagsListed:          "Your tags were listed with it",
	issuer.EventTagCreated:          "A tag was made with it",
	issuer.EventTagUpdated:          "A tag was changed with it",
	issuer.EventTagDeleted:          "A tag was deleted with it",
	issuer.EventTagAdded:            "It got a tag",
	issuer.EventTagAddedOther:       "Another token got a tag with it",
	issuer.EventTagRemoved:          "It lost a tag",
	issuer.EventTagRemovedOther:     "Another token lost a tag with it",
	issuer.EventGrantsListed:        "The enabled ways of obtaining tokens were read",
	issuer.EventGrantEnabled:        "A way of obtaining tokens was enabled",
	issuer.EventGrantDisabled:       "A way of obtaining tokens was disabled",
	issuer.EventSSHKeysListed:       "Your SSH keys were listed",
	issuer.EventSSHKeyAdded:         "An SSH key was registered",
	issuer.EventSSHKeyDeleted:       "An SSH key was deleted",
}

// createdTexts say how a token came to be, by the comment of the protocol.
var createdTexts = map[string]string{
	"Used grant_type oidc_flow authorization_code": "The token was created by a login",
	"Used grant_type mytoken":                      "The token was made from another one",
	"Adopted a refresh token":                      "The token was created for a login that existed before",
}

// eventWords says what happened. The comment is what else is to be said, in words that are
// not those of the protocol.
func eventWords(e mytoken.Event) (text, comment string) {
	text, known := eventTexts[e.Name]
	switch {
	case !known: // of the embedding service, or of a later version
		return "Something else was done with it: " + legible.Show(strings.ReplaceAll(clip.Name(e.Name), "_", " ")), e.Comment
	case e.Name == issuer.EventCreated && createdTexts[e.Comment] != "":
		return createdTexts[e.Comment], ""
	case e.Name == issuer.EventATCreated:
		_, comment, _ = strings.Cut(e.Comment, ": ")
		return text, comment
	case e.Name == issuer.EventMTCreated:
		return text, strings.TrimSpace(strings.TrimPrefix(e.Comment, "Created MT"))
	case e.Name == issuer.EventTransferCodeCreated, e.Name == issuer.EventInheritedRT, e.Name == issuer.EventRevokedOther:
		return text, ""
	}
	return text, e.Comment
}

// browsers are the browsers that a user agent may name, those that also name others first.
var browsers = []struct{ mark, name string }{
	{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser/", "Samsung Internet"}, {"FxiOS/", "Firefox"}, {"Firefox/", "Firefox"},
	{"CriOS/", "Chrome"}, {"Chromium/", "Chromium"}, {"HeadlessChrome/", "Chrome"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"},
}

var systems = []struct{ mark, name string }{
	{"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Windows", "Windows"}, {"Mac OS X", "macOS"}, {"CrOS", "ChromeOS"}, {"Linux", "Linux"},
}

// programWords names the program of a user agent, as it calls itself. It returns nothing
// if there is none.
func programWords(agent string) string {
	agent = strings.TrimSpace(agent)
	if !strings.HasPrefix(agent, "Mozilla/") { // a program: its product comes first (RFC 9110 section 10.1.5)
		product, _, _ := strings.Cut(agent, " ")
		name, version, _ := strings.Cut(product, "/")
		if name == "Go-http-client" {
			return "a Go program"
		}
		return legible.Show(clip.Name(strings.TrimSpace(name + " " + version)))
	}
	name := "a browser"
	for _, b := range browsers {
		if strings.Contains(agent, b.mark) {
			name = b.name
			break
		}
	}
	for _, s := range systems {
		if strings.Contains(agent, s.mark) {
			return name + " on " + s.name
		}
	}
	return name
}
