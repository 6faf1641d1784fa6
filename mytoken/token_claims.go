package mytoken

import (
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/internal/jsonscan"
	"github.com/mytoken-go/sdk/restriction"
)

// tokenVersion is the version of the token format that [Keys.Sign] writes.
const tokenVersion = "0.7"

// The constants of every token (protocol sections 1.1 and 1.2).
const (
	tokenTyp  = "MT+JWT"
	tokenType = "mytoken"
)

// maxClaimTime bounds times in claims: the end of the year 9999, in seconds.
const maxClaimTime = 253402300799

// Claims are what a token says (protocol section 1.2). [Keys.Sign] makes a token of them.
// Times are in Unix seconds.
type Claims struct {
	// Issuer is the URL of the service that issues the token. It is also the audience.
	Issuer string
	// JTI is the random identity of the token. [Keys.Sign] draws one if it is zero.
	JTI JTI
	// Seq is the generation. [Keys.Sign] writes 1 if it is 0.
	Seq  uint64
	Name string // chosen by the user; may be empty
	// OIDCIssuer and OIDCSubject name the user: the issuer URL of the provider, and the
	// id of the user there.
	OIDCIssuer, OIDCSubject string
	Capabilities            capability.Set
	Restrictions            restriction.List // nil: unrestricted
	Rotation                *Rotation        // nil: the token never rotates
	AuthTime                int64            // 0: unknown
	// IssuedAt, NotBefore and ExpiresAt are those of this generation. Set them with
	// [Claims.SetTimes]. ExpiresAt 0 means that the token never expires.
	IssuedAt, NotBefore, ExpiresAt int64
}

// claims is the payload of a token: its claims and what stands beside them.
type claims struct {
	Claims
	version   string
	tokenType string
	audience  string
	subject   string // as it stands in the token
}

// payload adds what every token of this version says.
func (c Claims) payload() claims {
	return claims{
		Claims: c, version: tokenVersion, tokenType: tokenType, audience: c.Issuer,
		subject: Owner(c.OIDCIssuer, c.OIDCSubject).String(),
	}
}

// decode reads a payload strictly: one JSON object, no name twice on any level, names in
// their exact case, each value of its one type. null is a value of no type, so "exp":
// null cannot make a token that never expires.
//
// "restrictions" must not be an empty array: no issuer writes it, and it would read as
// "unrestricted". A clause with unknown keys keeps the bytes of their values, and is
// refused when the token is used. An unknown name inside "rotation" is refused.
//
// decode ignores other unknown claims, as RFC 7519 section 4 requires. A new "ver" would
// announce a claim that must not be ignored. The exception is "cnf" (RFC 7800): it binds
// the token to a key that the holder must prove, so ignoring it would widen the token.
func (c *claims) decode(payload []byte) error {
	if (jsonscan.Limits{Depth: maxPayloadDepth}).Exceeded(payload) {
		return fmt.Errorf("%w: more than %d levels of nesting", ErrTokenTooLarge, maxPayloadDepth)
	}
	*c = claims{}
	err := eachMember(payload, func(name []byte, value jsontext.Value) error {
		if err := c.read(name, value); err != nil {
			return &claimError{string(name), err}
		}
		return nil
	})
	if err != nil {
		return refineClaims(err)
	}
	if name := c.missing(); name != "" {
		return fmt.Errorf("%w: claim %q is missing or empty", ErrTokenMalformed, name)
	}
	return nil
}

// missing returns the name of the first claim that every token has and this one lacks.
// Only the list of capabilities may be empty.
func (c *claims) missing() string {
	switch {
	case c.version == "":
		return "ver"
	case c.tokenType == "":
		return "token_type"
	case c.Issuer == "":
		return "iss"
	case c.audience == "":
		return "aud"
	case c.subject == "":
		return "sub"
	case c.JTI.IsZero():
		return "jti"
	case c.Seq == 0:
		return "seq_no"
	case c.OIDCIssuer == "":
		return "oidc_iss"
	case c.OIDCSubject == "":
		return "oidc_sub"
	case c.Capabilities == nil:
		return "capabilities"
	case c.IssuedAt == 0:
		return "iat"
	case c.NotBefore == 0:
		return "nbf"
	}
	return ""
}

