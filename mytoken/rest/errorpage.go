package rest

import (
	"errors"
	"net/http"
	"strings"

	"github.com/mytoken-go/sdk/internal/clip"
	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/rest/internal/pages"
)

// loginFailure is an error of a login, with what is known of the login.
type loginFailure struct {
	err                   error
	application, provider string // empty: not known
	alone                 bool   // no program waits for the login
	again                 string // address that may be loaded again; empty: none
	before                bool   // another request got the error first
}

func (f *loginFailure) Error() string { return f.err.Error() }
func (f *loginFailure) Unwrap() error { return f.err }

// errorPage answers a person with an error: what happened, what did not, and what to do.
// The problem is the error as programs see it.
func (c *call) errorPage(err error, p problem) *answer {
	m := c.explain(err, p)
	m.Failed, m.Request = true, c.id
	a, broken := c.message(p.status, m)
	if broken != nil {
		return &answer{status: p.status, raw: []byte(m.Title), media: "text/plain; charset=utf-8"}
	}
	return a
}

// nothingGiven is what did not happen in a login that failed.
const nothingGiven = "No token was created. Nothing was given to {application}."

// unchanged is what did not happen, as far as it is known who waits for the login.
func (f *loginFailure) unchanged() string {
	if f.nobody() {
		return "No token was created."
	}
	return nothingGiven
}

// startAgain is what to do after a login that failed.
func (f *loginFailure) startAgain() string {
	if f.nobody() {
		return "Start the login again."
	}
	return "Start the login again, in {application}."
}

// nobody reports whether there is no program to name.
func (f *loginFailure) nobody() bool { return f.alone && f.application == "" }

// explain writes the page of an error. It shows the words of a provider or of a policy
// only as a quotation.
func (c *call) explain(err error, p problem) pages.Message {
	f, isLogin := errors.AsType[*loginFailure](err)
	if !isLogin {
		f = &loginFailure{}
	}
	m := c.explainLogin(err, p, f)
	if m.Title == "" {
		m = c.explainOther(err, p, f)
	}
	m.Application, m.Provider = f.application, c.pages.ProviderName(f.provider)
	if f.again != "" && m.Link == "" {
		m.Link, m.LinkText = f.again, "Try again"
	}
	return m
}

// explainLogin writes the page of an error that ends or delays a login. The title is
// empty for other errors.
func (c *call) explainLogin(err error, p problem, f *loginFailure) pages.Message {
	var (
		login    *issuer.LoginError
		policy   *issuer.PolicyError
		upstream *issuer.UpstreamError
	)
	switch {
	case errors.Is(err, errOtherBrowser):
		return pages.Message{
			Title: "This browser did not start the login",
			Text: stateMismatch + ": this browser has no cookie of this login. Either the login is over, or you agreed to it in another browser, " +
				"or this browser keeps no cookies.",
			Unchanged: "This page did not finish the login, and gave nobody a token.",
			Advice:    "If you did not start a login yourself, close this window. Otherwise start it again, in one browser that keeps cookies.",
		}
	case errors.Is(err, issuer.ErrState):
		return pages.Message{
			Title: "This login is not waiting any more", Text: stateMismatch + ": the login was finished before, was revoked, or has expired.",
			Unchanged: "Loading this page created no token.", Advice: "If you still need a token, start the login again.",
		}
	case errors.Is(err, errConsentCode):
		return pages.Message{
			Title:     "This link is not good any more",
			Text:      "A link to a request is good for some minutes and for one decision. This one was used, has expired, or never was a link.",
			Unchanged: "Opening it created no token, and took back nothing that you agreed to before.",
			Advice:    "If you still need a token, start the login again in the program that showed you the link.",
		}
	case errors.Is(err, errUnfinished):
		return pages.Message{
			Title: "The login is being finished", Text: "Another window or an earlier try is finishing this login right now.",
			Unchanged: "This page did nothing.", Advice: "Look again in a moment.", LinkText: "Look again", Link: f.again,
		}
	case errors.As(err, &policy) && p.status < http.StatusInternalServerError: // otherwise it panicked
		m := f.forbidden(policy.Description())
		if f.err == nil { // nobody has logged in
			m.Text, m.Unchanged = "A rule of this service refuses this.", "No token was created."
		}
		return m
	case errors.As(err, &login):
		return f.failedLogin(login)
	case errors.As(err, &upstream) && f.again != "":
		return pages.Message{
			Title: "{provider} does not answer", Text: "You are logged in there, but the service cannot ask for your login now.",
			Unchanged: "No token was created yet, and nothing is lost: the login goes on waiting.",
			Advice:    "Load this page again in a moment. You need not log in again.",
		}
	case errors.As(err, &upstream):
		return pages.Message{
			Title: "Your provider cannot be reached", Text: "The login could not start, because the provider does not answer as it should.",
			Unchanged: "No token was created.",
			Advice:    "Go back and try again in a moment.",
		}
	case f.again != "" && p.status == http.StatusInternalServerError:
		return pages.Message{
			Title: "The login may not be finished", Text: "Something went wrong while the service finished the login. This is not your fault.",
			Unchanged: "It is not certain whether a token was created.", Advice: "Load this page again: it says what became of the login.",
		}
	}
	return pages.Message{}
}

