package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
)

// Template is a profile or template of the server. Requests name it in Include or
// RestrictionsJSON (protocol section 2.10).
type Template struct {
	ID   string
	Name string
	// Payload is its JSON text. The templates that it includes are expanded.
	Payload []byte
}

// TemplateKind is a kind of template.
type TemplateKind string

// The kinds of templates.
const (
	TemplateProfiles     TemplateKind = "profiles"
	TemplateCapabilities TemplateKind = "capabilities"
	TemplateRestrictions TemplateKind = "restrictions"
	TemplateRotations    TemplateKind = "rotation"
)

// TemplateGroups lists the groups that have templates (protocol section 5.14). Errors are
// those of [Client.AccessToken].
func (c *Client) TemplateGroups(ctx context.Context) ([]string, error) {
	var groups []string
	return groups, c.getTemplates(ctx, &groups)
}

// Templates lists the templates of a kind. An empty group means the templates of the
// operator. Errors are those of [Client.AccessToken].
func (c *Client) Templates(ctx context.Context, group string, kind TemplateKind) ([]Template, error) {
	path := []string{url.PathEscape(string(kind))}
	if group != "" {
		path = []string{url.PathEscape(group), path[0]}
	}
	var body []wire.Template
	if err := c.getTemplates(ctx, &body, path...); err != nil {
		return nil, err
	}
	var list []Template
	for _, t := range body {
		list = append(list, Template{ID: t.ID, Name: legible.Show(t.Name), Payload: t.Payload})
	}
	return list, nil
}

func (c *Client) getTemplates(ctx context.Context, out any, path ...string) error {
	const operation = "read templates"
	address, _, err := c.endpoint(ctx, endpointProfiles)
	if err != nil {
		return err
	}
	for _, element := range path {
		address += "/" + element
	}
	body, err := c.send(ctx, request{operation: operation, method: http.MethodGet, url: address, safe: true})
	if err != nil {
		return err
	}
	if wire.Unmarshal(body, out) != nil {
		return &AnswerError{Operation: operation, Reason: "the answer is malformed"}
	}
	return nil
}
