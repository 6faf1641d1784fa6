package rest

import (
	"errors"
	"net/http"

	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/mytoken/issuer"
)

// settings answers with the document of the user settings (protocol section 5.9). The
// reference Go client reads it before any setting, and crashes without the endpoint that
// it looks for. So the document also names endpoints that answer 501.
func settings(c *call) (*answer, error) {
	return ok(wire.Settings{
		GrantTypeEndpoint: c.base + pathSettingsGrants,
		EmailEndpoint:     c.base + pathSettingsEmail,
		TagsEndpoint:      c.base + pathSettingsTags,
	}), nil
}

func grantsList(c *call, req *wire.GrantSettingRequest) (*answer, error) {
	token, err := c.token(req.Mytoken)
	if err != nil {
		return nil, err
	}
	got, err := c.issuer.GrantSettings(c.ctx(), issuer.SettingsRequest{Token: token, Client: c.client})
	if err != nil {
		return nil, err
	}
	body := wire.GrantSettings{TokenUpdate: c.update(got.Update)}
	for _, s := range got.List {
		body.GrantTypes = append(body.GrantTypes, wire.GrantSetting(s))
	}
	return ok(body), nil
}

func grantsEnable(c *call, req *wire.GrantSettingRequest) (*answer, error) {
	return setGrant(c, req, true, http.StatusCreated)
}

func grantsDisable(c *call, req *wire.GrantSettingRequest) (*answer, error) {
	return setGrant(c, req, false, http.StatusNoContent)
}

func setGrant(c *call, req *wire.GrantSettingRequest, enabled bool, status int) (*answer, error) {
	set := issuer.GrantRequest{GrantSetting: issuer.GrantSetting{GrantType: req.GrantType, Enabled: enabled}, Client: c.client}
	var err error
	if set.Token, err = c.token(req.Mytoken); err != nil {
		return nil, err
	}
	update, err := c.issuer.SetGrant(c.ctx(), set)
	if unknown, ok := errors.AsType[*issuer.RequestError](err); ok && unknown.Field == "grant_type" {
		return nil, &told{err, "no valid 'grant_type' found"}
	} else if err != nil {
		return nil, err
	}
	return c.updated(status, update), nil
}
