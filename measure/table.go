package measure

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"meshsim/link"
	"meshsim/telemetry"
)

// WriteMarkdown writes a report as a Markdown table.
func (r *Report) WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Link: %s.\n\n", describe(r.Link))
	b.WriteString("| step |")
	for _, t := range Transports() {
		fmt.Fprintf(&b, " %[1]s: bytes | packets | round trips | time |", t)
	}
	b.WriteString(" bytes saved |\n|---|")
	for range Transports() {
		b.WriteString("--:|--:|--:|--:|")
	}
	b.WriteString("--:|\n")
	for _, row := range r.Rows {
		fmt.Fprintf(&b, "| %s |", row.Step)
		for _, t := range Transports() {
			fmt.Fprintf(&b, " %s |", strings.Join(row.Cost[t].cells(), " | "))
		}
		fmt.Fprintf(&b, " %s |\n", row.saved())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteText writes a report as a table for a terminal.
func (r *Report) WriteText(w io.Writer) error {
	fmt.Fprintf(w, "Link: %s.\n\n", describe(r.Link))
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(table, "\t")
	for _, t := range Transports() {
		fmt.Fprintf(table, "%s: bytes\tpackets\tround trips\ttime\t", t)
	}
	fmt.Fprintln(table, "bytes saved\t")
	widest := 0 // figures stand to the right, the names of steps to the left
	for _, row := range r.Rows {
		widest = max(widest, len(row.Step))
	}
	for _, row := range r.Rows {
		fmt.Fprintf(table, "%-*s\t", widest, row.Step)
		for _, t := range Transports() {
			fmt.Fprintf(table, "%s\t", strings.Join(row.Cost[t].cells(), "\t"))
		}
		fmt.Fprintf(table, "%s\t\n", row.saved())
	}
	return table.Flush()
}

// Failures are the reasons why steps were given up, in sentences.
func (r *Report) Failures() []string {
	var failures []string
	for _, row := range r.Rows {
		for _, t := range Transports() {
			if reason := row.Cost[t].Failure; reason != "" {
				failures = append(failures, fmt.Sprintf("%s over %s: %s", row.Step, t, reason))
			}
		}
	}
	return failures
}

// cells are bytes, packets, round trips and time; what was given up is marked.
func (c Cost) cells() []string {
	mark := ""
	if c.Failure != "" {
		mark = "> "
	}
	trips := "–"
	if c.RoundTrips > 0 {
		trips = fmt.Sprint(c.RoundTrips)
	}
	return []string{mark + fmt.Sprint(c.Bytes), fmt.Sprint(c.Packets), trips, mark + seconds(c.Time)}
}

// seconds shows three digits of a duration.
func seconds(d time.Duration) string {
	if d >= 100*time.Second {
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return fmt.Sprintf("%.3g s", d.Seconds())
}

// saved is by how much the low-bandwidth transport takes fewer bytes.
func (r Row) saved() string {
	https, lowband := r.Cost[telemetry.HTTPS], r.Cost[telemetry.Lowband]
	if https.Bytes == 0 || https.Failure != "" || lowband.Failure != "" {
		return "–"
	}
	return fmt.Sprintf("%.0f %%", 100*(1-float64(lowband.Bytes)/float64(https.Bytes)))
}

func describe(p link.Params) string {
	rate := "unlimited bandwidth"
	if p.Rate != link.Unlimited {
		rate = p.Rate.String() + "/s"
	}
	text := fmt.Sprintf("%s, %v each way", rate, p.Delay)
	if p.Jitter > 0 {
		text += fmt.Sprintf(", %v of jitter", p.Jitter)
	}
	if p.Loss > 0 {
		text += fmt.Sprintf(", %.3g %% of packets lost", p.Loss*100)
	}
	return text
}
