//go:build linux

package docker

import (
	"context"
	"fmt"
	"io"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"
)

// Toolbox works with the containers of a meshsim that runs, from this process or any other on the machine.
type Toolbox struct {
	// Process is the id of the meshsim whose servers are meant; 0 is any.
	Process int

	engine *engine
}

// NewToolbox makes a toolbox for the engine that a driver would use. Close releases it.
func NewToolbox() (*Toolbox, error) {
	e, err := newEngine()
	if err != nil {
		return nil, err
	}
	return &Toolbox{engine: e}, nil
}

// Close releases the toolbox.
func (t *Toolbox) Close() error { return t.engine.close() }

// Streams are where a command reads and writes. In may be nil.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// StatusError is returned by Exec for a command that ran and did not succeed.
type StatusError struct {
	Command string
	Status  int
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("%s ended with status %d", e.Command, e.Status)
}

// ExitCode is the status.
func (e *StatusError) ExitCode() int { return e.Status }

// NoContainerError is returned for a server that runs in no container, or not at all.
type NoContainerError struct{ Server string }

func (e *NoContainerError) Error() string {
	return fmt.Sprintf("no server %s runs in a container", e.Server)
}

// find returns the container of a server that runs.
func (t *Toolbox) find(ctx context.Context, server string) (id string, err error) {
	ours := make(client.Filters).Add("label", labelServer+"="+server)
	list, err := t.engine.api.ContainerList(ctx, client.ContainerListOptions{Filters: ours})
	if err != nil {
		return "", t.engine.explain(err)
	}
	var names []string
	for _, c := range list.Items {
		if o := owner(c.Labels[labelOwner]); o.alive() && (t.Process == 0 || o.process() == t.Process) {
			id = c.ID
			names = append(names, c.Names...)
		}
	}
	switch len(names) {
	case 1:
		return id, nil
	case 0:
		return "", &NoContainerError{Server: server}
	default:
		return "", fmt.Errorf("%d meshes have a server %s: use docker with one of %v", len(names), server, names)
	}
}

// Logs copies what a server has written, and with follow what it writes until ctx ends or it does.
func (t *Toolbox) Logs(ctx context.Context, server string, follow bool, s Streams) error {
	id, err := t.find(ctx, server)
	if err != nil {
		return err
	}
	logs, err := t.engine.api.ContainerLogs(ctx, id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Follow: follow})
	if err != nil {
		return t.engine.explain(err)
	}
	defer logs.Close()
	if _, err := stdcopy.StdCopy(s.Out, s.Err, logs); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// Exec runs a command in a server's container, and so on the mesh. It fails with a *StatusError where the command does,
// and with a *NoProgramError where there is none.
func (t *Toolbox) Exec(ctx context.Context, server string, command []string, s Streams) error {
	id, err := t.find(ctx, server)
	if err != nil {
		return err
	}
	return t.engine.exec(ctx, id, server, command, s)
}

// exec runs a command in the container of a server.
func (e *engine) exec(ctx context.Context, id, server string, command []string, s Streams) error {
	api := e.api
	made, err := api.ExecCreate(ctx, id, client.ExecCreateOptions{
		Cmd: command, AttachStdin: s.In != nil, AttachStdout: true, AttachStderr: true,
	})
	if err != nil {
		return e.explainFor(server, err)
	}
	attached, err := api.ExecAttach(ctx, made.ID, client.ExecAttachOptions{})
	if err != nil {
		return e.explainFor(server, err)
	}
	defer attached.Close()
	detach := context.AfterFunc(ctx, attached.Close)
	defer detach()
	if s.In != nil {
		go func() { // ends with the command, when the connection is closed, or with its input
			_, _ = io.Copy(attached.Conn, s.In)
			_ = attached.CloseWrite()
		}()
	}
	out := &outputWriter{to: s.Out}
	if _, err := stdcopy.StdCopy(out, s.Err, attached.Reader); err != nil {
		return fmt.Errorf("the output of %s: %w", command[0], err)
	}
	ended, err := api.ExecInspect(ctx, made.ID, client.ExecInspectOptions{})
	if err != nil {
		return e.explain(err)
	}
	return out.end(server, command[0], ended.ExitCode)
}
