package rest

import (
	"html/template"
	"time"

	"github.com/mytoken-go/sdk/internal/redact"
)

// Frame is what every page gets.
type Frame struct {
	// Base is the issuer URL without a slash at the end. All addresses in a page
	// begin with it, because a page may be shown elsewhere.
	Base string
	// Home is the path of the start page.
	Home string
	// Managing says that the page is one of those on which a user manages his
	// tokens: it leads to the others.
	Managing bool
	// Here is which of these pages it is, if the frame leads to it: "tokens" or
	// "create".
	Here string
}

// MessagePage is what message.html gets: something that is to be said.
type MessagePage struct {
	Frame
	Title string
	Text  string
	// Application is the program that started a login; may be empty.
	Application string
	// Failed says that something went wrong. Request names the request in the
	// service's log.
	Failed  bool
	Request string
	// Continue is where the browser goes by itself; may be empty.
	Continue string
}

// HomePage is what home.html gets.
type HomePage struct {
	Frame
	Providers []ProviderChoice
	// Manageable says that there are pages on which users manage their tokens.
	Manageable bool
}

// ConsentPage is what consent.html gets.
type ConsentPage struct {
	Frame
	// Application asks for the token; empty if it does not say its name.
	Application string
	// Address is where the login was started; empty if that is not known.
	Address string
	// Provider is the issuer of the OpenID provider at which the user logs in,
	// ProviderName its name.
	Provider, ProviderName string
	// Polled says that the token goes to the program that asks, possibly on
	// another device. Otherwise it goes to this browser.
	Polled bool
	// OnDemand says that the page is shown by a program that has a token already
	// and asks for a child of it (protocol section 5.18.3): its buttons call
	// approve and cancel, which that program defines.
	OnDemand bool
	// Action is where the form is sent; empty if OnDemand.
	Action  string
	Expires time.Time

	Name         string
	Capabilities []CapabilityChoice
	Clauses      []ClauseText
	// Restrictions and Rotation are JSON, to be edited; Rotation is empty if there
	// is none.
	Restrictions, Rotation string
	RotationText           string

	// Editor is the fields to change restrictions and rotation with. It is nil
	// where they can be changed as JSON only: on demand, and if they say what no
	// field can.
	Editor *Editor
	// Timeline shows the clauses over time, as SVG; empty if there are none.
	Timeline template.HTML
	// Problems is what was wrong with the form that was sent.
	Problems []Problem
}

// LoginPage is what login.html gets: who wants to manage his tokens has to log in.
type LoginPage struct {
	Frame
	Providers []ProviderChoice
	// Ended says that there was a login, which is not good any more.
	Ended bool
	// Lifetime is how long the login will be good, in words.
	Lifetime string
}

// ProviderChoice is a provider at which a user may log in.
type ProviderChoice struct {
	Issuer, Name string
	Chosen       bool
}

// TokensPage is what tokens.html gets: the user's tokens.
type TokensPage struct {
	Frame
	User  User
	Roots []*TokenView
	// Count is the number of tokens that are shown, More says that there are
	// others; Search is the part of a name that was searched for.
	Count  int
	More   bool
	Search string
	// Notice is something that was done; may be empty.
	Notice string
}

// User is who is logged in.
type User struct {
	Subject, ProviderName string
	// Until is when the login ends; zero: never.
	Until time.Time
}

// TokenView is a token in a list.
type TokenView struct {
	ID   string
	Name string
	// Link is the address of its page, RevokeLink that of the question whether to
	// revoke it.
	Link, RevokeLink string
	// Current says that it is the token of this login.
	Current, Revoked, Expired bool
	Provider                  string
	Address                   string // where it was made; empty if not known
	Created, Expires, Used    time.Time
	Capabilities              []CapabilityChoice
	Clauses                   []ClauseText
	RotationText              string
	Children                  []*TokenView
	// Below is how many live tokens were made from it.
	Below int
}

// TokenPage is what token.html gets: one token.
type TokenPage struct {
	Frame
	Token *TokenView
	// Parent is the token above it in the list; nil if there is none.
	Parent   *TokenView
	Timeline template.HTML
	Events   []EventView
	// Truncated says that there are older events.
	Truncated bool
}

// EventView is an event in the history of a token.
type EventView struct {
	Name, Text string
	Comment    string
	Address    string
	UserAgent  string
	Time       time.Time
}

// RevokePage is what revoke.html gets: the question whether to revoke.
type RevokePage struct {
	Frame
	Token *TokenView
}

// CreatePage is what create.html gets: the form for a new token.
type CreatePage struct {
	Frame
	Name         string
	Providers    []ProviderChoice
	Provider     string
	Capabilities []CapabilityNode
	Editor       *Editor
	// Transfer says that a transfer code is wanted instead of the token.
	Transfer bool
	// Judged says that Clauses, RotationText and Timeline show what the fields
	// say; otherwise the user is still at it, or something is wrong.
	Judged       bool
	Clauses      []ClauseText
	RotationText string
	Timeline     template.HTML
	Problems     []Problem
}

// CreatedPage is what created.html gets: a new token, shown once.
type CreatedPage struct {
	Frame
	redact.Hidden

	// Token is the token; empty if there is a code instead.
	Token string
	// Code fetches the token on another device until CodeExpires; QR is its SVG.
	Code        string
	CodeExpires time.Time
	QR          template.HTML
	ID          string
	Name        string
	User        User
	// Capabilities and Clauses are what the token can do, which may be less than
	// what was asked for.
	Capabilities []CapabilityChoice
	Clauses      []ClauseText
}

// CapabilityChoice is a capability that may be chosen.
type CapabilityChoice struct {
	Name, Description string
	Checked           bool
}

// CapabilityNode is a capability in the tree of all.
type CapabilityNode struct {
	CapabilityChoice
	// Read is the part that is restricted to reading; nil if there is none.
	Read     *CapabilityChoice
	Children []CapabilityNode
	// Open says that a part of it is chosen.
	Open bool
}

// ClauseText is a clause in words; each line has to be met.
type ClauseText struct {
	Lines []string
	// Left says how much of its limits is left; empty where there are none.
	Left []string
}

// Problem is something that is wrong with a form. Field is the id of the field;
// empty if no single one is to blame.
type Problem struct{ Field, Text string }
