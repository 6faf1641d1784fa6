package sqlstore_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/sqlstore"
)

// order tells a process of TestProcesses what to do.
type order struct {
	Dialect  sqlstore.Dialect
	Address  string
	Options  sqlstore.Options
	Tokens   []store.Presented
	Callers  int
	Attempts int // of each caller
}

const orderVariable = "SQLSTORE_TEST_ORDER"

// Four processes of sixteen callers spend on a hundred tokens. Each token grants exactly
// as many uses as its limit allows.
//
// proves P3
func TestProcesses(t *testing.T) {
	const processes, callers, tokens = 4, 16, 100
	limit, attempts := 75, 200 // 12,800 attempts, of which 7,500 can be granted
	switch {
	case os.Getenv(longVariable) != "":
		limit, attempts = 700, 1563 // 100,032 attempts, of which 70,000 can be
	case underRace:
		limit, attempts = 15, 40 // 2,560 attempts, of which 1,500 can be
	}
	onEach(t, func(t *testing.T, s site) {
		st := s.on(t, s.migrate(t))
		o := order{Dialect: s.dialect, Address: s.address, Options: s.opts, Callers: callers, Attempts: attempts}
		for range tokens {
			p, err := newRoot(t.Context(), st, store.Limit(limit))
			require.NoError(t, err)
			o.Tokens = append(o.Tokens, p)
		}
		granted := make([]int, tokens)
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range processes {
			wg.Go(func() {
				got, err := o.run(t.Context())
				if err != nil || len(got) != tokens {
					t.Errorf("process: %v", err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				for i, n := range got {
					granted[i] += n
				}
			})
		}
		wg.Wait()
		for i, p := range o.Tokens {
			info, err := st.Token(t.Context(), p.ID)
			require.NoError(t, err)
			events, _, err := st.Events(t.Context(), []store.TokenID{p.ID}, store.Page{Limit: 2 * limit})
			require.NoError(t, err)
			if granted[i] != limit || info.Counters[0].ATUsed != int64(limit) || len(events) != limit {
				t.Errorf("token %d: %d uses granted, %d counted, %d in the history; the limit is %d", i, granted[i], info.Counters[0].ATUsed, len(events), limit)
			}
		}
	})
}

// run starts a process that carries out the order. It returns how many uses of each token
// the process was granted.
func (o *order) run(ctx context.Context) (granted []int, err error) {
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestProcess$", "-test.count=1")
	cmd.Env = append(os.Environ(), orderVariable+"="+string(text))
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	line, _, _ := bytes.Cut(out, []byte("\n"))
	return granted, json.Unmarshal(line, &granted)
}

// TestProcess is what such a process runs.
func TestProcess(t *testing.T) {
	text := os.Getenv(orderVariable)
	if text == "" {
		t.SkipNow()
	}
	var o order
	require.NoError(t, json.Unmarshal([]byte(text), &o))
	s := siteAt(t, o.Dialect, o.Address)
	s.opts = o.Options
	granted, err := o.carryOut(t.Context(), s.open(t))
	require.NoError(t, err)
	out, err := json.Marshal(granted)
	require.NoError(t, err)
	fmt.Printf("%s\n", out)
}

// carryOut spends until each token is used up.
func (o *order) carryOut(ctx context.Context, st store.Store) ([]int, error) {
	granted := make([]int, len(o.Tokens))
	errs := make([]error, o.Callers)
	var mu sync.Mutex
	ask := func(i int) (bool, error) {
		u := newUse()
		fresh(u.ID[:])
		_, err := st.Spend(ctx, o.Tokens[i], u)
		if _, exhausted := errors.AsType[*store.ExhaustedError](err); exhausted {
			return false, nil
		}
		if err == nil {
			mu.Lock()
			granted[i]++
			mu.Unlock()
		}
		return err == nil, err
	}
	var wg sync.WaitGroup
	for c := range o.Callers {
		wg.Go(func() {
			for i := range o.Attempts {
				if _, errs[c] = ask((7*c + i) % len(o.Tokens)); errs[c] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	for i := range o.Tokens {
		for {
			more, err := ask(i)
			if err != nil {
				return nil, err
			}
			if !more {
				break
			}
		}
	}
	return granted, errors.Join(errs...)
}
