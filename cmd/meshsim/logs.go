package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"golang.org/x/term"

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
		shown := func(line string) string { return line }
		if isTerminal(c.OutOrStdout()) {
			shown = printable
		}
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
			_, err := fmt.Fprintln(c.OutOrStdout(), shown(line.Line))
			return err
		})
	}
	return c
}

// isTerminal says whether a person reads what is written.
func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// printable is a line without what moves a terminal's cursor, rings its bell or turns the direction of text: such
// characters are escaped as in Go. What others sent to a server is in its log.
func printable(line string) string {
	var out strings.Builder
	for _, r := range line {
		if r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
			quoted := strconv.QuoteRuneToASCII(r)
			out.WriteString(quoted[1 : len(quoted)-1])
			continue
		}
		out.WriteRune(r)
	}
	return out.String()
}
