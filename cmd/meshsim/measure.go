package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"meshsim/link"
	"meshsim/measure"
	"meshsim/telemetry"
	"meshsim/topo"
)

// measureOptions are the flags of measure-transport.
type measureOptions struct {
	rate    string
	latency time.Duration
	jitter  float64 // percent of the latency
	loss    float64 // percent
	rooms   []int
	limit   time.Duration
	seed    uint64
	format  string
	svg     string
}

func newMeasureTransport() *cobra.Command {
	var o measureOptions
	c := &cobra.Command{
		Use:   "measure-transport",
		Short: "Compare HTTPS with the low-bandwidth transport on a link of your choice",
		Long: `Runs one workload over each transport, on a link of your choice, and prints what it costs there: bytes (IP headers
included), packets, round trips (changes of direction on the link, halved) and time.

A client logs in, syncs and sends, through TLS on the one hand and coap-proxy on the other. A homeserver joins rooms
over federation and sends messages to all their members. Its link is the only one that is not perfect.

Time is real: at 100 bit/s and a second each way, a join over HTTPS takes twenty minutes. What takes longer than --limit is given up.`,
		Example: `  meshsim measure-transport
  meshsim measure-transport --rate 1kbit --latency 2s --loss 5 --rooms 2
  meshsim measure-transport --format markdown --svg transport.svg`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.run(c.Context(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	f := c.Flags()
	f.StringVar(&o.rate, "rate", "64kbit", "bandwidth in each direction: bits a second with a unit, or unlimited")
	f.DurationVar(&o.latency, "latency", 300*time.Millisecond, "propagation delay in each direction")
	f.Float64Var(&o.jitter, "jitter", 0, "jitter, in percent of the latency")
	f.Float64Var(&o.loss, "loss", 0, "packets lost, in percent")
	f.IntSliceVar(&o.rooms, "rooms", []int{2, 10, 100}, "how many servers the rooms have")
	f.DurationVar(&o.limit, "limit", 10*time.Minute, "give a step up after so long")
	f.Uint64Var(&o.seed, "seed", 1, "seed of what the link does at random")
	f.StringVar(&o.format, "format", "text", "text, markdown or json")
	f.StringVar(&o.svg, "svg", "", "draw the bytes of each step into this file")
	formats := cobra.FixedCompletions([]string{"text", "markdown", "json"}, cobra.ShellCompDirectiveNoFileComp)
	if err := c.RegisterFlagCompletionFunc("format", formats); err != nil {
		panic(err) // the flag is defined above
	}
	return c
}

func (o *measureOptions) config() (measure.Config, error) {
	rate, err := link.ParseBitRate(o.rate)
	if err != nil {
		return measure.Config{}, fmt.Errorf("--rate: %w", err)
	}
	if o.format != "text" && o.format != "markdown" && o.format != "json" {
		return measure.Config{}, fmt.Errorf("--format is %q: it must be text, markdown or json", o.format)
	}
	jitter := time.Duration(topo.Percent(o.jitter).Share() * float64(o.latency))
	c := measure.Config{
		Link: link.Params{Rate: rate, Delay: o.latency, Jitter: jitter, Loss: topo.Percent(o.loss).Share()},
		Seed: o.seed, Rooms: o.rooms, Limit: o.limit,
	}
	return c, c.Validate()
}

func (o *measureOptions) run(ctx context.Context, out, progress io.Writer) error {
	c, err := o.config()
	if err != nil {
		return err
	}
	var drawing *os.File
	if o.svg != "" {
		// Made first: a wrong path must not be found out after minutes.
		if drawing, err = os.Create(o.svg); err != nil {
			return fmt.Errorf("--svg: %w", err)
		}
		defer drawing.Close()
	}
	c.Step = func(t telemetry.Transport, step string) { fmt.Fprintf(progress, "%s: %s\n", t, step) }
	report, err := measure.Run(ctx, c)
	if err != nil {
		return err
	}
	for _, failure := range report.Failures() {
		fmt.Fprintln(progress, failure)
	}
	if err := o.write(report, out); err != nil {
		return err
	}
	if drawing == nil {
		return nil
	}
	return errors.Join(report.WriteSVG(drawing), drawing.Close())
}

func (o *measureOptions) write(r *measure.Report, out io.Writer) error {
	switch o.format {
	case "markdown":
		return r.WriteMarkdown(out)
	case "json":
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	}
	return r.WriteText(out)
}