// forbidden is the page of a login that a policy refused.
func (f *loginFailure) forbidden(said string) pages.Message {
	return pages.Message{
		Title: "This service does not allow it", Text: "You logged in, but a rule of this service refuses this token.",
		Quote: said, Unchanged: f.unchanged(), Advice: "Ask the operator of this service what is allowed.",
	}
}

// failedLogin is the page of a login that failed.
func (f *loginFailure) failedLogin(e *issuer.LoginError) pages.Message {
	m := pages.Message{Title: "The login did not work", Text: "The service could not finish the login.", Unchanged: f.unchanged(), Advice: f.startAgain()}
	switch e.Reason {
	case issuer.LoginRefused:
		m.Text, m.Quote = "{provider} refused the login.", joinText(e.Code, e.Description)
		if e.Code == wire.ErrorAccessDenied {
			m.Title, m.Text, m.Quote = "You were not logged in", "The login at {provider} was cancelled or refused.", e.Description
		}
	case issuer.LoginNoRefreshToken:
		m.Text = "{provider} let you log in, but gave no refresh token. Without one, a mytoken cannot work."
		m.Advice = "Log in again, and allow offline access if you are asked. If that does not help, tell the operator of this service."
	case issuer.LoginTooLittle:
		m.Text = "{provider} granted none of the rights that the token is about."
		m.Advice = "Start the login again and grant what is asked for, or ask for other rights."
	case issuer.LoginMixedUp:
		m.Title, m.Text = "Another provider answered", "The login was started at {provider}, but another provider answered than the one that was asked."
		m.Advice = "Start the login again. If it happens again, tell the operator of this service: somebody may be trying to misuse your login."
	case issuer.LoginForbidden:
		return f.forbidden(e.Description)
	case issuer.LoginNotStored:
		m.Text = "The service could not store the login."
	default:
		m.Quote = e.Description
	}
	return m
}

// explainOther writes the page of any other error.
func (c *call) explainOther(err error, p problem, f *loginFailure) pages.Message {
	if link, ok := errors.AsType[*linkError](err); ok {
		return c.explainLink(link)
	}
	switch p.status {
	case http.StatusNotFound:
		return pages.Message{
			Title: "Not found", Text: "There is nothing here, or not any more.", Unchanged: "Nothing was changed.",
			Advice: "Check the address. A link to a login is good for some minutes, and for one decision.",
		}
	case http.StatusInternalServerError:
		return pages.Message{
			Title: "Something went wrong", Text: "This is not your fault.", Unchanged: "It is not certain whether something was changed.",
			Advice: "Please try again later, and look at your tokens before you create one again.",
		}
	case http.StatusForbidden:
		if errors.Is(err, errCrossOrigin) {
			return pages.Message{
				Title: "Another page sent this", Text: "Only the pages of this service may do this in your name, and the request came from elsewhere.",
				Unchanged: "Nothing was changed.", Advice: "If you want to do it, begin at the start page.",
			}
		}
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return pages.Message{
			Title: "Please wait a moment", Text: sentence(p.text), Unchanged: "Nothing was changed.", Advice: "Load the page again then.",
		}
	case http.StatusUnauthorized:
		return pages.Message{
			Title: "You are not logged in", Text: "This browser has no session, or it has ended.", Unchanged: "Nothing was changed.",
			Advice: "Log in, and try again.", Link: c.base + pathManage, LinkText: "Log in",
		}
	}
	title := http.StatusText(p.status)
	if title == "" {
		title = "The login did not work"
	}
	return pages.Message{Title: title, Text: sentence(p.text), Unchanged: "Nothing was changed."}
}

// sentence writes an error text as a sentence.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	first := clip.Runes(text, 1)
	return strings.ToUpper(first) + legible.Show(text[len(first):]) + "."
}
