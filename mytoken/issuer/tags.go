package issuer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer/internal/tagging"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
)

// Tags are items of a user, and links tie them to tokens (protocol section 5.21). Names are
// sealed like all contents of items, so no event and no log holds one: an event refers to
// the item, and a history that is read has the name that the tag has by then.
//
// An operation first decides without effect, so that a request that makes no sense costs
// nothing. Then it charges the use, decides again, and takes effect.

// TagRequest is about a tag of the user who has the token.
type TagRequest struct {
	Token mytoken.Secret
	// ID names the request. A repetition with the same ID counts once, within the lifetime
	// of a code. Zero: a new ID.
	ID UseID
	// Name is the name of the tag; see [mytoken.Tag].
	Name string
	// NewName renames it. Only UpdateTag looks at it. Empty: the name stays.
	NewName string
	// Color is for CreateTag and UpdateTag: six hexadecimal digits, maybe behind a #.
	// Empty: the default colour of the name, or the colour that it has.
	Color  string
	Client Client
}

// TagTokenRequest is about a tag on a token.
type TagTokenRequest struct {
	Token mytoken.Secret
	// ID names the request, as in [TagRequest].
	ID UseID
	// Other is the token that gets or loses the tag. Zero: the one that authorises.
	Other  mytoken.TokenID
	Tag    mytoken.Tag
	Client Client
}

// tagContents is what the store keeps of a tag.
type tagContents struct {
	Name  string `json:"tag"`
	Color string `json:"color"`
}

func (tagContents) itemKind() store.ItemKind { return store.ItemTag }

// tagBook is the tags of a user, in the order of their names.
type tagBook struct {
	i     *Issuer
	owner mytoken.OwnerID
	all   []tagging.Tag
}

func (i *Issuer) openTags(b *belongings) (*tagBook, error) {
	items, err := openItems[tagContents](i, b)
	book := &tagBook{i: i, owner: b.owner}
	for _, one := range items {
		book.all = append(book.all, tagging.Tag{ID: one.id, Name: one.contents.Name, Color: one.contents.Color})
	}
	slices.SortFunc(book.all, func(a, b tagging.Tag) int { return strings.Compare(a.Name, b.Name) })
	return book, err
}

func (i *Issuer) readTags(ctx context.Context, owner mytoken.OwnerID) (*tagBook, error) {
	b, err := i.belongings(ctx, owner)
	if err != nil {
		return nil, err
	}
	return i.openTags(b)
}

// find returns the tag with a name.
func (t *tagBook) find(name string) (tag tagging.Tag, known bool) {
	return t.first(func(tag tagging.Tag) bool { return tag.Name == name })
}

func (t *tagBook) byID(id store.ItemID) (tag tagging.Tag, known bool) {
	return t.first(func(tag tagging.Tag) bool { return tag.ID == id })
}

func (t *tagBook) first(is func(tagging.Tag) bool) (tag tagging.Tag, known bool) {
	if at := slices.IndexFunc(t.all, is); at >= 0 {
		return t.all[at], true
	}
	return tagging.Tag{}, false
}

// list returns the tags as users see them.
func (t *tagBook) list() []mytoken.Tag {
	var out []mytoken.Tag
	for _, tag := range t.all {
		out = append(out, tag.Of(false))
	}
	return out
}

// put adds to c that the tag has other contents, or is new.
func (t *tagBook) put(c *store.ItemChanges, tag tagging.Tag) error {
	sealed, err := sealItem(t.i, t.owner, item[tagContents]{tag.ID, tagContents{tag.Name, tag.Color}})
	c.Put = append(c.Put, sealed)
	return err
}

// need returns the id of a tag. If the user does not have the tag, it is made, with the
// given id. If there is a tag with that id, an earlier try made it whose answer was lost: it
// may have got another name since.
func (t *tagBook) need(c *store.ItemChanges, tag mytoken.Tag, id store.ItemID) (store.ItemID, error) {
	if _, made := t.byID(id); made {
		return id, nil
	}
	if have, known := t.find(tag.Name); known {
		return have.ID, nil
	}
	if len(t.all)+len(c.Put) >= maxItems {
		return id, &RequestError{Field: "tag", Reason: fmt.Sprintf("the user has %d tags, and more are not allowed: delete one first", maxItems)}
	}
	return id, t.put(c, tagging.Tag{ID: id, Name: tag.Name, Color: cmp.Or(tag.Color, tagging.DefaultColor(tag.Name))})
}

