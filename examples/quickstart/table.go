package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/restriction"
)

// table makes attempts to use tokens. At the end it prints one line for each.
type table struct {
	start    time.Time
	clock    *mytokentest.Clock
	issuer   *issuer.Issuer
	out      io.Writer
	rows     [][]string
	admitted int
	failed   error // the first error that is no refusal
}

func newTable(out io.Writer, start time.Time, clock *mytokentest.Clock, iss *issuer.Issuer) *table {
	return &table{
		start: start, clock: clock, issuer: iss, out: out,
		rows: [][]string{{"TIME", "WHO", "ACTION", "RESULT", "COME BACK", "BECAUSE"}},
	}
}

// at makes one attempt to get an access token, at an offset from the start.
func (t *table) at(offset time.Duration, who, address string, token mytoken.Secret, action, scope string) {
	if t.failed != nil {
		return
	}
	t.clock.Set(t.start.Add(offset))
	_, err := t.issuer.AccessToken(context.Background(), issuer.AccessTokenRequest{
		Token: token, Scopes: []string{scope}, Client: client(address),
	})
	result, comeBack, because := "admitted", "", ""
	if err == nil {
		t.admitted++
	} else {
		result = "refused"
		comeBack, because = t.explain(err)
	}
	t.rows = append(t.rows, []string{offsetText(offset), who, action, result, comeBack, because})
}

// explain says why an attempt was refused, and when the next one is worth it.
func (t *table) explain(err error) (comeBack, because string) {
	if refused, ok := errors.AsType[*issuer.RefusedError](err); ok {
		closest := refused.Explanation.Closest()
		var reasons []string
		for _, o := range closest.Objections {
			reasons = append(reasons, t.relative(o))
		}
		return t.when(refused.Explanation.Earliest), strings.Join(reasons, ", ")
	}
	if errors.Is(err, mytoken.ErrTokenExpired) {
		return "never", "the token has expired"
	}
	if invalid, ok := errors.AsType[*issuer.TokenError](err); ok {
		return "never", "the token is " + invalid.Reason.String()
	}
	t.failed = err
	return "", err.Error()
}

// relative returns the text of an objection, with offsets instead of instants.
func (t *table) relative(o restriction.Objection) string {
	words := strings.Fields(o.String())
	for n, w := range words {
		if at, err := time.Parse(time.RFC3339, w); err == nil {
			words[n] = offsetText(at.Sub(t.start))
		}
	}
	return strings.Join(words, " ")
}

// when says from when on the same attempt would be admitted.
func (t *table) when(e restriction.Earliest) string {
	at, ok := e.Time()
	if !ok {
		return e.String() // never, or unknown
	}
	return "earliest " + offsetText(at.Sub(t.start))
}

// finish prints the table. It returns an error unless the provider saw one refresh for
// each admitted attempt.
func (t *table) finish(provider *optest.Server) error {
	if t.failed != nil {
		return t.failed
	}
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, row := range t.rows {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(text.String()) {
		fmt.Fprintln(t.out, strings.TrimRight(line, " \n"))
	}
	if seen := provider.Count(optest.Refreshed); seen != t.admitted || provider.Reuses() != 0 {
		return fmt.Errorf("%d attempts were admitted, the provider saw %d refreshes, %d with an old refresh token", t.admitted, seen, provider.Reuses())
	}
	_, err := fmt.Fprintf(t.out, "\n%d attempts admitted, and the provider was asked %d times.\n", t.admitted, t.admitted)
	return err
}

// offsetText writes an offset as +24h00m, or as +24h00m01s if there are seconds.
func offsetText(d time.Duration) string {
	text := fmt.Sprintf("+%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	if s := d % time.Minute / time.Second; s != 0 {
		text += fmt.Sprintf("%02ds", s)
	}
	return text
}
