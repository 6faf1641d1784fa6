package rest

import (
	"cmp"
	"net/http"
	"strings"

	"github.com/mytoken-go/sdk/mytoken/internal/profile"
	"github.com/mytoken-go/sdk/mytoken/internal/requestid"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
)

// maxTemplateBody bounds a request that changes a template, in bytes.
const maxTemplateBody = 64 << 10

// templateRoutes returns the routes of profiles and templates (protocol section 5.14).
func (h *Handler) templateRoutes() []*route {
	create, replace, remove := missing("writing templates"), missing("writing templates"), missing("writing templates")
	if len(h.editors) > 0 {
		create, replace, remove = byEditor(templateCreate), byEditor(templateReplace), byEditor(templateRemove)
	}
	list := methods{http.MethodGet: profileList, http.MethodPost: create, http.MethodPut: replace, http.MethodDelete: remove}
	one := methods{http.MethodPut: replace, http.MethodDelete: remove}
	if len(h.editors) == 0 {
		one[http.MethodPost] = create // 501, as for everything that is not served
	}
	return []*route{
		{path: pathProfiles, methods: methods{http.MethodGet: profileGroups}},
		{path: pathProfiles + "/{type}", methods: list, maxBody: maxTemplateBody},
		{path: pathProfiles + "/{group}/{type}", methods: list, maxBody: maxTemplateBody},
		{path: pathProfiles + "/{group}/{type}/{id}", methods: one, maxBody: maxTemplateBody},
	}
}

// templatePath returns what the path of a request names. The id is empty if the path has
// none. In a path of two parts, the first one is a group or a type.
func (c *call) templatePath() (group string, t profile.Type, id string, known bool) {
	group, id = c.r.PathValue("group"), c.r.PathValue("id")
	text := c.r.PathValue("type")
	if _, isType := profile.ParseType(group); isType && id == "" {
		group, text, id = "", group, text
	}
	t, known = profile.ParseType(text)
	return cmp.Or(group, profile.DefaultGroup), t, id, known
}

// byEditor serves a request that changes a template. The client has to prove first that it
// may change those of the group. Browsers send a password by themselves, so the request
// must not come from another site.
func byEditor(fn func(c *call, p profile.Piece, req *wire.TemplateRequest) (*answer, error)) handle {
	return func(c *call) (*answer, error) {
		if err := c.sameSite(); err != nil {
			return nil, err
		}
		user, password, _ := c.r.BasicAuth()
		if !authentic(c.editors, user, password) {
			return nil, errUnknownClient
		}
		group, t, id, known := c.templatePath()
		switch {
		case !known:
			return notFound(c)
		case group != user:
			return nil, errOtherGroup
		}
		return serve(func(c *call, req *wire.TemplateRequest) (*answer, error) {
			for _, given := range []string{id, c.r.URL.Query().Get("id")} {
				if given != "" && req.ID != "" && !strings.EqualFold(given, req.ID) {
					return nil, badRequest("the request has two different ids")
				}
				req.ID = cmp.Or(req.ID, given)
			}
			return fn(c, profile.Piece{Group: group, Type: t, Name: req.Name}, req)
		})(c)
	}
}

// templateCreate adds a piece. It may take the place of a built-in one.
func templateCreate(c *call, p profile.Piece, req *wire.TemplateRequest) (*answer, error) {
	if req.ID != "" && !strings.EqualFold(req.ID, p.ID()) {
		return nil, badRequest("a new template gets its id from the server")
	}
	return c.writeTemplate(http.StatusCreated, req, func(set *profile.Set) (profile.Piece, error) {
		if set.Own(p) {
			return p, errTemplateExists
		}
		return p, nil
	})
}

// templateReplace gives a piece another payload. That of a built-in piece becomes the
// operator's own.
func templateReplace(c *call, p profile.Piece, req *wire.TemplateRequest) (*answer, error) {
	return c.writeTemplate(http.StatusOK, req, func(set *profile.Set) (profile.Piece, error) {
		found, err := findTemplate(set, p, req.ID)
		if err == nil && req.Name != "" && req.Name != found.Name {
			err = badRequest("a template cannot be renamed: create another one and delete this one")
		}
		return found, err
	})
}

func findTemplate(set *profile.Set, p profile.Piece, id string) (profile.Piece, error) {
	if id == "" {
		return p, badRequest("the id is missing")
	}
	found, ok := set.Find(p.Group, p.Type, id)
	if !ok {
		return p, &told{errNotFound, "the group has no template of this type with this id"}
	}
	return found, nil
}

// writeTemplate stores the payload of a request in the piece that choose returns. It
// answers with the piece as a list shows it.
func (c *call) writeTemplate(status int, req *wire.TemplateRequest, choose func(*profile.Set) (profile.Piece, error)) (*answer, error) {
	if len(req.Payload) == 0 {
		return nil, badRequest("the payload is missing")
	}
	var body wire.Template
	err := c.changeTemplates("written", func(set *profile.Set) (profile.Piece, edit, error) {
		p, err := choose(set)
		if err != nil {
			return p, edit{}, err
		}
		changed, err := set.With(p, req.Payload, c.checkTemplate)
		if err != nil {
			return p, edit{}, err
		}
		e, err := changed.Entry(p, c.times())
		body = wire.Template{ID: e.ID, Name: e.Name, Payload: e.Payload}
		return p, edit{changed, changed.File(p), append(req.Payload.Clone(), '\n')}, err
	})
	if err != nil {
		return nil, err
	}
	return &answer{status: status, body: body}, nil
}

// templateRemove removes a piece. A built-in one that it replaced counts again.
func templateRemove(c *call, p profile.Piece, req *wire.TemplateRequest) (*answer, error) {
	err := c.changeTemplates("removed", func(set *profile.Set) (profile.Piece, edit, error) {
		found, err := findTemplate(set, p, req.ID)
		if err != nil {
			return p, edit{}, err
		}
		changed, err := set.Without(found, c.checkTemplate)
		return found, edit{set: changed, file: set.File(found)}, err
	})
	if err != nil {
		return nil, err
	}
	return empty(http.StatusNoContent), nil
}

// changeTemplates carries out a change, and logs which piece it was: requests of all users
// may depend on it.
func (c *call) changeTemplates(done string, decide func(*profile.Set) (profile.Piece, edit, error)) error {
	var piece profile.Piece
	err := c.templates.change(c.ctx(), func(set *profile.Set) (e edit, err error) {
		piece, e, err = decide(set)
		return e, err
	})
	if err != nil {
		return err
	}
	c.opts.Logger.InfoContext(c.ctx(), "mytoken: template "+done, requestid.Attr, c.id, "template", piece.String())
	return nil
}
