package issuer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/internal/clip"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
)

// grantSSH is the grant type of SSH keys. It is the only one that has an effect.
const grantSSH = "ssh"

// grantTypes are the grant types that users enable and disable, in the order of lists.
var grantTypes = []string{"mytoken", "oidc_flow", "polling_code", "transfer_code", grantSSH}

// SettingsRequest asks for settings of the user of a token.
type SettingsRequest struct {
	Token  mytoken.Secret
	Client Client
}

// GrantSetting says whether a user enabled a grant type (protocol section 5.10).
type GrantSetting struct {
	// GrantType is mytoken, oidc_flow, polling_code, transfer_code or ssh.
	GrantType string
	Enabled   bool
}

// GrantSettings are the grant types that a user has ever enabled or disabled.
type GrantSettings struct {
	List []GrantSetting
	// Update replaces the authorising token. It is nil if that was not rotated.
	Update *mytoken.Issued
}

// GrantSettings returns the grant types that the user has ever enabled or disabled. It
// needs read@settings:grants, and counts as one other use. Errors are those of
// [Issuer.AccessToken].
func (i *Issuer) GrantSettings(ctx context.Context, req SettingsRequest) (*GrantSettings, error) {
	return again(ctx, req.Client, func() (*GrantSettings, error) {
		p, spent, err := i.presentAndCharge(ctx, req.Token, operation{
			kind: restriction.Other, needs: capability.ReadSettingsGrants, client: req.Client, event: EventGrantsListed,
		})
		if err != nil {
			return nil, err
		}
		b, err := i.belongings(ctx, p.token.Owner())
		if err != nil {
			return nil, p.afterCharge(err)
		}
		settings, err := i.grantSettings(b)
		if err != nil {
			return nil, err
		}
		out := new(GrantSettings)
		for _, name := range grantTypes {
			if at := indexOfGrant(settings, name); at >= 0 {
				out.List = append(out.List, GrantSetting{name, settings[at].contents.Enabled})
			}
		}
		if out.Update, err = i.rotateOrFail(ctx, p, restriction.Other, spent.Key, req.Client); err != nil {
			return nil, p.afterCharge(err)
		}
		return out, nil
	})
}

// GrantRequest enables or disables a grant type.
type GrantRequest struct {
	Token mytoken.Secret
	GrantSetting
	Client Client
}

// SetGrant enables or disables a grant type for the user of a token, and returns what
// replaces the token if that was rotated. It needs settings:grants, and counts as one
// other use. While ssh is disabled, which it is at first, no SSH key of the user works;
// see [Issuer.OpenSSHKey]. The other grant types have no effect.
//
// Errors are those of [Issuer.AccessToken], and a [*RequestError] for an unknown grant
// type.
func (i *Issuer) SetGrant(ctx context.Context, req GrantRequest) (*mytoken.Issued, error) {
	if !slices.Contains(grantTypes, req.GrantType) {
		return nil, &RequestError{Field: "grant_type", Reason: fmt.Sprintf("%q is none of %q", clip.Name(req.GrantType), grantTypes)}
	}
	op := operation{kind: restriction.Other, needs: capability.SettingsGrants, client: req.Client, event: EventGrantDisabled, comment: req.GrantType}
	if req.Enabled {
		op.event = EventGrantEnabled
	}
	return again(ctx, req.Client, func() (*mytoken.Issued, error) {
		p, spent, err := i.presentAndCharge(ctx, req.Token, op)
		if err != nil {
			return nil, err
		}
		owner := p.token.Owner()
		err = i.changeItems(ctx, owner, func(b *belongings, c *store.ItemChanges) error {
			settings, err := i.grantSettings(b)
			if err != nil {
				return err
			}
			one := item[grantSetting]{contents: grantSetting(req.GrantSetting)}
			if at := indexOfGrant(settings, req.GrantType); at >= 0 {
				if one.id = settings[at].id; settings[at].contents == one.contents {
					return nil
				}
			}
			put, err := sealItem(i, owner, one)
			c.Put, c.Token, c.NeedsToken = []store.Item{put}, p.id.ID, true
			return err
		})
		if errors.Is(err, store.ErrNotFound) { // the user was deleted meanwhile
			err = i.tokenError(ctx, p, err)
		}
		if err != nil {
			return nil, p.afterCharge(err)
		}
		update, err := i.rotateOrFail(ctx, p, op.kind, spent.Key, req.Client)
		return update, p.afterCharge(err)
	})
}

// grantSetting is the contents of an item. A user has at most one for each grant type.
type grantSetting struct {
	GrantType string `json:"grant_type"`
	Enabled   bool   `json:"enabled"`
}

func (grantSetting) itemKind() store.ItemKind { return store.ItemGrantType }

func (i *Issuer) grantSettings(b *belongings) ([]item[grantSetting], error) {
	return openItems[grantSetting](i, b)
}

func indexOfGrant(settings []item[grantSetting], name string) int {
	return slices.IndexFunc(settings, func(s item[grantSetting]) bool { return s.contents.GrantType == name })
}

// sshEnabled reports whether the user has enabled the grant type ssh.
func (i *Issuer) sshEnabled(b *belongings) (bool, error) {
	settings, err := i.grantSettings(b)
	at := indexOfGrant(settings, grantSSH)
	return at >= 0 && settings[at].contents.Enabled, err
}
