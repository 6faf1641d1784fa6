package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
)

// Tags returns the tags of the user and the successor of the presented token, which is nil
// if the server did not rotate it (protocol section 5.21). The token needs
// read@settings:tags. Tags counts as a use of the token, and the client repeats it when it
// repeats [Client.AccessToken]. Names are escaped as in a history. Errors are those of
// [Client.AccessToken].
func (c *Client) Tags(ctx context.Context, token mytoken.Secret) (tags []mytoken.Tag, update *mytoken.Issued, err error) {
	const operation = "list the tags"
	body, update, err := c.settingsTags(ctx, operation, http.MethodGet, token, "", nil)
	if err != nil {
		return nil, nil, err
	}
	var answer struct { // without the update: settingsTags has read it
		Tags []wire.ShownTag `json:"tags"`
	}
	if wire.Unmarshal(body, &answer) != nil {
		return nil, nil, &AnswerError{Operation: operation, Reason: "the answer is malformed", Update: update}
	}
	return readTags(answer.Tags), update, nil
}

// CreateTag makes a tag. If the user has one of that name, nothing changes. The token needs
// settings:tags. In all else CreateTag is like [Client.Tags].
func (c *Client) CreateTag(ctx context.Context, token mytoken.Secret, tag mytoken.Tag) (update *mytoken.Issued, err error) {
	_, update, err = c.settingsTags(ctx, "create a tag", http.MethodPost, token, tag.Name, wire.TagRequest{Color: tag.Color})
	return update, err
}

// UpdateTag gives the tag with a name the name and the colour of another one. What is empty
// there stays. In all else UpdateTag is like [Client.CreateTag].
func (c *Client) UpdateTag(ctx context.Context, token mytoken.Secret, name string, tag mytoken.Tag) (update *mytoken.Issued, err error) {
	_, update, err = c.settingsTags(ctx, "update a tag", http.MethodPut, token, name, wire.TagRequest{Tag: tag.Name, Color: tag.Color})
	return update, err
}

// DeleteTag deletes a tag, so that no token has it any more. An unknown one is no error. In
// all else DeleteTag is like [Client.CreateTag].
func (c *Client) DeleteTag(ctx context.Context, token mytoken.Secret, name string) (update *mytoken.Issued, err error) {
	_, update, err = c.settingsTags(ctx, "delete a tag", http.MethodDelete, token, name, nil)
	return update, err
}

// TagToken puts a tag on a token, or on the presented one if the id is zero. It makes a tag
// that is missing. The token needs tokeninfo:tags for itself and its descendants, and
// manage_mytokens:tags for other tokens of the user. In all else TagToken is like
// [Client.Tags].
func (c *Client) TagToken(ctx context.Context, token mytoken.Secret, id mytoken.TokenID, tag mytoken.Tag) (update *mytoken.Issued, err error) {
	if tag.Color != "" {
		return nil, errTagColor(tag)
	}
	return c.tokenTags(ctx, "add a tag", http.MethodPost, token, id, wire.TokenTagRequest{Tag: tag.Name, IncludeChildren: tag.Children})
}

// UntagToken takes a tag off a token, like [Client.TagToken]. A tag that the token does not
// have is no error.
func (c *Client) UntagToken(ctx context.Context, token mytoken.Secret, id mytoken.TokenID, name string) (update *mytoken.Issued, err error) {
	return c.tokenTags(ctx, "remove a tag", http.MethodDelete, token, id, wire.TokenTagRequest{Tag: name})
}

func (c *Client) tokenTags(ctx context.Context, operation, method string, token mytoken.Secret, id mytoken.TokenID, body wire.TokenTagRequest) (*mytoken.Issued, error) {
	name, err := checkTagName(body.Tag)
	if err != nil {
		return nil, err
	}
	address, m, err := c.endpoint(ctx, endpointMytoken)
	if err != nil {
		return nil, err
	}
	if body.Tag = name; !id.IsZero() {
		body.MomID = id.String()
	}
	_, update, err := c.changeTags(ctx, m, request{operation: operation, method: method, url: address + "/tags", body: body, bearer: token})
	return update, err
}