// tagDecision looks at the tags of a user and fills in the changes. It returns the tag that
// it is about, or the zero id if that does not exist. It returns [store.ErrNotFound] if the
// token that it is about was deleted. See [Issuer.changeItems] for what else it must obey.
type tagDecision func(book *tagBook, c *store.ItemChanges) (store.ItemID, error)

// tagChange is a change that a request asks for.
type tagChange struct {
	decide tagDecision
	// done reports whether the request, if it is repeated, had its effect before. Nil: it
	// is decided again.
	done func(book *tagBook) bool
}

// changeTags changes the tags of a user. It returns [store.ErrNotFound] if it would make or
// change a tag, and the given token of the user is no longer stored: the user may have been
// deleted meanwhile, and then no tag must be left. A zero id stands for no token.
func (i *Issuer) changeTags(ctx context.Context, owner mytoken.OwnerID, by mytoken.TokenID, decide tagDecision) error {
	return i.changeItems(ctx, owner, func(b *belongings, c *store.ItemChanges) error {
		book, err := i.openTags(b)
		if err == nil {
			_, err = decide(book, c)
		}
		c.Token, c.NeedsToken = by, len(c.Put) > 0 && !by.IsZero()
		return err
	})
}

// authorizeTags is the way of every request that changes tags. It returns what replaces
// the presented token.
func (i *Issuer) authorizeTags(ctx context.Context, p *presented, op operation, change tagChange) (update *mytoken.Issued, err error) {
	if _, _, err := i.admit(ctx, p, op); err != nil {
		return nil, i.refusedUse(ctx, p, op, err)
	}
	if _, err := i.lookup(ctx, p); err != nil {
		return nil, err
	}
	book, err := i.readTags(ctx, p.token.Owner())
	if err != nil {
		return nil, err
	}
	done := false
	if change.done != nil && change.done(book) {
		if done, err = i.isRepeated(ctx, p, op); err != nil {
			return nil, err
		}
	}
	if !done {
		id, err := change.decide(book, &store.ItemChanges{})
		if err != nil {
			return nil, i.tagError(ctx, p, err)
		}
		op.comment = tagComment(id)
	}
	spent, err := i.charge(ctx, p, op)
	if err != nil {
		return nil, err
	}
	if !done {
		err = i.tagError(ctx, p, i.changeTags(ctx, p.token.Owner(), p.id.ID, change.decide))
	}
	if err == nil {
		update, err = i.rotateOrFail(ctx, p, op.kind, spent.Key, op.client)
	}
	if err != nil {
		return nil, p.afterCharge(err)
	}
	return update, nil
}

// tagError says which token it was that was deleted meanwhile, if that is why a change of
// tags failed.
func (i *Issuer) tagError(ctx context.Context, p *presented, err error) error {
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if _, own := i.ledger.Token(ctx, p.id.ID); errors.Is(own, store.ErrNotFound) {
		return i.tokenError(ctx, p, own)
	}
	return ErrNotOwned
}

// Tags returns the tags of the user, in the order of their names. It needs
// read@settings:tags, and counts as one other use. In requests only ID, Token and Client
// count. Errors are those of [Issuer.AccessToken].
func (i *Issuer) Tags(ctx context.Context, req TagRequest) (tags []mytoken.Tag, update *mytoken.Issued, err error) {
	p, err := i.present(ctx, req.Token, req.Client)
	if err != nil {
		return nil, nil, err
	}
	op := tagOperation(p, req.ID, req.Client, capability.ReadSettingsTags, EventTagsListed)
	spent, err := i.charge(ctx, p, op)
	if err != nil {
		return nil, nil, err
	}
	book, err := i.readTags(ctx, p.token.Owner())
	if err == nil {
		update, err = i.rotateOrFail(ctx, p, op.kind, spent.Key, req.Client)
	}
	if err != nil {
		return nil, nil, p.afterCharge(err)
	}
	return book.list(), update, nil
}

