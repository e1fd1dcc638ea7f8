package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"meshsim/mesh/meshfile"
	"meshsim/node"
	"meshsim/port/netstack"
	"meshsim/topo"
)

// run serves a mesh until the context ends.
func (o *options) run(c *cobra.Command, args []string) (err error) {
	log := slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: o.level}))
	netstack.LogTo(log)
	plan := meshfile.Plan{Settings: topo.Defaults()}
	if len(args) > 0 {
		o.file = args[0]
		if plan, err = load(o.file); err != nil {
			return err
		}
	}
	if c.Flags().Changed("seed") {
		plan.Seed = o.seed
	} else if plan.Seed == 0 {
		plan.Seed = randomSeed()
	}
	plan.Transport = o.transportOf(plan.Transport, c.Flags().Changed)
	traffic, err := openLowbandCapture(o.capture)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, traffic.close()) }()
	listeners, err := listen(o.listen)
	if err != nil {
		return err
	}
	if err := traffic.begin(); err != nil {
		closeAll(listeners)
		return err
	}
	o.token = tokenFor(listeners, o.token, log)
	w, err := newWiring(o, plan, listeners, traffic, log)
	if err != nil {
		closeAll(listeners)
		return err
	}
	if err := w.checkDefault(c.Context()); err != nil {
		closeAll(listeners)
		return errors.Join(err, w.mesh.Close(), w.close())
	}
	announce(c.OutOrStdout(), o, listeners)
	return w.run(c.Context(), listeners)
}

// transportOf is how servers talk to each other: as the flags say that were given, else as the mesh file says.
func (o *options) transportOf(file meshfile.Transport, given func(flag string) bool) meshfile.Transport {
	if given("transport") {
		file.Choice = o.choice
	}
	if given("lowband-below") {
		file.Below = o.slow
	}
	return file.OrDefault()
}

// tokenFor is the token that requests must bring: none on loopback, elsewhere the wanted one or a random one.
func tokenFor(listeners []net.Listener, wanted string, log *slog.Logger) string {
	if onLoopback(listeners) {
		if wanted != "" {
			log.Warn("the token is not used: requests from this machine need none")
		}
		return ""
	}
	log.Warn("whoever reaches this address can log in to every server with the account that all have; the token guards the rest",
		"user", node.AccountUser, "password", node.AccountPassword)
	if wanted == "" {
		return rand.Text()
	}
	return wanted
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		l.Close()
	}
}

// announce prints the address to open.
func announce(out io.Writer, o *options, listeners []net.Listener) {
	address := url.URL{Scheme: "http", Host: authority(listeners), Path: "/"}
	if o.token != "" {
		address.RawQuery = url.Values{"token": {o.token}}.Encode()
	}
	fmt.Fprintf(out, "meshsim is at %s (Ctrl-C stops it)\n", &address)
	o.coap.announce(out)
}

// authority is localhost and the port.
func authority(listeners []net.Listener) string {
	port := listeners[0].Addr().(*net.TCPAddr).Port
	return net.JoinHostPort("localhost", strconv.Itoa(port))
}

// runAll runs functions side by side; when one returns, the others' context ends. It returns when all have.
func runAll(ctx context.Context, functions ...func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan error, len(functions))
	for _, f := range functions {
		go func() {
			defer cancel()
			results <- f(ctx)
		}()
	}
	var errs []error
	for range functions {
		errs = append(errs, <-results)
	}
	return errors.Join(errs...)
}
