package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"meshsim/api"
	"meshsim/port/probe"
)

// between is what ping and traceroute have in common.
type between struct {
	remote
	ipv6   bool
	size   int
	wait   time.Duration
	asJSON bool

	from, to api.Server
}

func (b *between) flags(c *cobra.Command) {
	b.remote.flags(c)
	c.Flags().BoolVarP(&b.ipv6, "ipv6", "6", false, "use the servers' IPv6 addresses")
	c.Flags().IntVarP(&b.size, "size", "s", 56, "`bytes` of data in a request, up to 1400")
	c.Flags().DurationVarP(&b.wait, "wait", "W", 0, "how long to wait for an answer, e.g. 30s; absent follows from the path")
	c.Flags().BoolVar(&b.asJSON, "json", false, "print JSON, one value a line")
}

// find looks up both servers.
func (b *between) find(ctx context.Context, args []string) (err error) {
	if b.from, err = b.server(ctx, args[0]); err != nil {
		return err
	}
	b.to, err = b.server(ctx, args[1])
	return err
}

func (b *between) query() url.Values {
	q := url.Values{"to": {strconv.Itoa(b.to.ID)}, "size": {strconv.Itoa(b.size)}, "family": {"ipv4"}}
	if b.ipv6 {
		q.Set("family", "ipv6")
	}
	if b.wait > 0 {
		q.Set("timeout_ms", strconv.FormatFloat(float64(b.wait)/float64(time.Millisecond), 'f', -1, 64))
	}
	return q
}

func (b *between) address() string {
	if b.ipv6 {
		return b.to.IPv6
	}
	return b.to.IPv4
}

// text is where sentences go: nowhere where JSON is wanted.
func (b *between) text(out io.Writer) io.Writer {
	if b.asJSON {
		return io.Discard
	}
	return out
}

// found is what a probe says of a request or a hop.
type found interface{ api.PingReply | api.TraceHop }

// tell prints a title once a probe has begun, and a line for all that it finds.
func tell[T found](ctx context.Context, b *between, out io.Writer, tool string, query url.Values, title string, line func(T) (string, error)) error {
	path := fmt.Sprintf("servers/%d/%s", b.from.ID, tool)
	begun := func() { fmt.Fprintln(b.text(out), title) }
	return follow(ctx, &b.remote, path, query, begun, func(data []byte) error {
		if b.asJSON {
			if _, err := fmt.Fprintf(out, "%s\n", data); err != nil {
				return err
			}
		}
		var value T
		if err := json.Unmarshal(data, &value); err != nil {
			return err
		}
		text, err := line(value)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(b.text(out), text)
		return err
	})
}

// newPing is the command that pings one server from another.
func newPing(getenv func(string) string) *cobra.Command {
	b := &between{remote: remote{getenv: getenv}}
	c := &cobra.Command{
		Use:   "ping FROM TO",
		Short: "Ping one server from another, across the mesh",
		Example: `  meshsim ping hs1 hs3
  meshsim ping -c 100 -i 10ms hs1 hs3`,
		Args:              wantServers("the server that asks", "the one that is asked"),
		ValidArgsFunction: b.complete(2),
	}
	b.flags(c)
	count := c.Flags().IntP("count", "c", 4, "`number` of requests")
	interval := c.Flags().DurationP("interval", "i", time.Second, "time between two requests")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := b.find(c.Context(), args); err != nil {
			return err
		}
		q := b.query()
		q.Set("count", strconv.Itoa(*count))
		q.Set("interval_ms", strconv.FormatFloat(float64(*interval)/float64(time.Millisecond), 'f', -1, 64))
		return b.ping(c.Context(), c.OutOrStdout(), q)
	}
	return c
}

