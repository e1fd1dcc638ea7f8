//go:build linux

package docker

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/containerd/errdefs"
)

// explainFor is explain for what is asked of a server's container, which the engine calls by its id.
func (e *engine) explainFor(server string, err error) error {
	if err == nil {
		return nil
	}
	conflict := errdefs.IsConflict(err)
	switch text := err.Error(); {
	case conflict && strings.Contains(text, "is paused"):
		return fmt.Errorf("server %s is paused: let it go on first, with meshsim resume %s or in the page", server, server)
	case conflict && strings.Contains(text, "is not running"), errdefs.IsNotFound(err):
		return fmt.Errorf("server %s is not running", server)
	}
	return e.explain(err)
}

// NoProgramError is returned by Exec for a command that could not be run.
type NoProgramError struct {
	Server, Command string
	Reason          string // what the engine says
}

func (e *NoProgramError) Error() string {
	return fmt.Sprintf("the image of server %s has no program %q that can be run: meshsim exec --netns %s -- COMMAND uses this machine's (%s)",
		e.Server, e.Command, e.Server, e.Reason)
}

// notStarted is how the output of a command begins that the engine could not start: it writes its reason there.
const notStarted = "OCI runtime exec failed: "

// outputWriter passes the output of a command on, but holds back what the engine writes in its place.
type outputWriter struct {
	to      io.Writer
	begin   []byte // not passed on yet
	decided bool   // that it is the command's own
}

// maxReason bounds what is held back, in bytes.
const maxReason = 4 << 10

func (w *outputWriter) Write(p []byte) (int, error) {
	if w.decided {
		return w.to.Write(p)
	}
	w.begin = append(w.begin, p...)
	own := !bytes.HasPrefix(w.begin, []byte(notStarted)) && !strings.HasPrefix(notStarted, string(w.begin))
	if own || len(w.begin) > maxReason {
		return len(p), w.flush()
	}
	return len(p), nil
}

// flush passes on what was held back.
func (w *outputWriter) flush() error {
	w.decided = true
	if len(w.begin) == 0 {
		return nil
	}
	_, err := w.to.Write(w.begin)
	w.begin = nil
	return err
}

// end says how a command ended that did not succeed, once all of its output was written.
func (w *outputWriter) end(server, command string, status int) error {
	const notExecutable, notFound = 126, 127 // as shells have it; engines use both
	if reason, held := bytes.CutPrefix(w.begin, []byte(notStarted)); held && (status == notExecutable || status == notFound) {
		return &NoProgramError{Server: server, Command: command, Reason: strings.Join(strings.Fields(string(reason)), " ")}
	}
	if err := w.flush(); err != nil {
		return err
	}
	if status != 0 {
		return &StatusError{Command: command, Status: status}
	}
	return nil
}
