package sqlstore

import (
	"context"
	"slices"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/internal/rules"
)

// Rotate implements [store.Tokens].
func (s *Store) Rotate(ctx context.Context, r store.Rotation) (store.Rotated, error) {
	if err := r.Check(); err != nil {
		return store.Rotated{}, err
	}
	var out store.Rotated
	err := s.step(ctx, "rotate", func() error {
		t, err := s.readAlone(ctx, r.From.ID)
		if err != nil {
			return err
		}
		before, err := rules.Rotate(t.decisive(), &r, s.generations(ctx, t))
		if err != nil {
			return err
		}
		if before != nil {
			out = *before
			return nil
		}
		plan, err := s.planChanges(ctx, &r.Tickets, r.Now)
		if err != nil {
			return err
		}
		out = store.Rotated{Successor: slices.Clone(r.Successor), Fresh: true}
		// Counters come before tokens.
		return s.writeAll(ctx, slices.Concat(touchTokens(plan.tokens()), replaceGeneration(*t, &r), plan.writes()), false)
	})
	if err != nil {
		return store.Rotated{}, err
	}
	return out, nil
}

// replaceGeneration returns the statements that make the next generation the current one.
func replaceGeneration(t token, r *store.Rotation) []demand {
	was, presented, confirms := t.Key, confirmation{t.row, t.Seq}, t.Confirmed < t.Seq
	old := t.Replace(r)
	all := []demand{{
		text: `
			UPDATE {tokens} SET seq = ?, confirmed = ?, token_sum = ?, sealed_key = ?, expires = ?, erase_at = ?
			WHERE id = ? AND seq = ? AND sealed_key = ?`,
		args: []any{
			int64(t.Seq), int64(t.Confirmed), t.Sum[:], []byte(t.Key), int64(r.Expires), eraseAt(r.Expires),
			t.row, int64(r.From.Seq), []byte(was),
		}, rows: 1,
	}}
	if confirms {
		all = append(all, eraseGenerations(presented))
	}
	if old != nil {
		all = append(all, demand{
			text: `INSERT INTO {generations} (token, seq, token_sum, sealed_key, successor, grace_until) VALUES (?, ?, ?, ?, ?, ?)`,
			args: []any{t.row, int64(r.From.Seq), old.Sum[:], []byte(old.Key), []byte(old.Successor), int64(old.Until)}, rows: 1,
		})
	}
	return append(all, events(t.row, r.Event)...)
}
