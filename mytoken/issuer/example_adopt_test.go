package issuer_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store/seal"
)

// jobPortal starts jobs for users while they are away. It adopts the refresh token of a
// user once, and keeps the mytoken that it gets. Each job gets a narrower mytoken.
type jobPortal struct {
	issuer   *issuer.Issuer
	provider string
	// box seals the mytokens in the portal's own table. Its key is not a server key of the
	// issuer, so neither of them alone opens a refresh token.
	box   *seal.Box
	users map[string][]byte // the table, by the subject of the user
}

// row names the place of a mytoken in the table. A sealed mytoken opens there only.
func row(subject string) string { return "users/" + subject + "/mytoken" }

// adopt takes over a refresh token. From now on only the issuer uses it, so delete it
// elsewhere. The id belongs into the portal's table before the call: after a lost answer,
// call adopt with it again.
func (p *jobPortal) adopt(ctx context.Context, subject string, refresh mytoken.Secret, id issuer.UseID) error {
	issued, err := p.issuer.Adopt(ctx, issuer.Adoption{
		Provider: p.provider, Subject: subject, RefreshToken: refresh, ID: id,
		// Name all that jobs may ever need. The mytoken does not rotate, so that many jobs
		// can be started from it at once.
		Properties: mytoken.Properties{
			Name:         "job portal",
			Capabilities: capability.Set{capability.AT, capability.CreateMytoken},
			Restrictions: restriction.List{{
				Scopes:  []string{"compute", "storage.read", "storage.write"},
				Expires: p.issuer.Now().AddDate(0, 6, 0).Unix(),
			}},
		},
	})
	if err != nil {
		return err // after a *ReconnectError the user has to log in
	}
	p.users[subject], err = p.box.Seal(row(subject), []byte(issued.Token.Reveal()))
	return err
}

// start makes the mytoken of a job. The portal keeps the id with the job and can repeat
// the call with it. It keeps the mytoken nowhere: the job has it.
func (p *jobPortal) start(ctx context.Context, subject, job string, id issuer.UseID, needs restriction.Phase) (*mytoken.Issued, error) {
	token, err := p.box.Open(row(subject), p.users[subject])
	if err != nil {
		return nil, err
	}
	restrictions, err := restriction.Phases(p.issuer.Now(), needs)
	if err != nil {
		return nil, err
	}
	return p.issuer.Derive(ctx, issuer.DeriveRequest{
		Token: mytoken.NewSecret(string(token)), ID: id,
		Properties: mytoken.Properties{
			Name:         job,
			Capabilities: capability.Set{capability.AT}, // it makes no mytokens
			Restrictions: restrictions,
		},
	})
}

// How does a portal start jobs for its users without keeping their refresh tokens?
//
// It adopts each refresh token once, keeps the mytoken sealed in its own table, and
// derives a narrower mytoken for each job.
func ExampleIssuer_Adopt_onceForAllJobs() {
	ctx := context.Background()
	service, err := mytokentest.Start(mytokentest.Options{}) // in a service: issuer.New
	if err != nil {
		panic(err)
	}
	defer service.Close()
	box, err := seal.NewBox(seal.RingConfig{Active: seal.NewKey()}) // in a service: keyfile.Server
	if err != nil {
		panic(err)
	}
	portal := &jobPortal{issuer: service.Issuer, provider: service.Provider.Issuer(), box: box, users: map[string][]byte{}}

	// Once for each user.
	refresh, err := service.RefreshToken(ctx, "alice") // from the portal's login
	if err != nil {
		panic(err)
	}
	if err := portal.adopt(ctx, "alice", refresh, issuer.NewUseID()); err != nil {
		panic(err)
	}

	// For each job, while alice is away.
	job, err := portal.start(ctx, "alice", "job 7", issuer.NewUseID(),
		restriction.First(12*time.Hour).Scopes("storage.read").AccessTokens(1))
	if err != nil {
		panic(err)
	}

	// The job gets what it needs, and no more.
	read := issuer.AccessTokenRequest{Token: job.Token, Scopes: []string{"storage.read"}}
	access, err := service.Issuer.AccessToken(ctx, read)
	if err != nil {
		panic(err)
	}
	fmt.Println("the job gets", access.Scopes)
	var refused *issuer.RefusedError
	_, err = service.Issuer.AccessToken(ctx, read)
	fmt.Println("once:", errors.As(err, &refused))

	// A copy of the row is worthless in the row of somebody else.
	portal.users["bob"] = portal.users["alice"]
	_, err = portal.start(ctx, "bob", "job 8", issuer.NewUseID(), restriction.First(time.Hour))
	fmt.Println("not for bob:", errors.Is(err, seal.ErrOpen))
	// Output:
	// the job gets [storage.read]
	// once: true
	// not for bob: true
}
