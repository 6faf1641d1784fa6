package rest

import (
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mytoken-go/sdk/internal/clip"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/mytoken/issuer"
)

// tokeninfo is the tokeninfo endpoint (protocol section 5.8). It refuses actions that the
// operator switched off (D33).
func tokeninfo(c *call, req *wire.TokeninfoRequest) (*answer, error) {
	action := req.Action
	if action == "" {
		action = wire.ActionIntrospect
	}
	if action == wire.ActionNotifications {
		return nil, notServed(notBuiltNotifications)
	}
	if !slices.Contains(c.opts.TokeninfoActions, action) {
		return nil, badRequest("value '%s' not valid for TokeninfoAction", clip.Name(action))
	}
	token, err := c.token(req.Mytoken)
	if err != nil {
		return nil, err
	}
	switch action {
	case wire.ActionHistory:
		return history(c, token, req.MomIDs)
	case wire.ActionSubtokens:
		return subtokens(c, token)
	case wire.ActionList:
		return tokenList(c, token)
	case wire.ActionExplain:
		return explain(c, token, req)
	default:
		return introspect(c, token)
	}
}

func introspect(c *call, token mytoken.Secret) (*answer, error) {
	got, err := c.issuer.Introspect(c.ctx(), issuer.IntrospectRequest{Token: token, Client: c.client})
	if err != nil {
		return nil, err
	}
	claims, err := claimsOf(got)
	if err != nil {
		return nil, err
	}
	return ok(wire.Introspection{Valid: true, TokenType: string(got.Type), MomID: got.Claims.ID().String(), Token: claims}), nil
}

// claimsOf returns the claims of a token and how often each clause was used.
func claimsOf(i *issuer.Introspection) (wire.Claims, error) {
	t := i.Claims
	restrictions, err := countedRestrictions(i)
	return wire.Claims{
		Version: t.Version(), TokenType: "mytoken", Issuer: t.Issuer(), Audience: t.Issuer(), Subject: t.Subject(),
		Seq: t.Seq(), Name: t.Name(), OIDCSubject: t.OIDCSubject(), OIDCIssuer: t.OIDCIssuer(), Capabilities: t.Capabilities(),
		ExpiresAt: unix(t.ExpiresAt()), NotBefore: unix(t.NotBefore()), IssuedAt: unix(t.IssuedAt()), AuthTime: unix(t.AuthTime()),
		JTI: t.JTI().String(), Restrictions: restrictions, Rotation: rotationText(t.Rotation()),
	}, err
}

// countedRestrictions adds usages_AT_done and usages_other_done to clauses of which
// something is gone. It keeps every byte of the embedding program's own keys.
func countedRestrictions(i *issuer.Introspection) (jsontext.Value, error) {
	list, counters := i.Claims.Restrictions(), i.Counters
	if len(list) == 0 {
		return nil, nil
	}
	out := []byte{'['}
	for n := range list {
		clause, err := list[n : n+1].AppendJSON(nil)
		if err != nil {
			return nil, err
		}
		clause = clause[1 : len(clause)-1] // without the brackets of the list
		if n < len(counters) {
			c := counters[n]
			if at, other := gone(c.AT, c.ATLeft, c.ATUsed), gone(c.Other, c.OtherLeft, c.OtherUsed); at+other > 0 {
				clause = append(clause[:len(clause)-1], `,"usages_AT_done":`...)
				clause = strconv.AppendInt(clause, at, 10)
				clause = append(clause, `,"usages_other_done":`...)
				clause = append(strconv.AppendInt(clause, other, 10), '}')
			}
		}
		if n > 0 {
			out = append(out, ',')
		}
		out = append(out, clause...)
	}
	return append(out, ']'), nil
}

// gone returns how many uses of a clause are gone. Relatives may have spent what the
// clause draws on: then more are gone than the token has used (protocol section 2.5).
func gone(limit, left mytoken.Limit, used int64) int64 {
	if limit == mytoken.Unlimited || left == mytoken.Unlimited {
		return used
	}
	return max(used, int64(limit-left))
}

func history(c *call, token mytoken.Secret, of []string) (*answer, error) {
	id, err := c.useID(wire.ActionHistory, of...)
	if err != nil {
		return nil, err
	}
	got, err := c.issuer.History(c.ctx(), issuer.HistoryRequest{Token: token, ID: id, Of: of, Client: c.client})
	if err != nil {
		return nil, tell(err, issuer.ErrNotOwned, "The provided token cannot be used to obtain history for this mom_id")
	}
	body := wire.History{Truncated: got.Truncated, TokenUpdate: c.update(got.Update)}
	for _, e := range got.Events {
		body.Events = append(body.Events, wire.Event{
			Event: e.Name, Comment: e.Comment, IP: e.Address, UserAgent: e.UserAgent, MomID: e.Token.String(), Time: e.Time.Unix(),
		})
	}
	return ok(body), nil
}

func subtokens(c *call, token mytoken.Secret) (*answer, error) {
	id, err := c.useID(wire.ActionSubtokens)
	if err != nil {
		return nil, err
	}
	got, err := c.issuer.Subtree(c.ctx(), issuer.InfoRequest{Token: token, ID: id, Client: c.client, Describe: none})
	if err != nil {
		return nil, err
	}
	body := wire.Subtokens{TokenUpdate: c.update(got.Update)}
	if trees := treesOf(got.Roots); len(trees) > 0 {
		body.Mytokens = trees[0]
	}
	return ok(body), nil
}

func tokenList(c *call, token mytoken.Secret) (*answer, error) {
	id, err := c.useID(wire.ActionList)
	if err != nil {
		return nil, err
	}
	got, err := c.issuer.List(c.ctx(), issuer.InfoRequest{Token: token, ID: id, Client: c.client, Describe: none})
	if err != nil {
		return nil, err
	}
	return ok(wire.TokenList{Mytokens: treesOf(got.Roots), Truncated: got.Truncated, TokenUpdate: c.update(got.Update)}), nil
}

// none describes no token in full: entries on the wire are brief.
func none(*mytoken.Record) bool { return false }

func treesOf(records []*mytoken.Record) []wire.Tree {
	var trees []wire.Tree
	for _, r := range records {
		trees = append(trees, wire.Tree{Children: treesOf(r.Children), Token: wire.Entry{
			IP: r.Address, Name: r.Name, Created: unix(r.Created), ExpiresAt: unix(r.Expires), MomID: r.ID.String(), Revoked: r.Revoked,
			Tags: tagsShown(r.Tags),
		}})
	}
	return trees
}
