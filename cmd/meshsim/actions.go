package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"meshsim/api"
	"meshsim/mesh"
)

// newAction is a command for one step of a server's life cycle, which leads to a state.
func newAction(getenv func(string) string, verb string, to mesh.State, short string) *cobra.Command {
	r := &remote{getenv: getenv}
	c := &cobra.Command{
		Use:               verb + " SERVER",
		Short:             short,
		Args:              wantServers("a server"),
		ValidArgsFunction: r.complete(1),
	}
	r.flags(c)
	atOnce := c.Flags().Bool("no-wait", false, "return at once, and not only when it is done")
	c.RunE = func(c *cobra.Command, args []string) error {
		s, err := r.server(c.Context(), args[0])
		if err != nil {
			return err
		}
		response, err := r.request(c.Context(), http.MethodPost, fmt.Sprintf("servers/%d/%s", s.ID, verb), nil)
		if err != nil {
			return err
		}
		if err := response.Body.Close(); err != nil || *atOnce {
			return err
		}
		if err := r.await(c.Context(), s, to); err != nil {
			return err
		}
		_, err = fmt.Fprintln(c.OutOrStdout(), s.Name, reached[to])
		return err
	}
	return c
}

// reached says that a server is in a state.
var reached = map[mesh.State]string{
	mesh.Running: "runs",
	mesh.Paused:  "is paused",
	mesh.Stopped: "is stopped",
	mesh.Failed:  "is killed",
}

// How long the commands wait for a state, which is more than a start may take, and between two looks.
const (
	actionLimit = 6 * time.Minute
	actionPause = 50 * time.Millisecond
)

// await waits until a server is in a state, and fails once it cannot come there by itself.
func (r *remote) await(ctx context.Context, s api.Server, to mesh.State) error {
	ctx, cancel := context.WithTimeout(ctx, actionLimit)
	defer cancel()
	for {
		now, err := get[api.Server](ctx, r, fmt.Sprintf("servers/%d", s.ID))
		state := mesh.State(now.State)
		switch {
		case errors.Is(ctx.Err(), context.DeadlineExceeded):
			return fmt.Errorf("server %s is %s after %v: meshsim logs %s shows what it does", s.Name, s.State, actionLimit, s.Name)
		case err != nil:
			return err
		case state == to:
			return nil
		case state == mesh.Failed:
			return fmt.Errorf("server %s has failed: %s", s.Name, now.Reason)
		case state == mesh.Gone || state == mesh.Stopped:
			return fmt.Errorf("server %s is %s meanwhile", s.Name, state)
		}
		s = now
		select {
		case <-time.After(actionPause):
		case <-ctx.Done():
		}
	}
}
