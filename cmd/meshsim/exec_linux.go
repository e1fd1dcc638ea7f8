package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"meshsim/api"
	"meshsim/node"
	"meshsim/node/docker"
	"meshsim/node/embedded"
)

// newExec is the command that runs another inside a server's container, or beside it.
func newExec(getenv func(string) string) *cobra.Command {
	r := &remote{getenv: getenv}
	c := &cobra.Command{
		Use:   "exec SERVER COMMAND [ARGUMENT]...",
		Short: "Run a command in a server's container, and so inside its network",
		Long: `Run a command in a server's container, and so inside its network.

Where standard input is a terminal the command gets one too. With --netns the command is this machine's own, and only
the network and the names are the server's: for tools that the image lacks.`,
		Example: `  meshsim exec hs3 bash

  meshsim exec hs3 traceroute hs5
        the hops between two servers, by name

  meshsim exec --netns hs3 -- mtr hs5
        the same with a tool of this machine (as root)`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) < 2 {
				return fmt.Errorf("%s wants a server and a command; see %s --help", c.CommandPath(), c.CommandPath())
			}
			return nil
		},
		ValidArgsFunction: r.complete(1),
	}
	r.flags(c)
	outside := c.Flags().Bool("netns", false, "run this machine's command in the server's network (root may)")
	c.Flags().SetInterspersed(false) // what follows the server belongs to the command
	c.RunE = func(c *cobra.Command, args []string) error {
		server, command := args[0], args[1:]
		if command[0] == "--" {
			command = command[1:]
		}
		if len(command) == 0 {
			return fmt.Errorf("%s wants a command after the server", c.CommandPath())
		}
		return r.exec(c, server, command, *outside)
	}
	return c
}

func (r *remote) exec(c *cobra.Command, server string, command []string, outside bool) error {
	ctx := c.Context()
	// Two meshes may have servers of one name: those of the meshsim that is meant. Without one the engine knows enough.
	running, asked := get[api.Version](ctx, r, "version")
	if s, err := r.server(ctx, server); err == nil {
		if s.Kind == embedded.Kind {
			return fmt.Errorf("server %s is embedded, so it has no container to run a command in: use meshsim ping, traceroute or logs", s.Name)
		}
		server = s.Name // the id will do too
	}
	t, err := docker.NewToolbox()
	if err != nil {
		return err
	}
	defer t.Close()
	t.Process = running.PID
	streams := docker.Streams{In: c.InOrStdin(), Out: c.OutOrStdout(), Err: c.ErrOrStderr()}
	switch {
	case outside:
		err = t.ExecOutside(ctx, server, command, streams)
	case onTerminal(streams):
		err = execOnTerminal(ctx, t, server, command)
	default:
		err = t.Exec(ctx, server, command, streams)
	}
	if absent := (*docker.NoContainerError)(nil); errors.As(err, &absent) {
		return r.noContainer(ctx, absent, asked)
	}
	return err
}

// noContainer says why a server has none.
func (r *remote) noContainer(ctx context.Context, absent, asked error) error {
	if asked != nil {
		return fmt.Errorf("%w; %w", absent, asked)
	}
	name := absent.(*docker.NoContainerError).Server
	s, err := r.server(ctx, name)
	if err != nil {
		return err
	}
	return fmt.Errorf("server %s is %s: it must run for this", s.Name, s.State)
}

// onTerminal says whether a person types and reads.
func onTerminal(s docker.Streams) bool {
	in, isFile := s.In.(*os.File)
	out, isFileToo := s.Out.(*os.File)
	return isFile && isFileToo && term.IsTerminal(int(in.Fd())) && term.IsTerminal(int(out.Fd()))
}

// execOnTerminal hands our terminal to a command in a container until it has ended.
func execOnTerminal(ctx context.Context, t *docker.Toolbox, server string, command []string) error {
	fd := int(os.Stdin.Fd())
	before, err := term.MakeRaw(fd)
	if err != nil {
		return fmt.Errorf("the terminal cannot be handed over: %w", err)
	}
	defer func() { _ = term.Restore(fd, before) }()
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, unix.SIGWINCH)
	defer signal.Stop(resized)
	sizes := make(chan node.TerminalSize)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		for {
			select {
			case <-resized:
			case <-ctx.Done():
				return
			}
			select {
			case sizes <- terminalSize(fd):
			case <-ctx.Done():
				return
			}
		}
	}()
	return t.ExecTerminal(ctx, server, command, docker.Terminal{In: os.Stdin, Out: os.Stdout, Size: terminalSize(fd), Sizes: sizes})
}

// terminalSize is the size of the terminal, or zero where it has none.
func terminalSize(fd int) node.TerminalSize {
	columns, rows, err := term.GetSize(fd)
	if err != nil {
		return node.TerminalSize{}
	}
	return node.TerminalSize{Rows: uint16(rows), Columns: uint16(columns)}
}