// read stores one claim.
func (c *claims) read(name []byte, value jsontext.Value) (err error) {
	switch string(name) {
	case "ver":
		c.version, err = readText(value)
	case "token_type":
		c.tokenType, err = readText(value)
	case "iss":
		c.Issuer, err = readText(value)
	case "aud":
		c.audience, err = readText(value)
	case "sub":
		c.subject, err = readText(value)
	case "jti":
		var text string
		if text, err = readText(value); err == nil {
			c.JTI, err = ParseJTI(text)
		}
	case "seq_no":
		var n int64
		n, err = readInteger(value, 1, 1<<62)
		c.Seq = uint64(n)
	case "name":
		c.Name, err = readText(value)
	case "oidc_iss":
		c.OIDCIssuer, err = readText(value)
	case "oidc_sub":
		c.OIDCSubject, err = readText(value)
	case "capabilities":
		c.Capabilities, err = capability.Parse(value)
	case "restrictions":
		if c.Restrictions, err = restriction.Parse(value); err == nil && len(c.Restrictions) == 0 {
			err = fmt.Errorf("%w: no clause", ErrTokenRestrictions)
		}
	case "rotation":
		c.Rotation = &Rotation{}
		err = c.Rotation.UnmarshalJSON(value)
	case "auth_time":
		c.AuthTime, err = readInteger(value, 0, maxClaimTime)
	case "iat":
		c.IssuedAt, err = readInteger(value, 1, maxClaimTime)
	case "nbf":
		c.NotBefore, err = readInteger(value, 1, maxClaimTime)
	case "exp":
		c.ExpiresAt, err = readInteger(value, 1, maxClaimTime)
	case "cnf":
		err = errConfirmation
	}
	return err
}

// encode returns the payload. decode reads it back as equal claims.
func (c *claims) encode() ([]byte, error) {
	e := claimEncoder{text: make([]byte, 0, 1024)}
	e.string("ver", c.version)
	e.string("token_type", c.tokenType)
	e.string("iss", c.Issuer)
	e.string("sub", c.subject)
	e.integer("seq_no", int64(c.Seq))
	if c.Name != "" {
		e.string("name", c.Name)
	}
	e.string("aud", c.audience)
	e.string("oidc_sub", c.OIDCSubject)
	e.string("oidc_iss", c.OIDCIssuer)
	e.value("capabilities", c.Capabilities.MarshalJSON)
	if c.ExpiresAt != 0 {
		e.integer("exp", c.ExpiresAt)
	}
	e.integer("nbf", c.NotBefore)
	e.integer("iat", c.IssuedAt)
	if c.AuthTime != 0 {
		e.integer("auth_time", c.AuthTime)
	}
	e.string("jti", c.JTI.String())
	if c.Restrictions != nil { // an empty list is not "unrestricted": decode refuses it
		e.value("restrictions", c.Restrictions.MarshalJSON)
	}
	if c.Rotation != nil {
		e.value("rotation", c.Rotation.MarshalJSON)
	}
	return append(e.text, '}'), e.err
}

// claimEncoder writes the members of an object. The names come from this file and need no
// quoting.
type claimEncoder struct {
	text []byte
	err  error
}

func (e *claimEncoder) name(name string) {
	if len(e.text) == 0 {
		e.text = append(e.text, '{')
	} else {
		e.text = append(e.text, ',')
	}
	e.text = append(append(append(e.text, '"'), name...), '"', ':')
}

func (e *claimEncoder) string(name, value string) {
	e.name(name)
	text, err := jsontext.AppendQuote(e.text, value)
	if err != nil && e.err == nil {
		e.err = fmt.Errorf("%w: claim %q is not UTF-8", ErrTokenMalformed, name)
	}
	e.text = text
}

func (e *claimEncoder) integer(name string, n int64) {
	e.name(name)
	e.text = strconv.AppendInt(e.text, n, 10)
}

// value inserts JSON text as it is. An encoder of objects would change the bytes of
// unknown restriction keys.
func (e *claimEncoder) value(name string, encode func() ([]byte, error)) {
	text, err := encode()
	if err != nil && e.err == nil {
		e.err = refineClaims(&claimError{name, err})
	}
	e.name(name)
	e.text = append(e.text, text...)
}
