package rest

import (
	"context"
	"net/http"
	"slices"
	"sync"

	"github.com/mytoken-go/sdk/capability"
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

// GrantSetting says whether a user enabled a grant type.
type GrantSetting struct {
	GrantType string // as the protocol names it, such as "oidc_flow"
	Enabled   bool
}

// GrantSettings stores which grant types users enabled or disabled (protocol section
// 5.10). The subject is the user: the "sub" claim of the user's mytokens. An error fails
// the request. An implementation must be safe for concurrent use.
type GrantSettings interface {
	// Grants returns every setting that the user has ever made, in a fixed order.
	Grants(ctx context.Context, subject string) ([]GrantSetting, error)
	// SetGrant stores a setting. It must be durable when SetGrant returns.
	SetGrant(ctx context.Context, subject string, s GrantSetting) error
}

// grantTypes are the grant types that users may enable and disable.
var grantTypes = []string{wire.GrantMytoken, wire.GrantOIDCFlow, wire.GrantPollingCode, wire.GrantTransferCode, wire.GrantSSH}

// authorize checks that the token of a request may use the settings, and records the use.
func (c *call) authorize(inBody wire.Secret, needs capability.Capability, event, comment string) (*issuer.Authorized, error) {
	token, err := c.token(inBody)
	if err != nil {
		return nil, err
	}
	return c.issuer.Authorize(c.ctx(), issuer.AuthorizeRequest{Token: token, Needs: needs, Event: event, Comment: comment, Client: c.client})
}

func grantsList(c *call, req *wire.GrantSettingRequest) (*answer, error) {
	by, err := c.authorize(req.Mytoken, capability.ReadSettingsGrants, wire.EventGrantsListed, "")
	if err != nil {
		return nil, err
	}
	body := wire.GrantSettings{TokenUpdate: c.update(by.Update)}
	if c.opts.GrantSettings != nil {
		all, err := c.opts.GrantSettings.Grants(c.ctx(), by.Claims.Subject())
		if err != nil {
			return nil, err
		}
		for _, s := range all {
			body.GrantTypes = append(body.GrantTypes, wire.GrantSetting(s))
		}
	}
	return ok(body), nil
}

func grantsEnable(c *call, req *wire.GrantSettingRequest) (*answer, error) {
	return setGrant(c, req, true, wire.EventGrantEnabled, http.StatusCreated)
}

func grantsDisable(c *call, req *wire.GrantSettingRequest) (*answer, error) {
	return setGrant(c, req, false, wire.EventGrantDisabled, http.StatusNoContent)
}

func setGrant(c *call, req *wire.GrantSettingRequest, enabled bool, event string, status int) (*answer, error) {
	if c.opts.GrantSettings == nil {
		return nil, errNotBuilt
	}
	if !slices.Contains(grantTypes, req.GrantType) {
		return nil, badRequest("no valid 'grant_type' found")
	}
	by, err := c.authorize(req.Mytoken, capability.SettingsGrants, event, req.GrantType)
	if err != nil {
		return nil, err
	}
	s := GrantSetting{GrantType: req.GrantType, Enabled: enabled}
	if err := c.opts.GrantSettings.SetGrant(c.ctx(), by.Claims.Subject(), s); err != nil {
		return nil, err
	}
	return c.updated(status, by.Update), nil
}

// MemoryGrantSettings keeps settings in memory, for tests and for services that may lose
// them. The zero value is empty and ready to use. It is safe for concurrent use.
type MemoryGrantSettings struct {
	mu     sync.Mutex
	byUser map[string][]GrantSetting
}

// Grants implements [GrantSettings].
func (m *MemoryGrantSettings) Grants(_ context.Context, subject string) ([]GrantSetting, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.byUser[subject]), nil
}

// SetGrant implements [GrantSettings].
func (m *MemoryGrantSettings) SetGrant(_ context.Context, subject string, s GrantSetting) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byUser == nil {
		m.byUser = make(map[string][]GrantSetting)
	}
	all := m.byUser[subject]
	at := slices.IndexFunc(all, func(have GrantSetting) bool { return have.GrantType == s.GrantType })
	if at < 0 {
		m.byUser[subject] = append(all, s)
	} else {
		all[at] = s
	}
	return nil
}
