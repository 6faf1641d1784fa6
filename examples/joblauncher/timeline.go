package main

import (
	"context"
	"fmt"
	"time"

	"github.com/mytoken-go/sdk/restriction/forecast"
	"github.com/mytoken-go/sdk/restriction/timeline"
)

// timelineWidth is in characters.
const timelineWidth = 76

// timelines draws what the token of each job admitted, with what was left of it at the
// end of the job.
func (l *launcher) timelines(ctx context.Context) error {
	rows, err := l.table.jobs(ctx)
	if err != nil {
		return err
	}
	for _, r := range rows {
		if r.State != ended {
			continue
		}
		f, err := forecast.New(forecast.Token{Restrictions: r.Restrictions, Used: r.Used, Elsewhere: true}, r.Submitted, time.Time{})
		if err != nil {
			return err
		}
		text := timeline.Text(f, timelineWidth, forecast.Style{Start: r.Submitted, Title: fmt.Sprintf("The mytoken of %q", r.ID)})
		if err := l.report(ctx, report{Who: r.ID, Text: text, Timeline: true}); err != nil {
			return err
		}
	}
	return nil
}
