// Command meshsim emulates a mesh of Matrix homeservers: it serves a page on which servers are placed,
// linked and watched. This package is wiring and flags only.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	command := newRoot(os.Getenv)
	command.SetArgs(os.Args[1:])
	err := command.ExecuteContext(ctx)
	var status exitCoder
	switch {
	case err == nil:
	case errors.As(err, &status): // it has said itself what was wrong
		os.Exit(status.ExitCode())
	default:
		fmt.Fprintln(os.Stderr, "meshsim:", err)
		os.Exit(1)
	}
}

// exitCoder is the error of a command that was run for the user and did not succeed.
type exitCoder interface {
	error
	ExitCode() int
}
