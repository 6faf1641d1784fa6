package broken

import (
	"context"
	"sync"

	"github.com/mytoken-go/sdk/store"
)

// commentBefore looks for the ticket before the use, and whatever the time.
type commentBefore struct{ store.Store }

func (s commentBefore) Spend(ctx context.Context, p store.Presented, u store.Use) (store.Spent, error) {
	if _, err := s.ResolveTicket(ctx, u.Fetch.Kind, []store.TicketID{u.Fetch.ID}, 1); err == nil && u.FetchedComment != "" {
		u.Event.Comment, u.FetchedComment = u.FetchedComment, ""
	}
	return s.Store.Spend(ctx, p, u)
}

// accessOutlivesLogin keeps the access tokens of a grant that is replaced.
type accessOutlivesLogin struct {
	store.Store
	mu   sync.Mutex
	kept map[store.TicketRef]store.Ticket
}

func (s *accessOutlivesLogin) ChangeTickets(ctx context.Context, c store.TicketChanges, now store.Micros) error {
	err := s.Store.ChangeTickets(ctx, c, now)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range c.Put {
		if t.Kind == store.TicketAccess {
			s.kept[t.TicketRef] = t
		}
	}
	return nil
}

func (s *accessOutlivesLogin) ReplaceGrant(ctx context.Context, r store.Replacement) error {
	if err := s.Store.ReplaceGrant(ctx, r); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.kept {
		if info, err := s.Token(ctx, t.Token); err != nil || info.Grant != r.Grant {
			continue
		}
		if err := s.Store.ChangeTickets(ctx, store.TicketChanges{Put: []store.Ticket{t}}, r.Now); err != nil {
			return err
		}
	}
	return nil
}
