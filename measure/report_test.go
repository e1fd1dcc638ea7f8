package measure

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"meshsim/fabric"
	"meshsim/link"
	"meshsim/port/netstack/virtualtime"
	"meshsim/telemetry"
)

var (
	out     = flag.String("out", "", "TestReport: write transport.md and transport.svg into this folder")
	rate    = flag.String("rate", "1kbit", "TestReport: bandwidth")
	limit   = flag.Duration("limit", 2*time.Hour, "TestReport: give a step up after so long")
	latency = flag.Duration("latency", time.Second, "TestReport: propagation delay in each direction")
)

const heading = `# Transports compared

Written by scripts/measure-transport, in virtual time; "meshsim measure-transport" measures the same in real time, on a link
of your choice. A client talks to its homeserver over TLS 1.3 and HTTP/1.1, or through coap-proxy. A homeserver whose only
link is this one joins rooms over federation and sends messages to all their members. Bytes count IP headers, both
directions; a round trip is two changes of direction. What was not done within the time limit has a ">".

![Bytes of each step](transport.svg)

`

// TestReport writes what the documentation shows, in virtual time: hours of a slow link take minutes
// (scripts/measure-transport).
func TestReport(t *testing.T) {
	if *out == "" {
		t.Skip("writes documentation: run scripts/measure-transport")
	}
	virtualtime.Test(t, func(t *testing.T) {
		bandwidth, err := link.ParseBitRate(*rate)
		if err != nil {
			t.Fatal(err)
		}
		report, err := Run(t.Context(), Config{
			Clock: fabric.TimerClock(), Limit: *limit,
			Link: link.Params{Rate: bandwidth, Delay: *latency}, Rooms: []int{2, 10, 100},
			Step: func(transport telemetry.Transport, step string) { t.Logf("%s: %s", transport, step) },
		})
		if err != nil {
			t.Fatal(err)
		}
		var table, drawing bytes.Buffer
		table.WriteString(heading)
		if err := report.WriteMarkdown(&table); err != nil {
			t.Fatal(err)
		}
		if err := report.WriteSVG(&drawing); err != nil {
			t.Fatal(err)
		}
		for name, content := range map[string]*bytes.Buffer{"transport.md": &table, "transport.svg": &drawing} {
			if err := os.WriteFile(filepath.Join(*out, name), content.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestTextIsATableWithStepsToTheLeft(t *testing.T) {
	report := &Report{Rows: []Row{{Step: "join"}, {Step: "a message to all"}}}
	var table bytes.Buffer
	if err := report.WriteText(&table); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\n  join  ", "\n  a message to all  "} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("%q is not in\n%s", want, table.String())
		}
	}
}
