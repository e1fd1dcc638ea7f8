//go:build linux

package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/moby/moby/client"
	"golang.org/x/sys/unix"

	"meshsim/node"
	"meshsim/port/tun"
)

// Terminal is where a command with a terminal reads and writes. Sizes are those of the terminal from now on.
type Terminal struct {
	In    io.Reader // may go on to be read once after the command has ended
	Out   io.Writer
	Size  node.TerminalSize
	Sizes <-chan node.TerminalSize
}

// ExecTerminal is Exec with a terminal inside.
func (t *Toolbox) ExecTerminal(ctx context.Context, server string, command []string, at Terminal) error {
	id, err := t.find(ctx, server)
	if err != nil {
		return err
	}
	s, err := t.engine.openShell(ctx, id, server, command, at.Size)
	if err != nil {
		return err
	}
	defer s.Close()
	go func() { _, _ = io.Copy(s, at.In) }() // ends with its input, or at the first key after the command's end
	over := make(chan struct{})
	defer close(over)
	go func() {
		for {
			select {
			case size := <-at.Sizes:
				_ = s.Resize(ctx, size)
			case <-over:
				return
			}
		}
	}()
	out := &outputWriter{to: at.Out}
	if _, err := io.Copy(out, s); err != nil {
		return fmt.Errorf("the output of %s: %w", command[0], err)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return s.failure(ctx, func(status int) error { return out.end(server, command[0], status) })
}

// failure says how a command ended that did not succeed: end does by its status.
func (s *shell) failure(ctx context.Context, end func(status int) error) error {
	state, err := s.engine.api.ExecInspect(ctx, s.exec, client.ExecInspectOptions{})
	if err != nil {
		return s.engine.explain(err)
	}
	if state.Running {
		return errors.New("the connection to the command broke off")
	}
	return end(state.ExitCode)
}

// ExecOutside runs a command of this machine in the network of a server: it sees the mesh and its names, and this
// machine's files. Root may.
func (t *Toolbox) ExecOutside(ctx context.Context, server string, command []string, s Streams) error {
	id, err := t.find(ctx, server)
	if err != nil {
		return err
	}
	c, err := t.engine.api.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return t.engine.explain(err)
	}
	ns, err := tun.OpenNamespace(c.Container.State.Pid)
	if err != nil {
		return fmt.Errorf("the network of %s can only be entered as root, on the machine of the Docker engine: %w", server, err)
	}
	defer ns.Close()
	program, err := exec.LookPath(command[0])
	if err != nil {
		return fmt.Errorf("this machine has no command %q: install it, or run the container's own", command[0])
	}
	outside := exec.CommandContext(ctx, program, command[1:]...)
	outside.Stdin, outside.Stdout, outside.Stderr = s.In, s.Out, s.Err
	outside.Cancel = func() error { return outside.Process.Signal(os.Interrupt) }
	outside.WaitDelay = interruptGrace
	if err := startIn(ns, outside); err != nil {
		return err
	}
	var failed *exec.ExitError
	if err := outside.Wait(); errors.As(err, &failed) {
		return &StatusError{Command: command[0], Status: failed.ExitCode()}
	} else if err != nil {
		return fmt.Errorf("%s: %w", command[0], err)
	}
	return nil
}

// interruptGrace is how long a command may take to end after Ctrl-C, e.g. to say what it has counted.
const interruptGrace = 2 * time.Second

// startIn starts a command in a network namespace, with the resolver of that namespace.
func startIn(ns *tun.Namespace, command *exec.Cmd) error {
	config, err := os.CreateTemp("", "meshsim-resolv-*.conf")
	if err != nil {
		return err
	}
	defer os.Remove(config.Name()) // what is mounted stays
	defer config.Close()
	if _, err := fmt.Fprintf(config, "nameserver %v\n", resolverAddress.Addr()); err != nil {
		return err
	}
	if err := config.Chmod(0o644); err != nil {
		return err
	}
	return ns.Do(func() error {
		if err := mountResolver(config.Name()); err != nil {
			return err
		}
		return command.Start()
	})
}

// resolverFile is where a process reads which name server to ask (resolv.conf(5)).
const resolverFile = "/etc/resolv.conf"

// mountResolver gives the calling thread, and what it starts, another resolver than the machine's, in a mount namespace of
// its own, as ip netns exec does. The thread is of no other use afterwards.
func mountResolver(config string) error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("make a mount namespace (root may): %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("keep mounts to the command: %w", err)
	}
	if err := unix.Mount(config, resolverFile, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("put %s over %s: %w", config, resolverFile, err)
	}
	return nil
}
