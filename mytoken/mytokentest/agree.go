package mytokentest

import (
	"context"
	"errors"
	"net/url"
	"path"

	"github.com/mytoken-go/sdk/mytoken"
)

// Agree acts as a user to whom a program shows the address of a consent page, such as the
// ConsentURI of a login of package client. The user agrees to everything and logs in as
// subject. Then the program can collect its token.
func (s *Service) Agree(ctx context.Context, subject, address string) error {
	u, err := url.Parse(address)
	if err != nil || len(path.Base(u.Path)) < 2 {
		return errors.New("mytokentest: the address of the consent page has no code: pass the ConsentURI as it is")
	}
	code, _ := s.Issuer.UnmarkCode(mytoken.NewSecret(path.Base(u.Path)))
	asked, err := s.Issuer.Consent(ctx, code)
	if err != nil {
		return err
	}
	login, err := s.Issuer.Approve(ctx, code, asked.Properties)
	if err != nil {
		return err
	}
	_, err = s.Follow(ctx, subject, login)
	return err
}
