package requestid_test

import (
	"bytes"
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/mytoken-go/sdk/mytoken/internal/requestid"
)

func TestLogger(t *testing.T) {
	var out bytes.Buffer
	logger := requestid.Logger(slog.New(slog.NewTextHandler(&out, nil))).With("a", 1)
	ctx := context.WithoutCancel(requestid.With(t.Context(), "r1"))
	logger.InfoContext(ctx, "one")
	logger.InfoContext(t.Context(), "two")
	assert.Contains(t, out.String(), "msg=one a=1 request=r1\n")
	assert.Contains(t, out.String(), "msg=two a=1\n")
	assert.Equal(t, "r1", requestid.Of(ctx))
	assert.Empty(t, requestid.Of(t.Context()))
}
