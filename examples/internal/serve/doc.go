// Package serve listens for an HTTP service, and ends the service without losing a
// request.
package serve
