package killtest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// process is a child that runs.
type process struct {
	t      testing.TB
	slot   int
	cmd    *exec.Cmd
	in     io.WriteCloser
	orders *json.Encoder
	stderr bytes.Buffer
}

// event is a line of a process, the end of a process, or an answer that the provider is
// about to send to it.
type event struct {
	from      *process
	line      line
	over      bool
	err       error  // how it ended
	answering string // the subject
}

// launch starts a process. The channel receives the lines of the process and, at last,
// its end.
func launch(t testing.TB, slot int, s setup, events chan<- event) *process {
	t.Helper()
	p := &process{t: t, slot: slot, cmd: exec.CommandContext(t.Context(), os.Args[0])}
	p.cmd.Env = append(os.Environ(), childVariable+"=1")
	p.cmd.Stderr = &p.stderr
	out, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	p.in, err = p.cmd.StdinPipe()
	require.NoError(t, err)
	p.orders = json.NewEncoder(p.in)
	require.NoError(t, p.cmd.Start())
	go func() {
		for lines := json.NewDecoder(out); ; {
			var l line
			if lines.Decode(&l) != nil { // it has died
				break
			}
			events <- event{from: p, line: l}
		}
		events <- event{from: p, over: true, err: p.cmd.Wait()}
	}()
	require.NoError(t, p.orders.Encode(s))
	return p
}

// send gives an order to a process, which may have died meanwhile.
func (p *process) send(o order) { _ = p.orders.Encode(o) }

// kill ends the process like kill -9.
func (p *process) kill() { require.NoError(p.t, p.cmd.Process.Kill()) }

// finish lets the process end by itself.
func (p *process) finish() { require.NoError(p.t, p.in.Close()) }
