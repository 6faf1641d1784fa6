package issuer

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/internal/unique"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
)

// HistoryRequest asks for the events of tokens (protocol section 5.8.2).
type HistoryRequest struct {
	Token mytoken.Secret
	// ID names the request. A repetition with the same ID is answered anew and counts
	// once, within the lifetime of a code. After that it returns [ErrRepeatedID]. Zero: a
	// new ID.
	ID UseID
	// Of names the tokens whose events are asked for: a mom_id, "this", "children", or
	// "children@" and a mom_id. At most 100. Empty: the token itself.
	Of     []string
	Client Client
}

// The names of the events that an issuer writes (protocol section 7.2).
const (
	EventCreated             = "created"
	EventATCreated           = "AT_created"
	EventMTCreated           = "MT_created"
	EventInheritedRT         = "inherited_RT"
	EventTokenRotated        = "token_rotated"
	EventTransferCodeCreated = "transfer_code_created"
	EventTransferCodeUsed    = "transfer_code_used"
	EventIntrospected        = "tokeninfo_introspect"
	EventHistoryRead         = "tokeninfo_history"
	EventHistoryOtherRead    = "tokeninfo_history_other_token"
	EventSubtokensRead       = "tokeninfo_subtokens"
	EventListRead            = "tokeninfo_list_mytokens"
	EventRevoked             = "revoked"
	EventRevokedOther        = "revoked_other_token"
	EventGrantsListed        = "settings_grants_listed"
	EventGrantEnabled        = "settings_grant_enabled"
	EventGrantDisabled       = "settings_grant_disabled"
	EventSSHKeysListed       = "ssh_keys_listed"
	EventSSHKeyAdded         = "ssh_key_added"
	EventSSHKeyDeleted       = "ssh_key_deleted"
	EventTagsListed          = "tags_listed"
	EventTagCreated          = "tag_created"
	EventTagUpdated          = "tag_updated"
	EventTagDeleted          = "tag_deleted"
	EventTagAdded            = "tag_added_to_token"
	EventTagAddedOther       = "tag_added_to_other_token"
	EventTagRemoved          = "tag_removed_from_token"
	EventTagRemovedOther     = "tag_removed_from_other_token"
)

// tagEvents are the events whose comments name a tag. Nobody but the issuer writes them, or
// chooses their comments.
var tagEvents = []string{
	EventTagCreated, EventTagUpdated, EventTagDeleted, EventTagAdded, EventTagAddedOther, EventTagRemoved, EventTagRemovedOther, EventRevokedOther,
}

// maxHistoryNames bounds HistoryRequest.Of.
const maxHistoryNames = 100

// History returns what happened to tokens, and counts as one other use. It needs
// tokeninfo:history for the token itself and its descendants (D30), and
// manage_mytokens:history for other tokens of the user. Errors are those of
// [Issuer.AccessToken], [*RequestError] and [ErrNotOwned].
func (i *Issuer) History(ctx context.Context, req HistoryRequest) (*mytoken.History, error) {
	return again(ctx, req.Client, func() (*mytoken.History, error) { return i.historyOnce(ctx, req) })
}

func (i *Issuer) historyOnce(ctx context.Context, req HistoryRequest) (*mytoken.History, error) {
	if len(req.Of) > maxHistoryNames {
		return nil, &RequestError{Field: "mom_ids", Reason: fmt.Sprintf("%d, at most %d are allowed", len(req.Of), maxHistoryNames)}
	}
	p, leave, err := i.presentToList(ctx, req.Token, req.Client)
	if err != nil {
		return nil, err
	}
	defer leave()
	op := operation{
		id: p.useID(req.ID), brief: !req.ID.IsZero(), kind: restriction.Other, client: req.Client,
		event: EventHistoryRead, needs: capability.TokeninfoHistory,
	}
	if len(req.Of) > 0 {
		op.event, op.needs = EventHistoryOtherRead, ""
	}
	ids, truncated, err := i.historyOf(ctx, p, req.Of)
	if err != nil {
		return nil, i.refusedOther(ctx, p, op, err)
	}
	spent, err := i.charge(ctx, p, op)
	if err != nil {
		return nil, err
	}
	out, err := i.events(ctx, p.token.Owner(), ids)
	if err != nil {
		return nil, p.afterCharge(err)
	}
	out.Truncated = out.Truncated || truncated
	if out.Update, err = i.rotateOrFail(ctx, p, op.kind, spent.Key, req.Client); err != nil {
		return nil, p.afterCharge(err)
	}
	return out, nil
}

