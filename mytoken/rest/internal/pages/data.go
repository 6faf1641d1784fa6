package pages

import (
	"html/template"
	"time"

	"github.com/mytoken-go/sdk/internal/redact"
)

// The types of this file are what templates get. The comment of package rest lists their
// fields.

// frame is part of every page.
type frame struct {
	// Base is the issuer URL without a slash at the end. Every address in a page begins
	// with it, because oidc-agent shows a page elsewhere.
	Base string
	// Home is the path of the start page.
	Home string
	// Service is the name of the service.
	Service string
	// Embedded says that another program shows the page, without an address bar.
	Embedded bool
	// Managing is true on the pages on which users manage their tokens. Here is "tokens"
	// or "create" on the two that the frame has links to.
	Managing bool
	Here     string
}

type messagePage struct {
	frame
	message
}

// message is a [Message] as HTML. Heading is the title with isolated names.
type message struct {
	Title             string
	Heading, Text     template.HTML
	Quote             string
	Unchanged, Advice template.HTML
	Link, LinkText    string
	Application       string // the program that started a login, or empty
	Failed            bool
	Request           string
	Continue          string
}

// givenPage says what a login gave to a program.
type givenPage struct {
	frame
	Application string // as it calls itself; empty if it does not say
	Token       *tokenView
	Summary     []fact
	Timeline    template.HTML
	Manageable  bool // users can revoke the token at Token.Link
}

type homePage struct {
	frame
	Providers  []provider
	Manageable bool
}

// provider is a provider at which users log in.
type provider struct {
	Issuer, Name string
	Chosen       bool
}

type consentPage struct {
	frame
	Application string // empty if the program does not say its name
	Address     string // where the login was started; empty if that is not known
	// Provider is the issuer of the provider at which the user logs in.
	Provider, ProviderName string
	// Polled says that the token goes to the program that asks, possibly on another
	// device. Otherwise it goes to this browser.
	Polled bool
	SSHKey string // fingerprint of the SSH key that alone gets the token; empty: it is for none
	// OnDemand says that a program with a token shows the page before it requests a child
	// (protocol section 5.18.3). The program defines the functions approve and cancel for
	// the buttons.
	OnDemand bool
	Action   string // where the form is sent; empty if OnDemand
	Expires  time.Time

	Name         string
	Capabilities []choice
	Tags         []tagView // those that were asked for; the checked ones are kept
	description
	// Restrictions and Rotation are JSON to be edited. Rotation is empty if there is
	// none.
	Restrictions, Rotation string
	// Editor is nil where only the JSON can be edited: on demand, and for restrictions
	// that the fields cannot express.
	Editor *editor
	// Judged says that the fields of the description show what the user entered. Otherwise
	// they show what was asked for.
	Judged   bool
	Problems []problem
	// Style and Script are empty unless OnDemand is true. The page then loads nothing.
	Style  template.CSS
	Script template.JS
}

// description says what a token is, or would be, as this service issues it.
type description struct {
	Summary []fact
	// Changes say what this service makes of what the user, or a program, wants.
	Changes      []line
	Scopes       []scopeView // what access tokens can be used for; empty if that is not known
	Clauses      []clauseText
	RotationText string
	Timeline     template.HTML // SVG of the clauses over time; empty if it would show nothing more
}

type loginPage struct {
	frame
	Providers []provider
	Ended     bool   // there was a session, and it is no longer valid
	Lifetime  string // of the new session, in words
	Wanted    string // mom_id of the token to show after the login, or empty
}

type tokensPage struct {
	frame
	User  user
	Roots []*tokenView
	// Count tokens are shown. More says that there are others.
	Count  int
	More   bool
	Search string // the part of a name that was searched for
	// Tags are those of all tokens. Tag is the one whose tokens are shown, or nil for any.
	Tags   []tagView
	Tag    *tagView
	Notice string // what has just been done, or empty
}

// tagView is a tag. The color is six hexadecimal digits.
type tagView struct {
	Name, Color string
	// Children says that tokens made from the token have the tag, too.
	Children bool
	Checked  bool   // of consent.html: the user keeps it
	Link     string // shows the tokens with the tag; empty in consent.html
	// RevokeLink is the address of revoketagged.html.
	RevokeLink string
}

