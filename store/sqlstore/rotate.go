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
		return s.write(ctx, func(tx runner) error {
			// Counters come before tokens.
			if err := s.touchTokens(ctx, tx, plan.tokens()); err != nil {
				return err
			}
			if err := s.replaceGeneration(ctx, tx, *t, &r); err != nil {
				return err
			}
			return s.writeTickets(ctx, tx, plan)
		})
	})
	if err != nil {
		return store.Rotated{}, err
	}
	return out, nil
}

// replaceGeneration makes the next generation the current one.
func (s *Store) replaceGeneration(ctx context.Context, tx runner, t token, r *store.Rotation) error {
	was, presented, confirms := t.Key, confirmation{t.row, t.Seq}, t.Confirmed < t.Seq
	old := t.Replace(r)
	err := s.must(ctx, tx, 1, `
		UPDATE {tokens} SET seq = ?, confirmed = ?, token_sum = ?, sealed_key = ?, expires = ?, erase_at = ?
		WHERE id = ? AND seq = ? AND sealed_key = ?`,
		int64(t.Seq), int64(t.Confirmed), t.Sum[:], []byte(t.Key), int64(r.Expires), eraseAt(r.Expires),
		t.row, int64(r.From.Seq), []byte(was))
	if err != nil {
		return err
	}
	if confirms {
		if err := s.eraseGenerations(ctx, tx, presented); err != nil {
			return err
		}
	}
	if old != nil {
		_, err := s.exec(ctx, tx, `
			INSERT INTO {generations} (token, seq, token_sum, sealed_key, successor, grace_until) VALUES (?, ?, ?, ?, ?, ?)`,
			t.row, int64(r.From.Seq), old.Sum[:], []byte(old.Key), []byte(old.Successor), int64(old.Until))
		if err != nil {
			return err
		}
	}
	return s.addEvents(ctx, tx, t.row, r.Event)
}