func tagOperation(p *presented, id UseID, client Client, needs capability.Capability, event string) operation {
	return operation{id: p.useID(id), brief: !id.IsZero(), kind: restriction.Other, needs: needs, client: client, event: event}
}

// CreateTag makes a tag. If the user has one of that name, nothing changes. CreateTag needs
// settings:tags, and counts as one other use. It returns what replaces the presented token,
// or nil if that was not rotated. Errors are those of [Issuer.AccessToken] and
// [*RequestError].
func (i *Issuer) CreateTag(ctx context.Context, req TagRequest) (update *mytoken.Issued, err error) {
	return i.changeTag(ctx, req, EventTagCreated, createTag)
}

// UpdateTag renames a tag, or gives it another colour. A [*RequestError] with
// [RequestConflict] says that the user has another tag of the new name. Other errors are
// [ErrUnknownTag] and those of [Issuer.CreateTag], to which it is alike in all else.
func (i *Issuer) UpdateTag(ctx context.Context, req TagRequest) (update *mytoken.Issued, err error) {
	return i.changeTag(ctx, req, EventTagUpdated, updateTag)
}

// DeleteTag deletes a tag, so that no token has it any more. An unknown tag is no error. In
// all else DeleteTag is like [Issuer.CreateTag].
func (i *Issuer) DeleteTag(ctx context.Context, req TagRequest) (update *mytoken.Issued, err error) {
	return i.changeTag(ctx, req, EventTagDeleted, deleteTag)
}

func (i *Issuer) changeTag(ctx context.Context, req TagRequest, event string, prepare func(TagRequest) (tagChange, error)) (*mytoken.Issued, error) {
	change, err := prepare(req)
	if err != nil {
		return nil, err
	}
	p, err := i.present(ctx, req.Token, req.Client)
	if err != nil {
		return nil, err
	}
	return i.authorizeTags(ctx, p, tagOperation(p, req.ID, req.Client, capability.SettingsTags, event), change)
}

func createTag(req TagRequest) (tagChange, error) {
	tag, err := checkTag("tag", mytoken.Tag{Name: req.Name, Color: req.Color})
	fresh := newItemID()
	return tagChange{decide: func(book *tagBook, c *store.ItemChanges) (store.ItemID, error) {
		return book.need(c, tag, fresh)
	}}, err
}

func updateTag(req TagRequest) (tagChange, error) {
	name, renamed := strings.TrimSpace(req.Name), strings.TrimSpace(req.NewName)
	if renamed == "" && req.Color == "" {
		return tagChange{}, &RequestError{Field: "tag", Reason: "neither a new name nor a colour is given"}
	}
	tag, err := checkTag("tag", mytoken.Tag{Name: cmp.Or(renamed, name), Color: req.Color})
	var id store.ItemID // of the tag, once it is known: it may have got its new name already
	return tagChange{
		decide: func(book *tagBook, c *store.ItemChanges) (store.ItemID, error) {
			old, known := book.byID(id)
			if id.IsZero() {
				old, known = book.find(name)
			}
			if !known {
				return id, ErrUnknownTag
			}
			id = old.ID
			if other, taken := book.find(tag.Name); taken && other.ID != id {
				return id, &RequestError{Field: "tag", Code: RequestConflict, Reason: "the user has another tag of this name"}
			}
			changed := tagging.Tag{ID: id, Name: tag.Name, Color: cmp.Or(tag.Color, old.Color)}
			if changed == old {
				return id, nil
			}
			return id, book.put(c, changed)
		},
		done: func(book *tagBook) bool {
			_, known := book.find(name)
			_, has := book.find(tag.Name)
			return !known && has
		},
	}, err
}

func deleteTag(req TagRequest) (tagChange, error) {
	name := strings.TrimSpace(req.Name)
	var id store.ItemID // of the tag, once it is known: there may be a new one of its name already
	return tagChange{decide: func(book *tagBook, c *store.ItemChanges) (store.ItemID, error) {
		tag, known := book.byID(id)
		if id.IsZero() {
			tag, known = book.find(name)
		}
		if known {
			id = tag.ID
			c.Delete = append(c.Delete, id)
		}
		return id, nil
	}}, nil
}

