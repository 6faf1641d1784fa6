package rest

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/mytoken/issuer"
)

// GrantSetting says whether a user enabled a grant type.
type GrantSetting struct {
	GrantType string
	Enabled   bool
}

// GrantSettings keeps which grant types users enabled or disabled (protocol
// section 5.10). A user is named by the "sub" claim of the mytokens. It must be
// safe for concurrent use, and what is set must be durable when SetGrant returns.
type GrantSettings interface {
	// Grants returns what the user ever set, in a fixed order.
	Grants(ctx context.Context, subject string) ([]GrantSetting, error)
	// SetGrant sets one; setting it again changes nothing.
	SetGrant(ctx context.Context, subject string, s GrantSetting) error
}

// Events of the settings (protocol section 7.2).
const (
	eventGrantsListed  = "settings_grants_listed"
	eventGrantEnabled  = "settings_grant_enabled"
	eventGrantDisabled = "settings_grant_disabled"
)

// grantTypes may be enabled and disabled.
var grantTypes = []string{wire.GrantMytoken, wire.GrantOIDCFlow, wire.GrantPollingCode, wire.GrantTransferCode, wire.GrantSSH}

func (c *call) authorize(inBody wire.Secret, needs capability.Capability, event, comment string) (*issuer.Authorized, error) {
	token, err := c.token(inBody)
	if err != nil {
		return nil, err
	}
	return c.issuer.Authorize(c.ctx(), issuer.AuthorizeRequest{Token: token, Needs: needs, Event: event, Comment: comment, Client: c.client})
}

func grantsList(c *call, req *wire.GrantSettingRequest) (*answer, error) {
	by, err := c.authorize(req.Mytoken, capability.ReadSettingsGrants, eventGrantsListed, "")
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
	return setGrant(c, req, true, eventGrantEnabled, http.StatusCreated)
}

func grantsDisable(c *call, req *wire.GrantSettingRequest) (*answer, error) {
	return setGrant(c, req, false, eventGrantDisabled, http.StatusNoContent)
}

func setGrant(c *call, req *wire.GrantSettingRequest, enabled bool, event string, status int) (*answer, error) {
	if c.opts.GrantSettings == nil {
		return nil, errNotBuilt
	}
	if !contains(grantTypes, req.GrantType) {
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

// MemoryGrantSettings keeps settings in memory: for tests, and for services that
// may forget them. It is safe for concurrent use; the zero value is empty.
type MemoryGrantSettings struct {
	mu     sync.Mutex
	byUser map[string][]GrantSetting
}

// Grants implements GrantSettings.
func (m *MemoryGrantSettings) Grants(_ context.Context, subject string) ([]GrantSetting, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.byUser[subject]), nil
}

// SetGrant implements GrantSettings.
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

// unix is a time on the wire; 0 if there is none.
func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}
