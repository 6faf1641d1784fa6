package rest

import (
	"cmp"
	"context"
	"slices"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/restriction"
)

// tokenMy is the mytoken endpoint (protocol section 5.4).
func tokenMy(c *call, req *wire.TokenRequest) (*answer, error) {
	grant := c.grantType(req.GrantType)
	if asksForTags(req.Tags) && grant != wire.GrantOIDCFlow && grant != wire.GrantMytoken {
		return nil, errTagsWithoutToken
	}
	switch grant {
	case wire.GrantOIDCFlow:
		return startLogin(c, req)
	case wire.GrantPollingCode:
		return poll(c, req)
	case wire.GrantMytoken:
		return derive(c, req)
	case wire.GrantTransferCode:
		return redeem(c, req)
	}
	return nil, errNoGrantType
}

// grantType returns the grant type from the body, else from the query.
func (c *call) grantType(inBody string) string {
	return cmp.Or(inBody, c.r.URL.Query().Get("grant_type"))
}

// startLogin starts a login on another device, or in this browser (protocol section
// 5.4.1).
func startLogin(c *call, req *wire.TokenRequest) (*answer, error) {
	if req.OIDCFlow != "" && req.OIDCFlow != wire.FlowAuthorizationCode {
		return nil, &told{errNoGrantType, "Unsupported oidc_flow"}
	}
	if err := refuseUnserved(req); err != nil { // before it counts as the start of a login
		return nil, err
	}
	if err := c.admitLogin(); err != nil {
		return nil, err
	}
	login, err := c.loginRequest(req)
	if err != nil {
		return nil, err
	}
	switch req.ClientType {
	case "", wire.ClientNative:
	case wire.ClientWeb:
		return startWebLogin(c, login, req.RedirectURI)
	default:
		return nil, badRequest("client_type is neither native nor web")
	}
	native, err := c.issuer.StartNative(c.ctx(), login)
	if err != nil {
		return nil, err
	}
	return ok(c.loginResponse(native)), nil
}

func (c *call) consentURI(code mytoken.Secret) string {
	return c.base + wire.PathConsent + "/" + c.issuer.MarkCode(code).Reveal()
}

func (c *call) loginRequest(req *wire.TokenRequest) (issuer.LoginRequest, error) {
	props, err := c.properties(req)
	return issuer.LoginRequest{
		Provider: req.OIDCIssuer, Properties: props, Response: responseOf(req), Application: req.ApplicationName, Client: c.client,
	}, err
}

// poll redeems a polling code (protocol section 5.4.2).
func poll(c *call, req *wire.TokenRequest) (*answer, error) {
	issued, err := guessed(c, req.PollingCode.Reveal(), func(ctx context.Context, code mytoken.Secret) (*mytoken.Issued, error) {
		return c.issuer.Poll(ctx, issuer.PollRequest{Code: code, Client: c.client})
	})
	if err != nil {
		return nil, err
	}
	return ok(c.tokenResponse(issued)), nil
}

// redeem redeems a transfer code (protocol section 5.4.4). Its answer has no rotation.
func redeem(c *call, req *wire.TokenRequest) (*answer, error) {
	issued, err := guessed(c, req.TransferCode.Reveal(), func(ctx context.Context, code mytoken.Secret) (*mytoken.Issued, error) {
		return c.issuer.Redeem(ctx, issuer.RedeemRequest{Code: code, Client: c.client})
	})
	if err != nil {
		return nil, err
	}
	body := c.tokenResponse(issued)
	body.Rotation = nil
	return ok(body), nil
}

// derive creates a child of a mytoken (protocol section 5.4.3).
func derive(c *call, req *wire.TokenRequest) (*answer, error) {
	derivation, err := c.derivation(req)
	if err != nil {
		return nil, err
	}
	issued, err := c.issuer.Derive(c.ctx(), derivation)
	if err != nil {
		return nil, err
	}
	body := c.tokenResponse(issued)
	body.TokenUpdate = c.update(issued.Update)
	return ok(body), nil
}

func (c *call) derivation(req *wire.TokenRequest) (issuer.DeriveRequest, error) {
	token, err := c.token(req.Mytoken)
	if err != nil {
		return issuer.DeriveRequest{}, err
	}
	id, err := c.useID("derive")
	if err != nil {
		return issuer.DeriveRequest{}, err
	}
	props, err := c.properties(req)
	return issuer.DeriveRequest{
		Token: token, ID: id, Provider: req.OIDCIssuer, Properties: props, Response: responseOf(req),
		Adjust: !req.ErrorOnRestrictions, Verbatim: req.ErrorOnRestrictions, Client: c.client,
	}, err
}

func responseOf(req *wire.TokenRequest) mytoken.Response {
	return mytoken.Response{Type: mytoken.ResponseType(req.ResponseType), MaxLength: req.MaxTokenLen}
}

// legacyCapabilities are names that clients still request and that no longer have an
// effect (protocol section 3.1).
var legacyCapabilities = []capability.Capability{"list_mytokens", "revoke_any_token"}

// refuseUnserved refuses a request for something that this service cannot do. Ignoring it
// would make users believe that they have it.
func refuseUnserved(req *wire.TokenRequest) error {
	switch string(req.SubscribeNotifications) {
	case "", "null", "[]":
		return nil
	}
	return notServed("subscribe_notifications: " + notBuiltNotifications)
}

// properties reads the properties of a requested token. Templates are already expanded.
func (c *call) properties(req *wire.TokenRequest) (mytoken.Properties, error) {
	props := mytoken.Properties{Name: req.Name}
	err := refuseUnserved(req)
	if err != nil {
		return props, err
	}
	if len(req.Restrictions) > 0 {
		if props.Restrictions, err = restriction.ParseRequest(req.Restrictions, restriction.RequestOptions{
			Now: c.issuer.Now(), Address: c.client.Address, Location: c.opts.Location,
		}); err != nil {
			return props, err
		}
	}
	if len(req.Capabilities) > 0 {
		asked, err := capability.Parse(req.Capabilities)
		if err != nil {
			return props, err
		}
		known := slices.DeleteFunc(asked.Dedup(), func(name capability.Capability) bool { return slices.Contains(legacyCapabilities, name) })
		switch {
		case len(known) > 0:
			props.Capabilities = known
		case len(asked) > 0: // without capabilities, the token would get the default ones
			return props, badRequest("none of the requested capabilities exists")
		}
	}
	if props.Tags, err = readTags(req.Tags); err != nil {
		return props, err
	}
	props.Rotation, err = readRotation(req.Rotation)
	return props, err
}

func readRotation(text []byte) (*mytoken.Rotation, error) {
	if len(text) == 0 || string(text) == "null" {
		return nil, nil
	}
	r := new(mytoken.Rotation)
	return r, r.UnmarshalJSON(text)
}
