package sshd

import (
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/ssh"

	"github.com/mytoken-go/sdk/mytoken/issuer"
)

// session runs one command. It refuses every other request, such as those for a terminal,
// an environment or a subsystem.
func (c *connection) session(ctx context.Context, client issuer.Client, channel ssh.Channel, requests <-chan *ssh.Request) {
	// Commands read nothing. But package ssh would keep 2 MiB, and a client whose input is a
	// long file must get its answer.
	go func() { _, _ = io.Copy(io.Discard, channel) }()
	go func() { _, _ = io.Copy(io.Discard, channel.Stderr()) }()
	for wish := range requests {
		var text struct{ Command string }
		switch {
		case wish.Type == "shell":
		case wish.Type == "exec" && ssh.Unmarshal(wish.Payload, &text) == nil && len(text.Command) <= c.server.config.Limits.Command:
		default:
			_ = wish.Reply(false, nil)
			continue
		}
		defer c.work()()
		_ = wish.Reply(true, nil)
		go ssh.DiscardRequests(requests)
		line, ok := c.run(ctx, client, text.Command)
		c.print(channel, line, ok)
		return
	}
}

// print sends the output of a command and how it ended. An error is on both outputs, so
// that a script that keeps the first one still shows it.
func (c *connection) print(channel ssh.Channel, line string, ok bool) {
	status := struct{ Status uint32 }{}
	if most := c.server.config.Limits.Output; len(line) > most {
		line, ok = fmt.Sprintf("internal_server_error: the output is longer than %d bytes", most), false
	}
	if !ok {
		status.Status = 1
		_, _ = channel.Stderr().Write([]byte(line + "\n"))
	}
	_, _ = channel.Write([]byte(line + "\n")) // the client may be gone
	_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(status))
}

// run carries out a command, and returns what to print.
func (c *connection) run(ctx context.Context, client issuer.Client, text string) (line string, ok bool) {
	if text == "" { // a shell
		return c.help(), false
	}
	asked, err := parseRequest(text)
	if wrong, known := errors.AsType[requestError](err); known {
		return string(wrong), false
	} else if err != nil {
		return "Invalid Request\n" + c.help(), false
	}
	out, err := c.commands.Command(ctx, client, asked.action, asked.data)
	if out.IsEmpty() {
		return "Unknown request\n" + c.help(), false
	}
	return out.Reveal(), err == nil
}

// help is two lines.
func (c *connection) help() string {
	return "Usage: ssh HOST ACTION [application/json|application/json;base64 DATA]\n" +
		"Actions: AT, MT, introspect, history, list-subtokens, list-all-mytokens, revoke, " +
		"tags-list, tag-create, tag-update, tag-delete, add-tag, remove-tag. Read more at " + c.server.config.Issuer.URL()
}