// settingsTags sends a request about a tag of the user, or about all for an empty name.
func (c *Client) settingsTags(ctx context.Context, operation, method string, token mytoken.Secret, name string, body any) ([]byte, *mytoken.Issued, error) {
	if method != http.MethodGet {
		var err error
		if name, err = checkTagName(name); err != nil {
			return nil, nil, err
		}
	}
	address, m, err := c.tagsEndpoint(ctx, operation)
	if err != nil {
		return nil, nil, err
	}
	if name != "" {
		address += "/" + url.PathEscape(name)
	}
	return c.changeTags(ctx, m, request{operation: operation, method: method, url: address, body: body, bearer: token})
}

// changeTags sends a request that counts as a use.
func (c *Client) changeTags(ctx context.Context, m *Metadata, r request) (body []byte, update *mytoken.Issued, err error) {
	r.secrets, r.spends = []mytoken.Secret{r.bearer}, true
	r.key, r.keyed = useOf(ctx), m.IdempotencyKeys
	r.key.goesTo(r.keyed)
	asked := c.now()
	if body, err = c.send(ctx, r); err != nil {
		return nil, nil, err
	}
	return body, readUpdate(body, asked), nil
}

// tagsEndpoint looks up the URL in the settings document of the server.
func (c *Client) tagsEndpoint(ctx context.Context, operation string) (string, *Metadata, error) {
	address, m, err := c.endpoint(ctx, endpointSettings)
	if err != nil {
		return "", nil, err
	}
	body, err := c.send(ctx, request{operation: operation, method: http.MethodGet, url: address, safe: true})
	if err != nil {
		return "", nil, err
	}
	var settings wire.Settings
	if wire.Unmarshal(body, &settings) != nil {
		return "", nil, &AnswerError{Operation: operation, Reason: "the settings document is malformed"}
	}
	if settings.TagsEndpoint == "" {
		return "", nil, fmt.Errorf("%w: no tags endpoint", ErrUnsupported)
	}
	if err := c.checkURL(settings.TagsEndpoint); err != nil {
		return "", nil, &AnswerError{Operation: operation, Reason: fmt.Sprintf("the URL of the tags endpoint: %v", err)}
	}
	return strings.TrimSuffix(settings.TagsEndpoint, "/"), m, nil
}

// checkTagName returns a name without spaces at its ends. Dots, and no name, would make
// another URL. The server checks the rest.
func checkTagName(name string) (string, error) {
	name = strings.TrimSpace(name)
	if name == "" || name == "." || name == ".." {
		return "", fmt.Errorf("client: a tag cannot have the name %q", name)
	}
	return name, checkText("Tag", name)
}

func errTagColor(tag mytoken.Tag) error {
	return fmt.Errorf("client: a request cannot choose the colour of the tag %.64q: call CreateTag before", tag.Name)
}

// encodeTags writes the tags of a request for a token. It returns nil for none.
func encodeTags(tags []mytoken.Tag) (jsontext.Value, error) {
	if len(tags) == 0 {
		return nil, nil
	}
	var list []wire.TokenTag
	for _, tag := range tags {
		name, err := checkTagName(tag.Name)
		if err == nil && tag.Color != "" {
			err = errTagColor(tag)
		}
		if err != nil {
			return nil, err
		}
		list = append(list, wire.TokenTag{Tag: name, IncludeChildren: tag.Children})
	}
	return wire.Marshal(list)
}

func readTags(tags []wire.ShownTag) (out []mytoken.Tag) {
	for _, tag := range tags {
		out = append(out, mytoken.Tag{Name: legible.Show(tag.Tag), Color: legible.Show(tag.Color), Children: tag.IncludeChildren})
	}
	return out
}