// TagToken puts a tag on a token. It makes the tag if the user does not have it. With
// Tag.Children, all descendants have the tag too, and those that are made later. Without
// it, descendants have what passes down from ancestors of the token. TagToken needs
// tokeninfo:tags for the presented token and its descendants, and manage_mytokens:tags for
// other tokens of the user. In all else it is like [Issuer.CreateTag]. It may also return
// [ErrNotOwned].
func (i *Issuer) TagToken(ctx context.Context, req TagTokenRequest) (update *mytoken.Issued, err error) {
	return i.changeTagOf(ctx, req, EventTagAdded, EventTagAddedOther, i.tagToken)
}

// UntagToken takes a tag off a token. Descendants lose it too if they have it because of
// this token or of one of its ancestors; otherwise they keep what they have. A tag that the
// token does not have is no error. Tag.Children does not matter. In all else UntagToken is
// like [Issuer.TagToken].
func (i *Issuer) UntagToken(ctx context.Context, req TagTokenRequest) (update *mytoken.Issued, err error) {
	return i.changeTagOf(ctx, req, EventTagRemoved, EventTagRemovedOther, i.untagToken)
}

func (i *Issuer) changeTagOf(ctx context.Context, req TagTokenRequest, own, other string,
	decide func(context.Context, mytoken.TokenID, mytoken.Tag) tagDecision,
) (*mytoken.Issued, error) {
	tag, err := checkTag("tag", req.Tag)
	if err != nil {
		return nil, err
	}
	p, err := i.present(ctx, req.Token, req.Client)
	if err != nil {
		return nil, err
	}
	op := tagOperation(p, req.ID, req.Client, capability.TokeninfoTags, own)
	target := p.id.ID
	if !req.Other.IsZero() && req.Other != target {
		target, op.event = req.Other, other
	}
	if op.needs, err = i.needsFor(ctx, p, target, capability.ManageMytokensTags, op.needs); err != nil {
		return nil, i.refusedOther(ctx, p, op, err)
	}
	if !p.token.Allows(op.needs) && p.token.Allows(capability.ManageMytokensTags) {
		op.needs = capability.ManageMytokensTags
	}
	return i.authorizeTags(ctx, p, op, tagChange{decide: decide(ctx, target, tag)})
}

func (i *Issuer) tagToken(ctx context.Context, id mytoken.TokenID, tag mytoken.Tag) tagDecision {
	fresh := newItemID()
	return func(book *tagBook, c *store.ItemChanges) (store.ItemID, error) {
		of, err := book.need(c, tag, fresh)
		if err != nil {
			return of, err
		}
		c.Links = append(c.Links, tagging.Put(of, id, tag.Children))
		_, err = i.ledger.Token(ctx, id)
		return of, err
	}
}

func (i *Issuer) untagToken(ctx context.Context, id mytoken.TokenID, tag mytoken.Tag) tagDecision {
	return func(book *tagBook, c *store.ItemChanges) (store.ItemID, error) {
		have, known := book.find(tag.Name)
		if !known {
			return have.ID, nil
		}
		links, ancestors, err := i.lineLinks(ctx, id, have.ID)
		if link, needed := links.Cut(have.ID, id, ancestors); needed {
			c.Links = append(c.Links, link)
		}
		return have.ID, err
	}
}

// tagNew puts tags on a token that is about to be created, below the parent if that is not
// zero. If it is not created after all, the tags stay, and Sweep deletes the links. The
// other way round, a crash would leave a token without its tags. tagNew returns
// [store.ErrNotFound] if the parent is no longer stored.
func (i *Issuer) tagNew(ctx context.Context, owner mytoken.OwnerID, id, parent mytoken.TokenID, tags []mytoken.Tag) error {
	if len(tags) == 0 {
		return nil
	}
	fresh := make([]store.ItemID, len(tags))
	for n := range fresh {
		fresh[n] = newItemID()
	}
	err := i.changeTags(ctx, owner, parent, func(book *tagBook, c *store.ItemChanges) (store.ItemID, error) {
		for n, tag := range tags {
			of, err := book.need(c, tag, fresh[n])
			if err != nil {
				return of, err
			}
			link := tagging.Put(of, id, tag.Children)
			link.Clear = false // it has no descendants
			c.Links = append(c.Links, link)
		}
		return store.ItemID{}, nil
	})
	return asRepeatable(err, true) // nothing is charged yet
}
