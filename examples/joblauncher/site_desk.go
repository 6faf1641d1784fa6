package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// configVariable tells the launcher where things are. It holds no secret.
const configVariable = "JOBLAUNCHER_CONFIG"

// config is where the launcher finds the site.
type config struct {
	Issuer  string // of mytokens
	Storage string // URL
	Desk    string // URL of the clock and of the reports
	Dir     string // for the files of the launcher
}

func (s *site) config(dir string) config {
	return config{Issuer: s.service.Issuer.URL(), Storage: s.storage.url, Desk: s.desk, Dir: dir}
}

// handler serves the clock, which the launcher moves, and takes its reports.
func (s *site) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /now", answered(func(struct{}) (time.Time, error) { return s.service.Clock.Now(), nil }))
	mux.HandleFunc("POST /advance", answered(func(to time.Time) (time.Time, error) {
		if to.After(s.service.Clock.Now()) {
			s.service.Clock.Set(to)
		}
		return s.service.Clock.Now(), nil
	}))
	mux.HandleFunc("POST /report", answered(func(r report) (struct{}, error) {
		var err error
		if r.Timeline {
			s.keepTimeline(r)
		} else {
			err = s.say(r.Who, r.Text)
		}
		first, _, _ := strings.Cut(r.Text, "\n")
		if s.reached(point("report: " + first)) {
			panic(http.ErrAbortHandler)
		}
		return struct{}{}, err
	}))
	return mux
}

// report is for the user.
type report struct {
	Who, Text string
	Timeline  bool // the last of the job; shown at the end
}

// keepTimeline keeps the timeline of a job, once.
func (s *site) keepTimeline(r report) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.ContainsFunc(s.timelines, func(other report) bool { return other.Who == r.Who }) {
		s.timelines = append(s.timelines, r)
	}
}

// showTimelines prints what was kept.
func (s *site) showTimelines() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.timelines {
		if _, err := fmt.Fprintf(s.out, "\n%s\n", strings.TrimSpace(r.Text)); err != nil {
			return err
		}
	}
	return nil
}
