package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"meshsim/api"
	"meshsim/mesh"
)

// remoteCommands are those that work with a meshsim that runs.
func remoteCommands(getenv func(string) string) []*cobra.Command {
	commands := []*cobra.Command{
		newLs(getenv), newPing(getenv), newTraceroute(getenv), newLogs(getenv),
		newImport(getenv), newExport(getenv),
		newAction(getenv, "start", mesh.Running, "Start a server that is stopped or has failed"),
		newAction(getenv, "stop", mesh.Stopped, "Stop a server, also while it is starting; it keeps its key and rooms"),
		newAction(getenv, "restart", mesh.Running, "Stop a server and start it again with its data"),
		newAction(getenv, "pause", mesh.Paused, "Freeze a server: it keeps its connections and does nothing"),
		newAction(getenv, "resume", mesh.Running, "Let a paused server go on"),
		newAction(getenv, "kill", mesh.Failed, "End a server's process as kill -9 does"),
	}
	return append(commands, containerCommands(getenv)...)
}

// listed is a server as ls --json prints it.
type listed struct {
	api.Server
	Links []neighbour `json:"links"`
}

// neighbour is the other end of a link.
type neighbour struct {
	ID        int     `json:"id"`
	Name      string  `json:"name"`
	LatencyMS float64 `json:"latency_ms"` // from here to there
	Cut       bool    `json:"cut,omitempty"`
}

func (n neighbour) String() string {
	if n.Cut {
		return n.Name + " cut"
	}
	return fmt.Sprintf("%s %s ms", n.Name, number(n.LatencyMS))
}

// newLs is the command that lists servers.
func newLs(getenv func(string) string) *cobra.Command {
	r := &remote{getenv: getenv}
	c := &cobra.Command{
		Use:   "ls",
		Short: "List the servers of a meshsim that runs, with their links",
		Args:  cobra.NoArgs,
	}
	r.flags(c)
	asJSON := c.Flags().Bool("json", false, "print JSON")
	c.RunE = func(c *cobra.Command, _ []string) error {
		all, err := r.list(c.Context())
		if err != nil {
			return err
		}
		if *asJSON {
			encoder := json.NewEncoder(c.OutOrStdout())
			encoder.SetIndent("", "  ")
			return encoder.Encode(all)
		}
		return printTable(c.OutOrStdout(), all)
	}
	return c
}

// list joins servers and links.
func (r *remote) list(ctx context.Context) ([]listed, error) {
	servers, err := r.servers(ctx)
	if err != nil {
		return nil, err
	}
	links, err := get[[]api.Link](ctx, r, "links")
	if err != nil {
		return nil, err
	}
	all := make([]listed, len(servers))
	at := make(map[int]int, len(servers))
	for i, s := range servers {
		all[i] = listed{Server: s, Links: []neighbour{}}
		at[s.ID] = i
	}
	note := func(from, to int, p api.LinkParams, cut bool) {
		a, known := at[from]
		b, alsoKnown := at[to]
		if known && alsoKnown { // servers may have come or gone between the two questions
			all[a].Links = append(all[a].Links, neighbour{ID: to, Name: all[b].Name, LatencyMS: p.LatencyMS, Cut: cut})
		}
	}
	for _, l := range links {
		note(l.A, l.B, l.AB, l.Cut)
		note(l.B, l.A, l.BA, l.Cut)
	}
	for i := range all {
		slices.SortFunc(all[i].Links, func(a, b neighbour) int { return a.ID - b.ID })
	}
	return all, nil
}

func printTable(out io.Writer, all []listed) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(out, "The mesh has no servers yet: click them onto the page, or POST to /api/v1/servers.")
		return err
	}
	rows := [][]string{{"ID", "NAME", "KIND", "STATE", "IPV4", "CLIENTS"}}
	for _, s := range all {
		rows = append(rows, []string{strconv.Itoa(s.ID), s.Name, s.Kind, s.State, s.IPv4, s.ClientURL})
	}
	room := roomBeside(rows, widthOf(out))
	table := tabwriter.NewWriter(out, 0, 0, gap, ' ', 0)
	for i, row := range rows {
		last := "LINKS (ONE WAY)"
		if i > 0 {
			last = all[i-1].neighbours(room)
		}
		fmt.Fprintf(table, "%s\t%s\n", strings.Join(row, "\t"), last)
	}
	return table.Flush()
}

// gap is the space between two columns.
const gap = 2

// widthOf is how many characters fit into a line of a terminal; what is none has lines of any length.
func widthOf(out io.Writer) int {
	if f, ok := out.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return math.MaxInt
}

// roomBeside is how many characters are left in a line for one more column.
func roomBeside(rows [][]string, width int) int {
	for column := range rows[0] {
		widest := 0
		for _, row := range rows {
			widest = max(widest, len(row[column]))
		}
		width -= widest + gap
	}
	return width
}

// neighbours are the other ends with their latency: as many as fit into room, but six at the most and one at the least.
func (s *listed) neighbours(room int) string {
	if s.Reason != "" {
		return s.Reason
	}
	if len(s.Links) == 0 {
		return "-"
	}
	const most = 6
	text := s.Links[0].String()
	for i, n := range s.Links[1:] {
		longer, rest := text+", "+n.String(), andMore(len(s.Links)-i-2)
		if i+1 == most || len(longer)+len(rest) > room {
			return text + andMore(len(s.Links)-i-1)
		}
		text = longer
	}
	return text
}

func andMore(count int) string {
	if count == 0 {
		return ""
	}
	return fmt.Sprintf(", and %d more", count)
}

// number is a figure with no more digits than it has use for.
func number(f float64) string { return strconv.FormatFloat(f, 'g', 4, 64) }
