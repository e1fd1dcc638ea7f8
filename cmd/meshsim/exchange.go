package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"

	"github.com/spf13/cobra"

	"meshsim/api"
	"meshsim/mesh/exchange"
)

// formats are those of import and export, for completion.
func formats() []string {
	var names []string
	for _, f := range exchange.Formats() {
		names = append(names, string(f))
	}
	return names
}

func newImport(getenv func(string) string) *cobra.Command {
	r := &remote{getenv: getenv}
	var in api.NewImport
	var format string
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Add the servers and links of a file to a meshsim that runs",
		Long: `Adds the servers and links of a mesh file, of meshnet-lab JSON, of GraphML (the Internet Topology Zoo's included) or of
containerlab YAML to a meshsim that runs: all of them or none. FILE is - for standard input.`,
		Example: `  meshsim import abilene.graphml --settings
  curl -s https://example.org/lab.clab.yml | meshsim import -`,
		Args: cobra.ExactArgs(1),
	}
	r.flags(c)
	c.Flags().StringVar(&format, "format", "", "of the file; absent is told from its text")
	c.Flags().BoolVar(&in.Settings, "settings", false, "take over the settings of the file for the whole mesh, so that nothing else is linked")
	c.Flags().Float64Var(&in.X, "x", 0, "where the middle is to be, in pixels of the canvas")
	c.Flags().Float64Var(&in.Y, "y", 0, "the same")
	completeFormat(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if format != "" {
			if _, err := parseFormat(format); err != nil {
				return err
			}
		}
		text, err := readFile(args[0], c.InOrStdin())
		if err != nil {
			return err
		}
		in.Format, in.Text = exchange.Format(format), string(text)
		body, err := json.Marshal(in)
		if err != nil {
			return err
		}
		response, err := r.send(c.Context(), http.MethodPost, "import", nil, bytes.NewReader(body))
		if err != nil {
			return err
		}
		defer response.Body.Close()
		var done api.Imported
		if err := json.NewDecoder(response.Body).Decode(&done); err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		for _, note := range done.Notes {
			fmt.Fprintln(c.ErrOrStderr(), note)
		}
		added := fmt.Sprintf("%d servers were added.", len(done.Servers))
		if len(done.Servers) == 1 {
			added = "1 server was added."
		}
		_, err = fmt.Fprintln(c.OutOrStdout(), added)
		return err
	}
	return c
}

// readFile reads a file, or standard input for "-".
func readFile(name string, standard io.Reader) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(standard)
	}
	return os.ReadFile(name)
}

func newExport(getenv func(string) string) *cobra.Command {
	r := &remote{getenv: getenv}
	var format string
	c := &cobra.Command{
		Use:   "export",
		Short: "Print the mesh of a meshsim that runs as a file",
		Long: `Prints the mesh of a meshsim that runs. Only our own format holds everything; the others hold servers, the links in
force, and of these latency, bandwidth, jitter, loss and whether they are cut.`,
		Example: "  meshsim export > mesh.yaml\n  meshsim export --format graphml > mesh.graphml",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if _, err := parseFormat(format); err != nil {
				return err
			}
			response, err := r.request(c.Context(), http.MethodGet, "export", url.Values{"format": {format}})
			if err != nil {
				return err
			}
			defer response.Body.Close()
			_, err = io.Copy(c.OutOrStdout(), response.Body)
			return err
		},
	}
	r.flags(c)
	c.Flags().StringVar(&format, "format", string(exchange.MeshFile), "meshsim, meshnet-lab, graphml or containerlab")
	completeFormat(c)
	return c
}

// parseFormat reads --format, before anybody is asked.
func parseFormat(name string) (exchange.Format, error) {
	f, err := exchange.ParseFormat(name)
	if err != nil {
		return "", fmt.Errorf("--%w", err)
	}
	return f, nil
}

func completeFormat(c *cobra.Command) {
	known := cobra.FixedCompletions(formats(), cobra.ShellCompDirectiveNoFileComp)
	if err := c.RegisterFlagCompletionFunc("format", known); err != nil {
		panic(err) // the flag is defined where this is called
	}
}
