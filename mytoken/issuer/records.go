package issuer

import (
	"context"
	"slices"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer/internal/tagging"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
)

// MaxRecords bounds lists and histories. They leave out further entries and set
// Truncated. Lists leave out tokens first that have expired or were revoked.
const MaxRecords = 20000

// InfoRequest asks for a list of tokens; see [Issuer.List] and [Issuer.Subtree].
type InfoRequest struct {
	Token mytoken.Secret
	// ID names the request. A repetition with the same ID is answered anew and counts
	// once, within the lifetime of a code. After that it returns [ErrRepeatedID]. Zero: a
	// new ID.
	ID     UseID
	Client Client
	// Describe chooses the tokens that the list describes in full, as far as
	// Limits.ListBytes reaches. It gets each record as a brief one, without children; see
	// [mytoken.Record.Brief]. Nil: all of them.
	Describe func(*mytoken.Record) bool
}

// Subtree returns a token and its descendants. Tokens that have expired or were revoked stay
// listed for Config.Retention. Subtree needs tokeninfo:subtokens, and counts as one other
// use. Errors are those of [Issuer.AccessToken]. It returns a [*BusyError] if too many lists
// are being read.
func (i *Issuer) Subtree(ctx context.Context, req InfoRequest) (*mytoken.Records, error) {
	return i.records(ctx, req, capability.TokeninfoSubtokens, EventSubtokensRead, func(p *presented) pager[store.TokenInfo] {
		return i.ledger.subtree(p.id.ID)
	})
}

// List returns all tokens of the user, as Subtree does. It needs manage_mytokens:list, and
// counts as one other use. Errors are those of [Issuer.Subtree].
func (i *Issuer) List(ctx context.Context, req InfoRequest) (*mytoken.Records, error) {
	return i.records(ctx, req, capability.ManageMytokensList, EventListRead, func(p *presented) pager[store.TokenInfo] {
		return i.ledger.ofOwner(p.token.Owner())
	})
}

func (i *Issuer) records(ctx context.Context, req InfoRequest, needs capability.Capability, event string, of func(*presented) pager[store.TokenInfo]) (*mytoken.Records, error) {
	return again(ctx, req.Client, func() (*mytoken.Records, error) { return i.recordsOnce(ctx, req, needs, event, of) })
}

func (i *Issuer) recordsOnce(ctx context.Context, req InfoRequest, needs capability.Capability, event string, of func(*presented) pager[store.TokenInfo]) (*mytoken.Records, error) {
	p, leave, err := i.presentToList(ctx, req.Token, req.Client)
	if err != nil {
		return nil, err
	}
	defer leave()
	op := operation{id: p.useID(req.ID), brief: !req.ID.IsZero(), kind: restriction.Other, needs: needs, client: req.Client, event: event}
	spent, err := i.charge(ctx, p, op)
	if err != nil {
		return nil, err
	}
	out, err := i.collect(ctx, p.token.Owner(), of(p), req.Describe)
	if err != nil {
		return nil, p.afterCharge(err)
	}
	if out.Update, err = i.rotateOrFail(ctx, p, op.kind, spent.Key, req.Client); err != nil {
		return nil, p.afterCharge(err)
	}
	return out, nil
}

// presentToList presents a token and waits for its turn to read a list or a history. The
// caller must call leave in the end.
func (i *Issuer) presentToList(ctx context.Context, token mytoken.Secret, client Client) (p *presented, leave func(), err error) {
	if p, err = i.present(ctx, token, client); err != nil {
		return nil, nil, err
	}
	leave, err = i.awaitTurn(ctx, p.token.Owner(), p.id.ID)
	return p, leave, err
}

// awaitTurn waits for a turn to read a list. If it is too long, it returns a
// [*BusyError]. The token is zero if the embedding service asks.
func (i *Issuer) awaitTurn(ctx context.Context, owner mytoken.OwnerID, token mytoken.TokenID) (leave func(), err error) {
	leave, err = i.listings.Enter(ctx, owner, token, i.cfg.WaitLimit)
	if err != nil {
		return nil, &BusyError{RetryAfter: time.Second, cause: err}
	}
	return leave, nil
}

// collect reads all pages and builds the trees. Expired and revoked tokens are listed until
// Sweep deletes them, as far as they leave room for the others. A token whose parent is not
// listed hangs below the nearest ancestor that is (D97).
func (i *Issuer) collect(ctx context.Context, owner mytoken.OwnerID, next pager[store.TokenInfo], describe func(*mytoken.Record) bool) (*mytoken.Records, error) {
	f := forest{now: i.Now().Unix(), byID: make(map[mytoken.TokenID]*mytoken.Record), above: make(map[mytoken.TokenID][]mytoken.TokenID)}
	reader := recordReader{i: i, describe: describe, room: i.cfg.Limits.ListBytes}
	reader.roomForEnded = reader.room / 2
	err := each(ctx, &i.ledger, next, tokenPage, func(info *store.TokenInfo) (bool, error) {
		over := hasEnded(!info.Live, info.Expires.Time(), f.now)
		if f.truncated && over {
			return true, nil
		}
		r, err := reader.read(info, over)
		if err != nil {
			return false, err
		}
		return f.add(r, info.Ancestors, over), nil
	})
	if err == nil {
		err = i.tagForest(ctx, owner, &f)
	}
	if err != nil {
		return nil, err
	}
	return f.grow(), nil
}

// forest is the records of a list.
type forest struct {
	now       int64
	order     []*mytoken.Record // parents before children
	byID      map[mytoken.TokenID]*mytoken.Record
	above     map[mytoken.TokenID][]mytoken.TokenID // ancestors, the nearest first
	truncated bool                                  // from then on, ended tokens are left out
}

