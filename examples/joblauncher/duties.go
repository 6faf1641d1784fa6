package main

import (
	"context"
	"crypto/rand"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// duties are what the launcher does for the process of a step while it runs: it tells
// the time and lets it pass, and keeps how far the step is.
type duties struct {
	launcher *launcher
	row      *row
	step     *step

	mu    sync.Mutex // of the row also: one thing at a time
	later time.Time  // when the step wants to be started again
}

// left is what is still to be done.
func (d *duties) left() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.step.Do[d.row.Done:]
}

// open returns the URL at which the process asks. Nobody else knows it.
func (d *duties) open() (desk string, closeDesk func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	secret := "/" + rand.Text()
	ctx, cancel := context.WithCancel(context.Background())
	mux := http.NewServeMux()
	mux.HandleFunc("GET /now", answered(func(struct{}) (time.Time, error) { return d.launcher.clock.Now(), nil }))
	mux.HandleFunc("POST /compute", answered(func(t time.Duration) (struct{}, error) { return struct{}{}, d.compute(ctx, t) }))
	mux.HandleFunc("POST /done", answered(func(text string) (struct{}, error) { return struct{}{}, d.done(ctx, text) }))
	mux.HandleFunc("POST /later", answered(func(r refusal) (struct{}, error) { return struct{}{}, d.comeBack(ctx, r) }))
	server := &http.Server{Handler: http.StripPrefix(secret, mux), ReadHeaderTimeout: time.Minute}
	go server.Serve(listener) // ends with closeDesk
	return "http://" + listener.Addr().String() + secret, func() { cancel(); server.Close() }, nil
}

// compute lets time pass.
func (d *duties) compute(ctx context.Context, t time.Duration) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.launcher.clock.advance(ctx, d.launcher.clock.Now().Add(t))
}

// done keeps that one more thing is done, and then tells the user.
func (d *duties) done(ctx context.Context, text string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.row.Done++
	if err := d.launcher.table.update(ctx, d.row); err != nil {
		return err
	}
	return d.launcher.say(ctx, d.row.ID, text)
}

// refusal is what a job tells about a use that was refused.
type refusal struct {
	Text  string
	Later time.Time // when it is admitted; zero: never, or not known
}

// comeBack remembers when to start the step again.
func (d *duties) comeBack(ctx context.Context, r refusal) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.later = r.Later
	return d.launcher.say(ctx, d.row.ID, strings.TrimSpace(r.Text))
}
