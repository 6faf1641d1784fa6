package rest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/requestid"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/mytoken/issuer"
)

// ErrAction says that no such action exists.
var ErrAction = errors.New("rest: unknown action")

// command is an action of SSH clients. It is carried out like a request over HTTP, and
// its answer is written as one line.
type command struct {
	handle handle
	line   func(body any) mytoken.Secret // nil: the body as JSON
}

// commands are the actions that are served (protocol section 5.12).
var commands = map[string]command{
	wire.SSHAccessToken: {serve(commandAccess), func(body any) mytoken.Secret { return body.(*wire.AccessTokenResponse).AccessToken.Secret }},
	wire.SSHMytoken: {serveExpanded(expandTokenRequest, derive), func(body any) mytoken.Secret {
		t := body.(*wire.TokenResponse)
		if t.Mytoken.IsEmpty() {
			return t.TransferCode.Secret
		}
		return t.Mytoken.Secret
	}},
	wire.SSHIntrospect: {handle: commandInfo(wire.ActionIntrospect)},
	wire.SSHHistory:    {handle: commandInfo(wire.ActionHistory)},
	wire.SSHSubtokens:  {handle: commandInfo(wire.ActionSubtokens)},
	wire.SSHList:       {handle: commandInfo(wire.ActionList)},
	wire.SSHRevoke:     {serve(commandRevoke), done},

	wire.SSHTags:      {handle: serve(tagsList)},
	wire.SSHTagCreate: {serve(commandTagCreate), done},
	wire.SSHTagUpdate: {serve(commandTagUpdate), done},
	wire.SSHTagDelete: {serve(commandTagDelete), done},
	wire.SSHTagAdd:    {serve(tokenTag), done},
	wire.SSHTagRemove: {serve(tokenUntag), done},
}

// laterCommands are the actions of newer clients that are not served, and what is
// missing.
var laterCommands = map[string]string{
	"tokeninfo-notifications": "notifications", "notifications": "notifications", "notification-create": "notifications",
	"notification-update": "notifications", "notification-delete": "notifications",
	"notification-add-token": "notifications", "notification-remove-token": "notifications",
	"calendars": "calendars", "calendar-create": "calendars", "calendar-get": "calendars", "calendar-update": "calendars", "calendar-delete": "calendars",
	"calendar-add-mytoken": "calendars", "calendar-remove-mytoken": "calendars", "calendar-add-tag": "calendars", "calendar-remove-tag": "calendars",
	"email-get": "mail", "email-set": "mail",
}

// done is the line of an action that has nothing to tell.
func done(any) mytoken.Secret { return mytoken.NewSecret("OK") }

// Command carries out an action for a client that has proved to hold an SSH key; see
// issuer.Client. Data is a JSON object, or empty. It returns one line to print, without a
// line feed. The line may be a secret. With an error, the line says what is wrong, in
// words for the client. It is empty if there is no such action: the error is [ErrAction]
// then.
//
// The options of the handler apply as they do over HTTP, except for Values. Logger gets a
// line for each command.
func (h *Handler) Command(ctx context.Context, client issuer.Client, action string, data []byte) (mytoken.Secret, error) {
	do, known := commands[action]
	if missing, later := laterCommands[action]; later {
		do = command{handle: func(*call) (*answer, error) {
			return nil, &told{errNotBuilt, "not supported by this server: " + missing}
		}}
	} else if !known || client.Key == nil {
		return mytoken.Secret{}, ErrAction
	}
	ctx, cancel := context.WithTimeout(ctx, h.opts.RequestTimeout)
	defer cancel()
	c := &call{Handler: h, id: newRequestID(), route: &route{path: "ssh " + action, kind: api}, client: client}
	c.r = (&http.Request{
		Method: "SSH", URL: &url.URL{}, Header: http.Header{}, ContentLength: int64(len(data)), Body: io.NopCloser(bytes.NewReader(data)),
	}).WithContext(requestid.With(ctx, c.id))
	started := h.issuer.Now()
	a, err := c.carryOut(do.handle)
	line, status := mytoken.Secret{}, http.StatusOK
	if err == nil {
		line, err = a.line(do)
	}
	if err != nil {
		f := c.failure(err)
		line, status = errorLine(f.body.(*wire.Error)), f.status
	}
	c.log(status, err, h.issuer.Now().Sub(started))
	return line, err
}

// line writes an answer as a line.
func (a *answer) line(do command) (mytoken.Secret, error) {
	if do.line != nil {
		return do.line(a.body), nil
	}
	text, err := wire.Marshal(a.body)
	return mytoken.NewSecret(string(text)), err
}

// errorLine is an error in its combined form.
func errorLine(e *wire.Error) mytoken.Secret {
	switch {
	case e.Code == wire.ErrorInternal:
		return mytoken.NewSecret("Internal server error: " + e.Description)
	case e.Description == "":
		return mytoken.NewSecret(e.Code)
	}
	return mytoken.NewSecret(e.Code + ": " + e.Description)
}

// commandAccess is the access token endpoint. Clients may leave out the grant type.
func commandAccess(c *call, req *wire.AccessTokenRequest) (*answer, error) {
	req.GrantType = wire.GrantMytoken
	return tokenAccess(c, req)
}

// commandInfo is an action of the tokeninfo endpoint.
func commandInfo(action string) handle {
	return serve(func(c *call, req *wire.TokeninfoRequest) (*answer, error) {
		return tokeninfo(c, &wire.TokeninfoRequest{Action: action, Mytoken: req.Mytoken})
	})
}

func commandTagCreate(c *call, req *wire.SSHTagRequest) (*answer, error) {
	return c.changeTag(wire.Secret{}, issuer.TagRequest{Name: req.Tag, Color: req.Color}, "create a tag", c.issuer.CreateTag)
}

func commandTagUpdate(c *call, req *wire.SSHTagRequest) (*answer, error) {
	return c.updateTag(wire.Secret{}, issuer.TagRequest{Name: req.Tag, NewName: req.Name, Color: req.Color})
}

func commandTagDelete(c *call, req *wire.SSHTagRequest) (*answer, error) {
	return c.changeTag(wire.Secret{}, issuer.TagRequest{Name: req.Tag}, "delete a tag", c.issuer.DeleteTag)
}

// commandRevoke revokes the token behind the key, or another one of the user.
func commandRevoke(c *call, req *wire.RevocationRequest) (*answer, error) {
	token, err := c.token(req.Token)
	if err != nil {
		return nil, err
	}
	if req.MomID != "" {
		return revokeOther(c, req, token)
	}
	_, err = c.issuer.Revoke(c.ctx(), issuer.RevokeRequest{Recursive: req.Recursive, Provider: req.OIDCIssuer, Client: c.client})
	return empty(http.StatusNoContent), err
}
