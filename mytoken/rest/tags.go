package rest

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/mytoken/issuer"
)

var (
	errNoTag       = badRequest("tag must not be empty")
	errNoTagChange = badRequest("no supported request parameter given")
	errNotAToken   = badRequest("mom_id is not a mom_id")
	// errTagsWithoutToken: tags are never dropped silently.
	errTagsWithoutToken = badRequest("tags: this request creates no mytoken that could have them; leave them out")
)

// tagsList lists the tags of the user (protocol section 5.21).
func tagsList(c *call, req *wire.TagRequest) (*answer, error) {
	token, err := c.token(req.Mytoken)
	if err != nil {
		return nil, err
	}
	id, err := c.useID("list tags")
	if err != nil {
		return nil, err
	}
	tags, update, err := c.issuer.Tags(c.ctx(), issuer.TagRequest{Token: token, ID: id, Client: c.client})
	if err != nil {
		return nil, err
	}
	body := wire.Tags{TokenUpdate: c.update(update)}
	for _, tag := range tags {
		body.Tags = append(body.Tags, wire.Tag{Tag: tag.Name, Color: tag.Color})
	}
	return ok(body), nil
}

func tagCreate(c *call, req *wire.TagRequest) (*answer, error) {
	return c.changeTag(req.Mytoken, issuer.TagRequest{Name: c.r.PathValue("tag"), Color: req.Color}, "create a tag", c.issuer.CreateTag)
}

func tagUpdate(c *call, req *wire.TagRequest) (*answer, error) {
	return c.updateTag(req.Mytoken, issuer.TagRequest{Name: c.r.PathValue("tag"), NewName: req.Tag, Color: req.Color})
}

func tagDelete(c *call, req *wire.TagRequest) (*answer, error) {
	return c.changeTag(req.Mytoken, issuer.TagRequest{Name: c.r.PathValue("tag")}, "delete a tag", c.issuer.DeleteTag)
}

func (c *call) updateTag(inBody wire.Secret, change issuer.TagRequest) (*answer, error) {
	if strings.TrimSpace(change.NewName) == "" && change.Color == "" {
		return nil, errNoTagChange
	}
	return c.changeTag(inBody, change, "update a tag", c.issuer.UpdateTag)
}

// changeTag changes the tag with the name in change.
func (c *call) changeTag(inBody wire.Secret, change issuer.TagRequest, operation string, do tagChange[issuer.TagRequest]) (*answer, error) {
	change.Name, change.Client = strings.TrimSpace(change.Name), c.client
	if change.Name == "" {
		return nil, errNoTag
	}
	var err error
	if change.Token, err = c.token(inBody); err != nil {
		return nil, err
	}
	if change.ID, err = c.useID(operation, change.Name, change.NewName, change.Color); err != nil {
		return nil, err
	}
	return c.changedTag(do(c.ctx(), change))
}

// tagChange is a method of the issuer that changes tags.
type tagChange[Req any] func(context.Context, Req) (*mytoken.Issued, error)

func (c *call) changedTag(update *mytoken.Issued, err error) (*answer, error) {
	if err != nil {
		return nil, tell(err, issuer.ErrNotOwned, "The provided token cannot be used to manage tags of this mom_id")
	}
	return c.updated(http.StatusNoContent, update), nil
}

func tokenTag(c *call, req *wire.TokenTagRequest) (*answer, error) {
	return c.changeTagOf(req, "add a tag", c.issuer.TagToken)
}

func tokenUntag(c *call, req *wire.TokenTagRequest) (*answer, error) {
	req.IncludeChildren = false // only the link of the token counts
	return c.changeTagOf(req, "remove a tag", c.issuer.UntagToken)
}

// changeTagOf changes the tags of a token.
func (c *call) changeTagOf(req *wire.TokenTagRequest, operation string, do tagChange[issuer.TagTokenRequest]) (*answer, error) {
	change := issuer.TagTokenRequest{Tag: mytoken.Tag{Name: strings.TrimSpace(req.Tag), Children: req.IncludeChildren}, Client: c.client}
	if change.Tag.Name == "" {
		return nil, errNoTag
	}
	var err error
	if req.MomID != "" {
		if change.Other, err = mytoken.ParseMomID(req.MomID); err != nil {
			return nil, errNotAToken
		}
	}
	if change.Token, err = c.token(req.Mytoken); err != nil {
		return nil, err
	}
	if change.ID, err = c.useID(operation, req.MomID, change.Tag.Name, strconv.FormatBool(req.IncludeChildren)); err != nil {
		return nil, err
	}
	return c.changedTag(do(c.ctx(), change))
}

// readTags reads the tags of a request for a token. A string stands for a tag without the
// flag. Unknown members are refused: nothing is dropped silently.
func readTags(text jsontext.Value) ([]mytoken.Tag, error) { return readTagsAs[wire.TokenTag](text) }

// readShownTags reads tags as a consent document shows them, with their colours. They need
// not be there.
func readShownTags(text jsontext.Value) ([]mytoken.Tag, error) {
	return readTagsAs[wire.ShownTag](text)
}

func readTagsAs[T wire.TokenTag | wire.ShownTag](text jsontext.Value) ([]mytoken.Tag, error) {
	if len(text) == 0 || text.Kind() == 'n' {
		return nil, nil
	}
	list := []jsontext.Value{text}
	if text.Kind() == '[' {
		list = nil
		if err := json.Unmarshal(text, &list); err != nil {
			return nil, badRequest("tags are malformed")
		}
	}
	var tags []mytoken.Tag
	for _, value := range list {
		var one T
		var tag mytoken.Tag
		var err error
		if value.Kind() == '"' {
			err = json.Unmarshal(value, &tag.Name)
		} else {
			err = json.Unmarshal(value, &one, json.RejectUnknownMembers(true))
			switch one := any(one).(type) {
			case wire.TokenTag:
				tag = mytoken.Tag{Name: one.Tag, Children: one.IncludeChildren}
			case wire.ShownTag:
				tag = mytoken.Tag{Name: one.Tag, Color: one.Color, Children: one.IncludeChildren}
			}
		}
		if err != nil || value.Kind() == 'n' {
			return nil, badRequest(`tags are malformed: each is {"tag": "<name>", "include_children": true or false}`)
		}
		tags = append(tags, tag)
	}
	return tags, nil
}

// asksForTags reports whether a request has tags, or something malformed in their place.
func asksForTags(text jsontext.Value) bool {
	tags, err := readTags(text)
	return err != nil || len(tags) > 0
}

// tagsShown are the tags of a token in a list.
func tagsShown(tags []mytoken.Tag) []wire.ShownTag {
	var out []wire.ShownTag
	for _, tag := range tags {
		out = append(out, wire.ShownTag{Tag: tag.Name, Color: tag.Color, IncludeChildren: tag.Children})
	}
	return out
}
