package sqlstore

import (
	"context"

	"github.com/mytoken-go/sdk/store"
)

// Rotate implements [store.Tokens].
func (s *Store) Rotate(ctx context.Context, r store.Rotation) (store.Rotated, error) {
	if err := r.Check(); err != nil {
		return store.Rotated{}, err
	}
	if err := ctx.Err(); err != nil {
		return store.Rotated{}, err
	}
	var out store.Rotated
	err := s.step(ctx, "rotate", func() error {
		found, err := s.readPresented(ctx, s.db, blobs{r.From.ID[:]}, ids{int64(store.UseUncounted)}, ids{store.NoClause})
		if err != nil {
			return err
		}
		t := found[r.From.ID]
		if t != nil && !t.dead && 0 < r.From.Seq && r.From.Seq < t.seq {
			out, err = s.rotatedBefore(ctx, t, &r)
			return err
		}
		if _, err := s.present(ctx, s.db, t, r.From, r.Now); err != nil {
			return err
		}
		plan, err := s.planTickets(ctx, &r.Tickets, r.Now, nil)
		if err != nil {
			return err
		}
		out = store.Rotated{Successor: append(store.Sealed(nil), r.Successor...), Fresh: true}
		return s.write(ctx, func(tx runner) error {
			// Counters come before tokens.
			if err := s.touchTokens(ctx, tx, plan.tokens()); err != nil {
				return err
			}
			if err := s.rotate(ctx, tx, t, &r); err != nil {
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

// rotate replaces the current generation. Presenting it confirmed it.
func (s *Store) rotate(ctx context.Context, tx runner, t *token, r *store.Rotation) error {
	err := s.must(ctx, tx, 1, `
		UPDATE {tokens} SET seq = ?, confirmed = ?, token_sum = ?, sealed_key = ?, expires = ?
		WHERE id = ? AND seq = ? AND sealed_key = ?`,
		int64(r.To.Seq), int64(r.From.Seq), r.To.Sum[:], []byte(r.Key), int64(r.Expires),
		t.id, int64(r.From.Seq), []byte(t.key))
	if err != nil {
		return err
	}
	if r.Grace > 0 {
		_, err := s.exec(ctx, tx, `
			INSERT INTO {generations} (token, seq, token_sum, sealed_key, successor, grace_until) VALUES (?, ?, ?, ?, ?, ?)`,
			t.id, int64(r.From.Seq), r.From.Sum[:], []byte(t.key), []byte(r.Successor), int64(r.Now.Add(r.Grace)))
		if err != nil {
			return err
		}
	}
	if r.Event.Name == "" {
		return nil
	}
	return s.addHistory(ctx, tx, []entry{{token: t.id, event: r.Event, clause: store.NoClause}})
}

// rotatedBefore answers a rotation of a generation that is outdated already.
func (s *Store) rotatedBefore(ctx context.Context, t *token, r *store.Rotation) (store.Rotated, error) {
	from, err := s.readGeneration(ctx, s.db, t.id, r.From.Seq)
	if err != nil {
		return store.Rotated{}, err
	}
	if from != nil && r.Now > from.until {
		from = nil
	}
	if from != nil && from.sum != r.From.Sum {
		return store.Rotated{}, store.ErrForged
	}
	own, err := s.isGeneration(ctx, t, r.To)
	switch {
	case err != nil:
		return store.Rotated{}, err
	case from != nil:
		return store.Rotated{Successor: from.successor, Fresh: own}, nil
	case own:
		return store.Rotated{Successor: append(store.Sealed(nil), r.Successor...), Fresh: true}, nil
	}
	return store.Rotated{}, t.stale(r.From, true)
}

// isGeneration tells whether a generation that is still known has this sum.
func (s *Store) isGeneration(ctx context.Context, t *token, p store.Presented) (bool, error) {
	if p.Seq == t.seq {
		return p.Sum == t.sum, nil
	}
	g, err := s.readGeneration(ctx, s.db, t.id, p.Seq)
	return g != nil && g.sum == p.Sum, err
}
