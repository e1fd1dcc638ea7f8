//go:build linux

package docker

import (
	"context"
	"io"
	"syscall"

	"github.com/moby/moby/client"

	"meshsim/node"
)

// shellCommand is the best shell that the image has.
var shellCommand = []string{"/bin/sh", "-c", "command -v bash >/dev/null && exec bash; exec sh"}

// shell is a command with a terminal in a container. It implements node.Shell.
type shell struct {
	engine *engine
	exec   string // id
	stream client.HijackedResponse
	end    context.CancelFunc
	ended  chan struct{} // closed when nothing is held any more
}

// OpenShell implements node.ShellHost.
func (n *running) OpenShell(ctx context.Context, size node.TerminalSize) (node.Shell, error) {
	return n.driver.engine.openShell(ctx, n.container, n.resident.spec.Name, shellCommand, size)
}

// openShell runs a command with a terminal in the container of a server.
func (e *engine) openShell(ctx context.Context, container, server string, command []string, size node.TerminalSize) (*shell, error) {
	made, err := e.api.ExecCreate(ctx, container, client.ExecCreateOptions{
		Cmd: command, TTY: true, Env: []string{"TERM=xterm-256color"},
		AttachStdin: true, AttachStdout: true, AttachStderr: true,
	})
	if err != nil {
		return nil, e.explainFor(server, err)
	}
	attached, err := e.api.ExecAttach(ctx, made.ID, client.ExecAttachOptions{TTY: true})
	if err != nil {
		return nil, e.explainFor(server, err)
	}
	s := &shell{engine: e, exec: made.ID, stream: attached.HijackedResponse, ended: make(chan struct{})}
	ctx, s.end = context.WithCancel(ctx)
	context.AfterFunc(ctx, s.release)
	// Engines before API 1.42 take no size with the start. A command that is over already has no terminal.
	if err := s.Resize(ctx, size); err != nil && ctx.Err() != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Read implements node.Shell.
func (s *shell) Read(p []byte) (int, error) {
	n, err := s.stream.Reader.Read(p)
	if err != nil {
		err = io.EOF // the connection was closed, by us or by the engine: either way the shell is over
	}
	return n, err
}

// Write implements node.Shell.
func (s *shell) Write(p []byte) (int, error) { return s.stream.Conn.Write(p) }

// Resize implements node.Shell. A size without rows or columns changes nothing.
func (s *shell) Resize(ctx context.Context, size node.TerminalSize) error {
	if size.Rows == 0 || size.Columns == 0 {
		return nil
	}
	to := client.ExecResizeOptions{Height: uint(size.Rows), Width: uint(size.Columns)}
	_, err := s.engine.api.ExecResize(ctx, s.exec, to)
	return s.engine.explain(err)
}

// Close implements node.Shell.
func (s *shell) Close() error {
	s.end()
	<-s.ended
	return nil
}

// release ends the shell: the engine leaves one alone whose terminal went away.
func (s *shell) release() {
	defer close(s.ended)
	s.hangUp()
	s.stream.Close()
}

// hangUp tells the shell that its terminal is gone.
func (s *shell) hangUp() {
	ctx, cancel := context.WithTimeout(context.Background(), engineLimit)
	defer cancel()
	state, err := s.engine.api.ExecInspect(ctx, s.exec, client.ExecInspectOptions{})
	if err == nil && state.Running && state.PID > 0 {
		_ = syscall.Kill(state.PID, syscall.SIGHUP) // it may just have ended
	}
}
