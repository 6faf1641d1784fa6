package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"
)

// line connects a process with the one that started it. The process writes questions to
// its standard output and reads answers from its standard input, as JSON.
type line struct {
	mu  sync.Mutex
	out *json.Encoder
	in  *json.Decoder
}

// parent returns the line to the process that started this one.
func parent() *line {
	return &line{out: json.NewEncoder(os.Stdout), in: json.NewDecoder(os.Stdin)}
}

// question is what a process asks or reports. Usually one field is set.
type question struct {
	// The launcher asks the supervisor.
	TransferCode bool      // for the user's token
	Advance      time.Time // move the time to this instant
	Who, Say     string    // print this for the user

	// A job asks the launcher.
	Compute time.Duration // let this much time pass
	Done    string        // one more thing is done, in words
	Refused string        // a use was refused, in words; Later is when to try again, zero for never
	Later   time.Time
}

// answer is the answer to every question.
type answer struct {
	Now          time.Time
	TransferCode string `json:",omitempty"`
	Err          string `json:",omitempty"`
}

// ask sends a question and waits for the answer. It returns an error if the other process
// has ended.
func (l *line) ask(q question) (answer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var a answer
	if err := l.out.Encode(q); err != nil {
		return a, err
	}
	if err := l.in.Decode(&a); err != nil {
		return a, err
	}
	if a.Err != "" {
		return a, errors.New(a.Err)
	}
	return a, nil
}

// serve answers the questions of a process that is about to start, one after the other.
// hangUp closes the connection.
func serve(cmd *exec.Cmd, respond func(question) (answer, error)) (hangUp func(), err error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	go func() {
		for questions, answers := json.NewDecoder(out), json.NewEncoder(in); ; {
			var q question
			if questions.Decode(&q) != nil {
				return
			}
			a, err := respond(q)
			if errors.Is(err, io.EOF) {
				return
			} else if err != nil {
				a.Err = err.Error()
			}
			if answers.Encode(a) != nil {
				return
			}
		}
	}()
	return func() { in.Close(); out.Close() }, nil
}
