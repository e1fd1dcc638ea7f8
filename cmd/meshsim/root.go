package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"meshsim/api"
)

const long = `meshsim emulates a mesh of Matrix homeservers. Open the page, click servers onto the canvas and send a
message: real, signed federation traffic crosses links that have the latency, bandwidth, jitter and loss that
the canvas gives them, and the page shows every event on its way.

It needs no root, no containers and no configuration. The network is emulated inside the process.`

const examples = `  meshsim
        serve the page at http://localhost:3000

  meshsim office.yaml
        the same, with the mesh in that file, which is kept up to date

  meshsim --listen 127.0.0.1:4000 --client-ports 0
        another port, and no TCP port for each server

  meshsim --listen 0.0.0.0:3000
        reachable from other machines; the address that is printed holds the token that is then needed,
        also to register (m.login.registration_token)

  curl http://hs0.localhost:3000/_matrix/client/versions
        ask server 0 as its clients do, across its client link (or at http://localhost:18000)

  curl -X POST localhost:3000/api/v1/servers -d '{"x":100,"y":100}'
        add a server from a script; meshsim openapi describes the whole interface

  meshsim --homeserver synapse
        as root: servers are stock Synapse in containers (build the image with images/synapse/build)

  meshsim --transport auto
        links below 20 kbit/s carry CoAP and CBOR instead of HTTPS between servers

  meshsim ls
  meshsim traceroute hs1 hs3
        from another terminal: what the mesh that runs holds, and how its servers reach each other

  meshsim completion bash > /etc/bash_completion.d/meshsim
        shell completion; also for zsh, fish and powershell`

// newRoot makes the command line. Environment variables stand for flags that are not given.
func newRoot(getenv func(string) string) *cobra.Command {
	o := &options{}
	root := &cobra.Command{
		Use:               "meshsim [MESH-FILE]",
		Short:             "Emulate a mesh of Matrix homeservers",
		Long:              long,
		Example:           examples,
		Args:              oneFile,
		ValidArgsFunction: completeFileOrCommand,
		SilenceErrors:     true,
		SilenceUsage:      true,
		RunE:              o.run,
	}
	serve := &cobra.Command{
		Use:               "serve [MESH-FILE]",
		Short:             "Serve the page and the interface (what meshsim does when it is told nothing else)",
		Long:              long,
		Example:           examples,
		Args:              oneFile,
		ValidArgsFunction: completeFile,
		RunE:              o.run,
	}
	for _, c := range []*cobra.Command{root, serve} {
		o.flags(c.Flags())
		levels := cobra.FixedCompletions([]string{"debug", "info", "warn", "error"}, cobra.ShellCompDirectiveNoFileComp)
		if err := c.RegisterFlagCompletionFunc("log-level", levels); err != nil {
			panic(err) // only where there is no such flag
		}
		transports := cobra.FixedCompletions([]string{"https", "lowband", "auto"}, cobra.ShellCompDirectiveNoFileComp)
		if err := c.RegisterFlagCompletionFunc("transport", transports); err != nil {
			panic(err)
		}
		homeservers := cobra.FixedCompletions(kinds(), cobra.ShellCompDirectiveNoFileComp)
		if err := c.RegisterFlagCompletionFunc("homeserver", homeservers); err != nil {
			panic(err)
		}
		c.PreRunE = func(c *cobra.Command, _ []string) error { return o.complete(c.Flags(), getenv) }
	}
	root.AddCommand(remoteCommands(getenv)...)
	root.AddCommand(serve, newCoapProxy(), newMeasureTransport(), newOpenAPI(), newVersion())
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return fmt.Errorf("%w; see %s --help", explained(err), c.CommandPath())
	})
	return root
}

// oneFile checks the arguments of serve.
func oneFile(_ *cobra.Command, args []string) error {
	if len(args) > 1 {
		return fmt.Errorf("one mesh file can be served, not %d: %q", len(args), args)
	}
	return nil
}

func newOpenAPI() *cobra.Command {
	return &cobra.Command{
		Use:   "openapi",
		Short: "Print the OpenAPI document of /api/v1",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			document, err := api.OpenAPI()
			if err != nil {
				return err
			}
			_, err = c.OutOrStdout().Write(document)
			return err
		},
	}
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(c.OutOrStdout(), "meshsim %s (%s, %s/%s)\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
