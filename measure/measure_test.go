package measure

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"meshsim/fabric"
	"meshsim/link"
	"meshsim/port/netstack/virtualtime"
	"meshsim/telemetry"
)

// run measures in virtual time.
func run(t *testing.T, c Config) *Report {
	t.Helper()
	c.Clock, c.Limit = fabric.TimerClock(), 100*time.Hour
	report, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	for _, failure := range report.Failures() {
		t.Error(failure)
	}
	return report
}

func (r *Report) row(t *testing.T, step string) Row {
	t.Helper()
	for _, row := range r.Rows {
		if row.Step == step {
			return row
		}
	}
	t.Fatalf("%q was not measured", step)
	return Row{}
}

func TestLowbandIsCheaperInEveryStep(t *testing.T) {
	virtualtime.Test(t, func(t *testing.T) {
		report := run(t, Config{Link: link.Params{Rate: 9600, Delay: 300 * time.Millisecond}, Rooms: []int{3, 2, 3}})
		if len(report.Rows) != 5+2*3 {
			t.Errorf("%d steps: %+v", len(report.Rows), report.Rows)
		}
		for _, row := range report.Rows {
			https, lowband := row.Cost[telemetry.HTTPS], row.Cost[telemetry.Lowband]
			if lowband.Bytes == 0 || lowband.Bytes >= https.Bytes {
				t.Errorf("%s: %d bytes over lowband, %d over HTTPS", row.Step, lowband.Bytes, https.Bytes)
			}
		}
		next := report.row(t, "room of 2: next message to all").Cost[telemetry.Lowband]
		if next.RoundTrips != 1 || next.Bytes > 450 || next.Packets > 3 {
			t.Errorf("the next message takes %+v, want one round trip of at most 450 bytes", next)
		}
		sent := report.row(t, "client: next message sent").Cost[telemetry.Lowband]
		if sent.RoundTrips != 1 || sent.Bytes > 210 {
			t.Errorf("a client's message takes %+v, want one round trip of at most 210 bytes", sent)
		}
		var text strings.Builder
		if err := report.WriteText(&text); err != nil {
			t.Fatal(err)
		}
		t.Logf("\n%s", text.String())
	})
}

// TestNothingIsRepeatedWithoutLoss: a message to nine others at 100 bit/s and a second each way is nine datagrams there and
// nine back, also the first time, when the sessions begin.
func TestNothingIsRepeatedWithoutLoss(t *testing.T) {
	virtualtime.Test(t, func(t *testing.T) {
		report := run(t, Config{Link: link.Params{Rate: 100, Delay: time.Second}, Rooms: []int{10}})
		for _, step := range []string{"room of 10: first message to all", "room of 10: next message to all"} {
			if cost := report.row(t, step).Cost[telemetry.Lowband]; cost.Packets != 18 {
				t.Errorf("%s took %d packets, %d bytes", step, cost.Packets, cost.Bytes)
			}
		}
	})
}

func TestStepsThatTakeTooLongAreGivenUp(t *testing.T) {
	virtualtime.Test(t, func(t *testing.T) {
		report, err := Run(t.Context(), Config{
			Link: link.Params{Rate: 100, Delay: time.Second}, Rooms: []int{2}, Limit: time.Minute, Clock: fabric.TimerClock(),
		})
		if err != nil {
			t.Fatal(err)
		}
		join := report.row(t, "room of 2: join").Cost[telemetry.HTTPS]
		if !strings.Contains(join.Failure, "not within 1m0s") || join.Bytes == 0 {
			t.Errorf("a join over HTTPS at 100 bit/s: %+v", join)
		}
		if len(report.Failures()) == 0 {
			t.Error("the report names no failures")
		}
	})
}

func TestReportsAreDrawn(t *testing.T) {
	report := &Report{Link: link.Params{Rate: 9600, Delay: time.Second, Loss: 0.1}, Rows: []Row{
		{Step: "one", Cost: map[telemetry.Transport]Cost{
			telemetry.HTTPS: {Bytes: 5000, Packets: 12, RoundTrips: 3, Time: 1234 * time.Millisecond}, telemetry.Lowband: {Bytes: 500, Packets: 2, Time: time.Hour},
		}},
		{Step: "two", Cost: map[telemetry.Transport]Cost{telemetry.HTTPS: {Bytes: 100, Failure: "not within 1s"}}},
	}}
	var drawing strings.Builder
	if err := report.WriteSVG(&drawing); err != nil {
		t.Fatal(err)
	}
	decoder := xml.NewDecoder(strings.NewReader(drawing.String()))
	for {
		_, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("no SVG: %v", err)
		}
	}
	var table strings.Builder
	if err := report.WriteMarkdown(&table); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Link: 9.6kbit/s, 1s each way, 10 % of packets lost.", "| one | 5000 | 12 | 3 | 1.23 s | 500 | 2 | – | 3600 s | 90 % |", "| two | > 100 |",
	} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("%q is not in\n%s", want, table.String())
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	for want, c := range map[string]Config{
		"room of 1":  {Limit: 1, Rooms: []int{1}},
		"time limit": {},
		"loss is 2":  {Limit: 1, Link: link.Params{Loss: 2}},
	} {
		if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q in it", c, err, want)
		}
	}
}