// historyOf resolves the names and checks the right to each. It returns each id once.
func (i *Issuer) historyOf(ctx context.Context, p *presented, names []string) (ids []mytoken.TokenID, truncated bool, err error) {
	if len(names) == 0 {
		return []mytoken.TokenID{p.id.ID}, false, nil
	}
	seen := make(map[mytoken.TokenID]bool)
	for _, name := range unique.Strings(names) { // reading descendants is expensive
		id, children, err := parseHistoryName(name, p.id.ID)
		if err != nil {
			return nil, false, &RequestError{Field: "mom_ids", Reason: "not a mom_id", cause: err}
		}
		needs, err := i.needsFor(ctx, p, id, capability.ManageMytokensHistory, capability.TokeninfoHistory)
		if err != nil {
			return nil, false, err
		}
		if !p.token.Allows(needs) && !p.token.Allows(capability.ManageMytokensHistory) {
			return nil, false, &mytoken.CapabilityError{Needed: needs}
		}
		named := []mytoken.TokenID{id}
		if children {
			var more bool
			if named, more, err = i.descendants(ctx, id); err != nil {
				return nil, false, err
			}
			truncated = truncated || more
		}
		for _, id := range named {
			if !seen[id] && len(ids) < MaxRecords {
				seen[id] = true
				ids = append(ids, id)
			}
			truncated = truncated || !seen[id]
		}
	}
	return ids, truncated, nil
}

// parseHistoryName reads a mom_id, "this", "children", or "children@" and a mom_id (D31).
func parseHistoryName(name string, this mytoken.TokenID) (id mytoken.TokenID, children bool, err error) {
	switch name {
	case "this":
		return this, false, nil
	case "children":
		return this, true, nil
	}
	name, children = strings.CutPrefix(name, "children@")
	id, err = mytoken.ParseMomID(name)
	return id, children, err
}

// descendants returns the descendants of a token, live or not.
func (i *Issuer) descendants(ctx context.Context, id mytoken.TokenID) (ids []mytoken.TokenID, truncated bool, err error) {
	err = each(ctx, &i.ledger, i.ledger.subtree(id), tokenPage, func(info *store.TokenInfo) (bool, error) {
		if info.ID == id {
			return true, nil
		}
		truncated = len(ids) == MaxRecords
		if !truncated {
			ids = append(ids, info.ID)
		}
		return !truncated, nil
	})
	return ids, truncated, err
}

// events reads the histories of tokens of a user.
func (i *Issuer) events(ctx context.Context, owner mytoken.OwnerID, ids []mytoken.TokenID) (*mytoken.History, error) {
	out := &mytoken.History{}
	if len(ids) == 0 {
		return out, nil
	}
	err := each(ctx, &i.ledger, i.ledger.events(ids), eventPage, func(e *store.EventRecord) (bool, error) {
		if len(out.Events) == MaxRecords {
			out.Truncated = true
			return false, nil
		}
		out.Events = append(out.Events, mytoken.Event{
			Token: e.Token, Name: e.Name, Comment: e.Comment, Address: e.Address, UserAgent: legible.Show(e.UserAgent),
			Time: e.Time.Time(),
		})
		return true, nil
	})
	if err == nil {
		err = i.nameTags(ctx, owner, out.Events)
	}
	if err != nil {
		return nil, err
	}
	for n := range out.Events {
		out.Events[n].Comment = legible.Show(out.Events[n].Comment)
	}
	return out, nil
}

// tagMark begins the stored comment of an event about a tag: the id of the item follows.
const tagMark = "tag "

func tagComment(id store.ItemID) string {
	if id.IsZero() {
		return ""
	}
	return tagMark + hex.EncodeToString(id[:])
}

// nameTags writes the names of tags into the comments of events. A tag that was deleted
// leaves no name.
func (i *Issuer) nameTags(ctx context.Context, owner mytoken.OwnerID, events []mytoken.Event) error {
	var book *tagBook
	for n := range events {
		e := &events[n]
		ref, about := strings.CutPrefix(e.Comment, tagMark)
		if !about || !slices.Contains(tagEvents, e.Name) {
			continue
		}
		if book == nil {
			var err error
			if book, err = i.readTags(ctx, owner); err != nil {
				return err
			}
		}
		var id store.ItemID
		_, _ = hex.Decode(id[:], []byte(ref[:min(len(ref), hex.EncodedLen(len(id)))]))
		tag, _ := book.byID(id)
		e.Comment = tag.Name
	}
	return nil
}
