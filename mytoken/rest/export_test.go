package rest

import "net/http"

// Routes returns each method and path that is served, for tests.
func (h *Handler) Routes() []string {
	var out []string
	for _, rt := range h.routes() {
		for method := range rt.methods {
			out = append(out, method+" "+rt.path)
		}
	}
	return out
}

// RouteOf returns the pattern that a path is served by.
func (h *Handler) RouteOf(method, path string) string {
	r, err := http.NewRequest(method, path, nil)
	if err != nil {
		return err.Error()
	}
	_, pattern := h.mux.Handler(r)
	return method + " " + pattern
}
