package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"meshsim/api"
)

// newLogs is the command that shows what a server has written.
func newLogs(getenv func(string) string) *cobra.Command {
	r := &remote{getenv: getenv}
	c := &cobra.Command{
		Use:               "logs SERVER",
		Short:             "Show what a server has written",
		Args:              wantServers("a server"),
		ValidArgsFunction: r.complete(1),
	}
	r.flags(c)
	followed := c.Flags().BoolP("follow", "f", false, "go on with what it writes, until Ctrl-C")
	lines := c.Flags().IntP("lines", "n", 1000, "begin with the last `number` lines, up to 10000")
	c.RunE = func(c *cobra.Command, args []string) error {
		s, err := r.server(c.Context(), args[0])
		if err != nil {
			return err
		}
		query := url.Values{"follow": {strconv.FormatBool(*followed)}, "lines": {strconv.Itoa(*lines)}}
		return follow(c.Context(), r, fmt.Sprintf("servers/%d/log", s.ID), query, func() {}, func(text []byte) error {
			var line api.LogLine
			if err := json.Unmarshal(text, &line); err != nil {
				return err
			}
			if line.Error != "" {
				return errors.New(line.Error)
			}
			_, err := fmt.Fprintln(c.OutOrStdout(), line.Line)
			return err
		})
	}
	return c
}
