package sqlstore

import (
	"context"
	"database/sql"
	"slices"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/storetest"
)

// brokenLinks returns a store that has the bug, or nil if the bug is not one about links.
func brokenLinks(s *Store, bug storetest.Bug) store.Store {
	switch bug {
	case storetest.BugLinksOutliveItem:
		return linksOutliveItem{s}
	case storetest.BugLinksOutliveToken:
		return linksOutliveToken{s}
	case storetest.BugLinksSweptEarly:
		return linksSwept{s, `DELETE FROM {links} WHERE token_id NOT IN (SELECT token_id FROM {tokens})`}
	case storetest.BugLinksOfDeletedSwept:
		return linksSwept{s, `
			DELETE FROM {links} WHERE sweep_at IS NULL AND token_id NOT IN (SELECT token_id FROM {tokens} WHERE buried = 0)`}
	}
	return nil
}

// keepingLinks puts back the links that do has deleted.
func (s *Store) keepingLinks(ctx context.Context, do func() error) error {
	read := func() (all []store.NewLink, err error) {
		err = s.each(ctx, s.db, func(r *sql.Rows) error {
			var l store.NewLink
			err := r.Scan(scan(l.Item[:]), scan(l.Token[:]), &l.Own, &l.Below)
			all = append(all, l)
			return err
		}, `SELECT item_id, token_id, own, below FROM {links}`)
		return all, err
	}
	before, err := read()
	if err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	after, err := read()
	if err != nil {
		return err
	}
	gone := slices.DeleteFunc(before, func(l store.NewLink) bool {
		return slices.ContainsFunc(after, func(o store.NewLink) bool { return o.Item == l.Item && o.Token == l.Token })
	})
	if len(gone) == 0 {
		return nil
	}
	return s.write(ctx, func(tx runner) error { return s.demandAll(ctx, tx, replaceLinks(gone, 1)) })
}

// linksOutliveItem deletes an item alone.
type linksOutliveItem struct{ *Store }

func (s linksOutliveItem) ChangeItems(ctx context.Context, c store.ItemChanges) error {
	if len(c.Links) > 0 {
		return s.Store.ChangeItems(ctx, c)
	}
	return s.keepingLinks(ctx, func() error { return s.Store.ChangeItems(ctx, c) })
}

// linksOutliveToken does not sweep links.
type linksOutliveToken struct{ *Store }

func (s linksOutliveToken) Sweep(ctx context.Context, c store.Cleaning) (out store.Cleaned, err error) {
	err = s.keepingLinks(ctx, func() (err error) { out, err = s.Store.Sweep(ctx, c); return err })
	return out, err
}

// linksSwept sweeps links by a condition of its own.
type linksSwept struct {
	*Store
	text string
}

func (s linksSwept) Sweep(ctx context.Context, c store.Cleaning) (store.Cleaned, error) {
	out, err := s.Store.Sweep(ctx, c)
	if err == nil {
		_, err = s.exec(ctx, s.db, s.text)
	}
	return out, err
}
