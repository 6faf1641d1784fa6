// Package abandon gives up a machine of a mytoken service that will not come back.
package abandon

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/mytoken-go/sdk/mytoken/issuer"
)

// Node gives up the dead processes of a node and writes down what it did. It returns an
// error if a process of the node still lives, or if the node is not known.
func Node(ctx context.Context, w io.Writer, iss *issuer.Issuer, node string) error {
	got, err := iss.Abandon(ctx, node)
	if err != nil {
		return err
	}
	if len(got.Living) > 0 {
		err = fmt.Errorf("processes of node %s live, on %s: they were left alone; stop them, and try again 30 s later", node, strings.Join(got.Living, ", "))
	}
	_, werr := fmt.Fprintf(w, "given up: %d processes of node %s\n", len(got.Settled), node)
	if err == nil {
		err = werr
	}
	return err
}