// add adds a record, and returns false if there is no room for more. Tokens that have ended
// make room for others: nobody has to revoke them.
func (f *forest) add(r *mytoken.Record, ancestors []mytoken.TokenID, over bool) (more bool) {
	if len(f.order) == MaxRecords {
		if f.truncated {
			return false
		}
		f.truncated = true
		f.prune()
		if over {
			return true
		}
		if len(f.order) == MaxRecords {
			return false
		}
	}
	f.order, f.byID[r.ID], f.above[r.ID] = append(f.order, r), r, ancestors
	return true
}

// prune removes the tokens that have ended, except the first one, which may be the root of
// a subtree, and those with a listed descendant that has not ended.
func (f *forest) prune() {
	needed := map[mytoken.TokenID]bool{f.order[0].ID: true}
	var kept []*mytoken.Record
	for _, r := range slices.Backward(f.order) {
		if hasEnded(r.Revoked, r.Expires, f.now) && !needed[r.ID] {
			delete(f.byID, r.ID)
			delete(f.above, r.ID)
			continue
		}
		kept = append(kept, r)
		for _, ancestor := range f.above[r.ID] {
			needed[ancestor] = true
		}
	}
	slices.Reverse(kept)
	f.order = kept
}

// hasEnded reports whether a token is revoked or has expired.
func hasEnded(revoked bool, expires time.Time, now int64) bool {
	return revoked || !expires.IsZero() && expires.Unix() < now
}

// grow builds the trees.
func (f *forest) grow() *mytoken.Records {
	out := &mytoken.Records{Truncated: f.truncated}
	for _, r := range f.order {
		at := slices.IndexFunc(f.above[r.ID], func(id mytoken.TokenID) bool { return f.byID[id] != nil })
		if at < 0 {
			out.Roots = append(out.Roots, r)
			continue
		}
		parent := f.byID[f.above[r.ID][at]]
		parent.Children = append(parent.Children, r)
	}
	return out
}

// maxTagsOfList bounds the tags in one list, and the links that are read for them. Further
// tokens are listed without any.
const maxTagsOfList = 200_000

// tagForest gives the records of a list their tags.
func (i *Issuer) tagForest(ctx context.Context, owner mytoken.OwnerID, f *forest) error {
	book, err := i.readTags(ctx, owner)
	if err != nil || len(book.all) == 0 {
		return err
	}
	place := make(map[mytoken.TokenID]int) // in tokens
	var tokens []mytoken.TokenID
	for _, r := range f.order {
		for _, id := range append([]mytoken.TokenID{r.ID}, f.above[r.ID]...) {
			if _, seen := place[id]; !seen {
				place[id], tokens = len(tokens), append(tokens, id)
			}
		}
	}
	links, read, room := make(tagging.Links), 0, maxTagsOfList
	for page := range slices.Chunk(tokens, linkPage) {
		some, err := i.ledger.links(ctx, page)
		if err != nil {
			return err
		}
		if room -= len(some); room < 0 {
			break
		}
		links.Add(some)
		read += len(page)
	}
	if f.truncated = f.truncated || read < len(tokens); len(links) == 0 {
		return nil
	}
	view := tagging.NewView(book.all, links)
	room = maxTagsOfList
	unread := func(id mytoken.TokenID) bool { return place[id] >= read }
	for _, r := range f.order {
		if unread(r.ID) || slices.ContainsFunc(f.above[r.ID], unread) {
			continue
		}
		tags := view.Of(r.ID, f.above[r.ID])
		if len(tags) > room {
			f.truncated = true
			continue
		}
		r.Tags, room = tags, room-len(tags)
	}
	return nil
}

// recordReader makes the records of one list.
type recordReader struct {
	i        *Issuer
	describe func(*mytoken.Record) bool // nil: all
	room     int                        // bytes of memory that are left for descriptions
	// roomForEnded is the part of room that tokens may take that have ended. Lists begin
	// with the oldest tokens, and the newest ones must not go without a description.
	roomForEnded int
}

// heading is the part of a description that every list tells.
type heading struct {
	Name    string `json:"name"`
	Address string `json:"ip"`
	Issuer  string `json:"oidc_iss"`
	Label   string `json:"label"`
}

func (l *recordReader) read(info *store.TokenInfo, over bool) (*mytoken.Record, error) {
	r := &mytoken.Record{
		ID: info.ID, Created: info.Created.Time(), Expires: info.Expires.Time(), LastUsed: info.LastUsed.Time(),
		Revoked: !info.Live, Brief: true,
	}
	if len(info.Ancestors) > 0 {
		r.Parent = info.Ancestors[0]
	}
	text, err := l.i.openDescription(info)
	if err != nil {
		return nil, err
	}
	var head heading
	if err := readDescription(text, &head); err != nil {
		return nil, err
	}
	r.Name, r.Address, r.Provider = legible.Show(head.Name), head.Address, head.Issuer
	r.Label = head.Label
	held := descriptionBytes(len(text), len(info.Counters))
	room := &l.room
	if over {
		room = &l.roomForEnded
	}
	if held > l.room || held > *room || l.describe != nil && !l.describe(r) {
		return r, nil
	}
	if l.room -= held; room != &l.room {
		l.roomForEnded -= held
	}
	var a about
	if err := readDescription(text, &a); err != nil {
		return nil, err
	}
	r.Brief, r.Counters = false, info.Counters
	r.Capabilities, r.Restrictions, r.Rotation = a.Capabilities, a.Restrictions, a.Rotation
	return r, nil
}

// descriptionBytes is about the memory that a description takes in a list. A clause of
// few characters takes much more memory than text.
func descriptionBytes(text, clauses int) int { return 2*text + 512*clauses }