// user is the user who is logged in.
type user struct {
	Subject, ProviderName string
	Until                 time.Time // the end of the session, or zero
}

// tokenView is a token in a list.
type tokenView struct {
	ID, Name string
	// Link is the address of the token's page, RevokeLink that of revoke.html.
	Link, RevokeLink          string
	Current, Revoked, Expired bool // Current is the token of this session
	Session                   bool // it is the token of a session of these pages
	Provider                  string
	Address                   string // where it was created; empty if that is not known
	Created, Expires, Used    time.Time
	Tags                      []tagView
	Brief                     bool // the fields from Capabilities to RotationText are not known
	Capabilities              []choice
	Clauses                   []clauseText
	RotationText              string
	Children                  []*tokenView
	Below                     int // live descendants
}

type tokenPage struct {
	frame
	Token     *tokenView
	Summary   []fact      // empty if the token is revoked, has expired, or is not described
	Scopes    []scopeView // empty if the restrictions name none in some clause
	Parent    *tokenView  // nil if it is not in the list
	Timeline  template.HTML
	Events    []event
	Truncated bool // there are older events
	// Tags are the names that the user may choose from. Problems say why a tag was not
	// added, and NewTag is what the user entered.
	Tags     []string
	NewTag   string
	Problems []problem
}

// event is an event in the history of a token. Text says what happened, and By which
// program did it, as it calls itself. Name and UserAgent are as they were stored.
type event struct {
	Name, Text, Comment, By, Address, UserAgent string
	Time                                        time.Time
}

type revokePage struct {
	frame
	Token *tokenView
}

// revokeTaggedPage asks whether to revoke all tokens with a tag: Count live ones, and Below
// others that were made from them.
type revokeTaggedPage struct {
	frame
	Tag          tagView
	Tokens       []*tokenView
	Count, Below int
	Current      bool // the token of this session is one of all these
}

type createPage struct {
	frame
	Name         string
	Providers    []provider
	Provider     string
	Capabilities []capabilityNode
	Editor       *editor
	Transfer     bool // the user wants a transfer code instead of the token
	Filled       bool // somebody else filled in the form, by a link
	// Tags are names, one per line. What is made from the token gets those of TagsBelow, too.
	Tags, TagsBelow string
	// Judged says that the fields from Summary on show what the user entered. Otherwise
	// the user is still editing, or a field is wrong.
	Judged bool
	description
	Problems []problem
}

type hidden = redact.Hidden

type createdPage struct {
	hidden
	frame
	Token string // empty if there is a code
	// Code fetches the token on another device until CodeExpires. QR is its SVG.
	Code         string
	CodeExpires  time.Time
	QR           template.HTML
	ID, Name     string
	User         user
	Capabilities []choice
	description  // may be less than the user asked for
}

// choice is a capability that a user can choose.
type choice struct {
	Name               string
	Title, Description string // Title is empty if this service does not know it
	Sensitive          bool   // users should think twice before they agree
	Checked            bool
	Refused            bool // this service does not give it, although it was asked for
}

// scopeView is a scope in words.
type scopeView struct {
	Name string
	// Title and Description are empty if nobody has described the scope. Limit says what
	// its parameter limits it to, or is empty.
	Title, Description, Limit string
	Sensitive                 bool // users should think twice before they agree
	Unknown                   bool // the provider does not list it
}

// fact is a part of a summary, such as until when a token works. Warn says that users
// should think twice about it.
type fact struct {
	Label string
	Lines []line
	Warn  bool
}

// capabilityNode is a capability in the tree of all.
type capabilityNode struct {
	choice
	Read     *choice // its part for reading, or nil
	Children []capabilityNode
	Open     bool // a part of it is chosen
}

// clauseText is a clause in words. A use has to meet each line.
type clauseText struct {
	Lines []line
	Left  []string // what is left of its limits; empty if that is not known
}

// line is a part of a description: a text, then a time unless it is zero, then items, and
// then more text.
type line struct {
	Text  string
	Time  time.Time
	Items []item
	More  string
}

// item is a text from elsewhere in a list. Before separates it from what precedes it.
type item struct{ Before, Text string }

// problem is a mistake in a form. Field is the id of the field, or empty.
type problem struct{ Field, Text string }