// ping prints answers as they come and what they add up to.
func (b *between) ping(ctx context.Context, out io.Writer, query url.Values) error {
	var seen tally
	title := fmt.Sprintf("ping from %s to %s (%s), %d bytes of data", b.from.Name, b.to.Name, b.address(), b.size)
	err := tell(ctx, b, out, "ping", query, title, func(r api.PingReply) (string, error) {
		if r.Error != "" {
			return "", errors.New(r.Error)
		}
		seen.add(r)
		return b.replyLine(r), nil
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(b.text(out), &seen)
	if seen.answered == 0 {
		return fmt.Errorf("%s did not answer %s", b.to.Name, b.from.Name)
	}
	return nil
}

func (b *between) replyLine(r api.PingReply) string {
	switch probe.Outcome(r.Outcome) {
	case probe.Replied:
		return fmt.Sprintf("reply from %s: seq=%d time=%s ms", who(r), r.Seq, milliseconds(r))
	case probe.Lost:
		return fmt.Sprintf("no answer in time: seq=%d", r.Seq)
	case probe.TTLExceeded:
		return fmt.Sprintf("%s says that the TTL is used up: seq=%d", who(r), r.Seq)
	case probe.TooBig:
		return fmt.Sprintf("%s says that the packet is too big for a link: seq=%d", who(r), r.Seq)
	default:
		return fmt.Sprintf("%s has no route to %s: seq=%d", who(r), b.to.Name, r.Seq)
	}
}

func milliseconds(r api.PingReply) string {
	if r.RTTMS == nil {
		return "?"
	}
	return strconv.FormatFloat(*r.RTTMS, 'f', 3, 64)
}

// tally is what answers add up to.
type tally struct {
	sent, answered  int
	least, most     float64 // ms
	sum, sumSquares float64
}

func (t *tally) add(r api.PingReply) {
	t.sent++
	if r.Outcome != string(probe.Replied) || r.RTTMS == nil {
		return
	}
	ms := *r.RTTMS
	if t.answered == 0 {
		t.least, t.most = ms, ms
	}
	t.answered++
	t.least, t.most = min(t.least, ms), max(t.most, ms)
	t.sum += ms
	t.sumSquares += ms * ms
}

func (t *tally) String() string {
	if t.sent == 0 {
		return "nothing was answered yet"
	}
	text := fmt.Sprintf("%d sent, %d answered, %s %% lost", t.sent, t.answered, number(100*float64(t.sent-t.answered)/float64(t.sent)))
	if t.answered == 0 {
		return text
	}
	mean := t.sum / float64(t.answered)
	deviation := math.Sqrt(max(0, t.sumSquares/float64(t.answered)-mean*mean))
	return text + fmt.Sprintf("; min/avg/max/deviation %.3f/%.3f/%.3f/%.3f ms", t.least, mean, t.most, deviation)
}

// newTraceroute is the command that shows the path from one server to another.
func newTraceroute(getenv func(string) string) *cobra.Command {
	b := &between{remote: remote{getenv: getenv}}
	c := &cobra.Command{
		Use:               "traceroute FROM TO",
		Short:             "Show the path from one server to another, hop by hop",
		Args:              wantServers("the server that asks", "the one that is asked"),
		ValidArgsFunction: b.complete(2),
	}
	b.flags(c)
	hops := c.Flags().IntP("max-hops", "m", 64, "give up after this many `hops`")
	queries := c.Flags().IntP("queries", "q", 3, "`number` of requests for each hop")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := b.find(c.Context(), args); err != nil {
			return err
		}
		q := b.query()
		q.Set("max_hops", strconv.Itoa(*hops))
		q.Set("queries", strconv.Itoa(*queries))
		return b.trace(c.Context(), c.OutOrStdout(), q)
	}
	return c
}

// trace prints hops as they become known.
func (b *between) trace(ctx context.Context, out io.Writer, query url.Values) error {
	arrived := false
	title := fmt.Sprintf("path from %s to %s (%s)", b.from.Name, b.to.Name, b.address())
	err := tell(ctx, b, out, "traceroute", query, title, func(hop api.TraceHop) (string, error) {
		if hop.Error != "" {
			return "", errors.New(hop.Error)
		}
		for _, r := range hop.Replies {
			arrived = arrived || r.Outcome == string(probe.Replied)
		}
		return hopLine(hop), nil
	})
	if err == nil && !arrived && ctx.Err() == nil {
		err = fmt.Errorf("%s was not reached from %s", b.to.Name, b.from.Name)
	}
	return err
}

// hopLine is a hop as traceroute prints it: who answers is named once, and again where it is another.
func hopLine(hop api.TraceHop) string {
	var line strings.Builder
	fmt.Fprintf(&line, "%2d", hop.TTL)
	last := ""
	for _, r := range hop.Replies {
		if r.From == "" {
			line.WriteString("  *")
			continue
		}
		if r.From != last {
			last = r.From
			fmt.Fprintf(&line, "  %s", who(r))
		}
		fmt.Fprintf(&line, "  %s ms", milliseconds(r))
		switch probe.Outcome(r.Outcome) {
		case probe.Unreachable:
			line.WriteString(" (no route from here)")
		case probe.TooBig:
			line.WriteString(" (packet too big)")
		}
	}
	return line.String()
}

// who is an answer's origin, with its name where it has one.
func who(r api.PingReply) string {
	if r.Name == "" {
		return r.From
	}
	return fmt.Sprintf("%s (%s)", r.Name, r.From)
}
