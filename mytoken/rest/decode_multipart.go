package rest

import (
	"bytes"
	"errors"
	"io"
	"mime/multipart"
	"net/url"
)

// fromMultipart reads a form of several parts (RFC 7578). Files are refused. The
// body was read already and is within its limit.
func (s shape) fromMultipart(data []byte, boundary string) ([]byte, error) {
	values := url.Values{}
	if boundary == "" {
		return nil, errForm
	}
	parts := multipart.NewReader(bytes.NewReader(data), boundary)
	for n := 0; ; n++ {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return s.fromValues(values)
		}
		if err != nil || part.FileName() != "" || part.FormName() == "" {
			return nil, errForm
		}
		if n >= maxFields {
			return nil, errTooMany
		}
		text, err := io.ReadAll(part)
		if err != nil {
			return nil, errForm
		}
		values.Add(part.FormName(), string(text))
	}
}
