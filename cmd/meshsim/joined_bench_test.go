package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"meshsim/link"
	"meshsim/mesh"
	"meshsim/mesh/meshfile"
	"meshsim/node"
	"meshsim/node/nodetest"
	"meshsim/talk"
	"meshsim/telemetry"
	"meshsim/topo"
)

// These benchmarks run the whole program in this process, in real time: what newWiring puts together, with
// embedded servers on the links that a canvas gives them. Each reports what docs/figures.md holds it to; run
// them one a process (scripts/bench does), because they report the memory of the process.

// patience is how long the benchmarks wait for anything before they fail, unless a benchmark says otherwise.
const patience = 2 * time.Minute

// answered is longer than any path takes there and back: a server has one transaction at a time on its way to each
// other one, and a message that is sent before that is answered waits for it.
const answered = 3 * time.Second

// joined is a whole mesh that runs.
type joined struct {
	*wiring
	b       *testing.B
	servers int
	began   time.Time
	took    time.Duration // until the last server ran

	patience time.Duration
}

// place scatters servers over a canvas, the same way every time.
func place(servers int) []mesh.Planned {
	r := rand.New(rand.NewPCG(1, 1))
	planned := make([]mesh.Planned, servers)
	for i := range planned {
		planned[i] = mesh.Planned{ID: i, X: 1200 * r.Float64(), Y: 700 * r.Float64()}
	}
	return planned
}

// run starts the program with servers and waits until all run. The scale is that of latencies.
func run(b *testing.B, servers int, scale topo.Percent) *joined {
	b.Helper()
	settings := topo.Defaults()
	settings.Bandwidth, settings.DecayBandwidth, settings.LatencyScale = link.Unlimited, false, scale
	listeners, err := listen("127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	j := &joined{b: b, servers: servers, began: time.Now(), patience: patience}
	plan := meshfile.Plan{Seed: 1, Settings: settings, Servers: place(servers), Transport: meshfile.Transport{}.OrDefault()}
	if j.wiring, err = newWiring(&options{}, plan, listeners, nil, slog.New(slog.DiscardHandler)); err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- j.wiring.run(ctx, listeners) }()
	b.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	})
	for id := range servers {
		if _, err := j.mesh.WaitRunning(b.Context(), id); err != nil {
			b.Fatal(err)
		}
	}
	j.took = time.Since(j.began)
	return j
}

// BenchmarkStart is how long servers take from the start of the program until all run, and what the process
// holds then.
func BenchmarkStart(b *testing.B) {
	for _, servers := range []int{100, 1000} {
		b.Run(fmt.Sprintf("servers=%d", servers), func(b *testing.B) {
			j := run(b, servers, 100)
			for b.Loop() {
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(j.took.Seconds(), "s")
			b.ReportMetric(resident(b), "MB-peak")
			debug.FreeOSMemory()
			b.ReportMetric(resident(b), "MB-idle")
		})
	}
}

// BenchmarkDrag moves one of a thousand servers sixty times a second, as a drag on the page does, and reports
// how long a move takes until the fabric has it.
func BenchmarkDrag(b *testing.B) {
	j := run(b, 1000, 100)
	frames := time.NewTicker(time.Second / 60)
	defer frames.Stop()
	var took []time.Duration
	for b.Loop() {
		<-frames.C
		began := time.Now()
		x := float64(len(took) % 1200)
		if err := j.mesh.Move(b.Context(), 0, x, 350); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
	}
	b.ReportMetric(0, "ns/op")
	report(b, took)
}

// BenchmarkRoom lets 100 servers join one room over federation and then sends messages as ten of them in turn,
// over connections that are warm. It reports how long the joins took, how long until all servers had seen all
// joins, and by how much messages arrived later than their path's latency.
//
// Latencies decide how long joins take, so there are two canvases: a screen on which paths take up to two
// seconds there and back, and one with a tenth of that, where the work counts.
func BenchmarkRoom(b *testing.B) {
	for _, scale := range []topo.Percent{100, 10} {
		b.Run(fmt.Sprintf("scale=%v", float64(scale)), func(b *testing.B) { benchmarkRoom(b, 100, scale) })
	}
}

func benchmarkRoom(b *testing.B, servers int, scale topo.Percent) {
	const senders = 10
	j := run(b, servers, scale)
	seen := j.watch()
	room := j.room()
	joined := time.Since(j.began)
	j.settle(room)
	settled := time.Since(j.began)
	for range 2 { // opens the connections
		var events []string
		for from := range senders {
			events = append(events, j.send(room, from))
		}
		for _, event := range events {
			seen.wait(event, servers-1)
		}
		time.Sleep(answered)
	}
	var late []time.Duration
	sent := 0
	for b.Loop() {
		from := sent % senders
		sent++
		began := time.Now()
		event := j.send(room, from)
		late = append(late, j.late(seen.wait(event, servers-1), from, began)...)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(joined.Seconds(), "s-joined")
	b.ReportMetric(settled.Seconds(), "s-settled")
	report(b, late)
	b.ReportMetric(resident(b), "MB-peak")
	debug.FreeOSMemory()
	b.ReportMetric(resident(b), "MB")
}

// room makes a room on server 0 and returns when all others have joined it. The clock starts with the joins.
func (j *joined) room() string {
	j.b.Helper()
	room, err := j.talk.Create(j.b.Context(), talk.NewRoom{Creator: 0})
	if err != nil {
		j.b.Fatal(err)
	}
	var others []int
	for id := 1; id < j.servers; id++ {
		others = append(others, id)
	}
	j.began = time.Now()
	if _, err := j.talk.Join(room.ID, others); err != nil {
		j.b.Fatal(err)
	}
	nodetest.Eventually(j.b, j.patience, "all servers have joined", func() bool {
		now, err := j.talk.Room(room.ID)
		if err != nil {
			j.b.Fatal(err)
		}
		return !slices.ContainsFunc(now.Members, func(m talk.Member) bool {
			if m.State == talk.Failed {
				j.b.Fatalf("server %d did not join: %s", m.Server, m.Reason)
			}
			return m.State != talk.Joined
		})
	})
	return room.ID
}

// settle returns when every server has seen every join. It asks one server at a time, and the next one once that has:
// all of them at once, again and again, would be busier with answering than with the room.
func (j *joined) settle(room string) {
	j.b.Helper()
	for id := range j.servers {
		handler, _ := j.mesh.Client(id)
		client := &nodetest.Client{API: handler}
		if err := client.Login(j.b.Context(), node.AccountUser, node.AccountPassword); err != nil {
			j.b.Fatal(err)
		}
		nodetest.Eventually(j.b, j.patience, "every server has seen every join", func() bool {
			return client.Members(j.b, room) == j.servers
		})
	}
}

func (j *joined) send(room string, from int) string {
	j.b.Helper()
	event, err := j.talk.Send(j.b.Context(), room, from, "hello")
	if err != nil {
		j.b.Fatal(err)
	}
	return event
}

// late is by how much servers received an event later than the path's latency after its sender's client began to
// send it.
func (j *joined) late(received map[int]time.Time, from int, began time.Time) []time.Duration {
	j.b.Helper()
	var late []time.Duration
	for to, at := range received {
		path, ok := j.mesh.Path(from, to)
		if !ok {
			j.b.Fatalf("there is no path from server %d to %d", from, to)
		}
		late = append(late, at.Sub(began)-path.RTT/2)
	}
	return late
}

// receipts follows which servers receive which messages, and when, and counts what servers send each other.
type receipts struct {
	b        *testing.B
	patience time.Duration

	mu      sync.Mutex
	changed *sync.Cond
	events  map[string]map[int]time.Time // by event id and server
	sent    traffic
}

// traffic is what servers sent each other.
type traffic struct {
	events, transactions, failures int
	latest                         map[[2]int]string // transaction, by who sent it to whom
}

func (t *traffic) note(batch telemetry.Batch) {
	t.failures += len(batch.Failed)
	for _, group := range batch.Sent {
		t.events += len(group.To)
		for _, to := range group.To {
			if pair := [2]int{group.From, to.To}; t.latest[pair] != to.Txn {
				t.latest[pair] = to.Txn
				t.transactions++
			}
		}
	}
}

func (j *joined) watch() *receipts {
	r := &receipts{b: j.b, patience: j.patience, events: make(map[string]map[int]time.Time), sent: traffic{latest: make(map[[2]int]string)}}
	r.changed = sync.NewCond(&r.mu)
	subscription := j.hub.Subscribe()
	go func() {
		defer subscription.Close()
		for {
			batch, err := subscription.Next(j.b.Context())
			if err != nil {
				return
			}
			r.note(batch)
		}
	}()
	return r
}

func (r *receipts) note(batch telemetry.Batch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent.note(batch)
	for _, group := range batch.Received {
		if group.Event.Type != "m.room.message" {
			continue // nobody waits for it, and a crowd's joins take a lot of memory
		}
		at := r.events[group.Event.ID]
		if at == nil {
			at = make(map[int]time.Time)
			r.events[group.Event.ID] = at
		}
		for _, by := range group.By {
			at[by.To] = by.At
		}
	}
	r.changed.Broadcast()
}

// traffic returns the counts so far.
func (r *receipts) traffic() traffic {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sent
}

// wait returns when a message was received by so many servers.
func (r *receipts) wait(event string, servers int) map[int]time.Time {
	r.b.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	limit := time.AfterFunc(r.patience, r.changed.Broadcast)
	defer limit.Stop()
	for end := time.Now().Add(r.patience); len(r.events[event]) < servers; r.changed.Wait() {
		if time.Now().After(end) {
			r.b.Fatalf("after %v %d of %d servers have received event %s", r.patience, len(r.events[event]), servers, event)
		}
	}
	return maps.Clone(r.events[event])
}

// report reports quantiles of durations, in ms.
func report(b *testing.B, all []time.Duration) {
	slices.Sort(all)
	for _, q := range []struct {
		at   float64
		unit string
	}{{0.5, "p50-ms"}, {0.95, "p95-ms"}, {1, "max-ms"}} {
		at := min(int(q.at*float64(len(all))), len(all)-1)
		b.ReportMetric(float64(all[at])/float64(time.Millisecond), q.unit)
	}
}

// resident is the memory of this process that is in RAM, in MB of 10^6 bytes.
func resident(b *testing.B) float64 {
	b.Helper()
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(os.Getpid()), "status"))
	if err != nil {
		b.Skipf("the memory of a process can be read on Linux only: %v", err)
	}
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	kB, err := strconv.Atoi(strings.Fields(after)[0])
	if err != nil {
		b.Fatal(err)
	}
	return float64(kB) * 1024 / 1e6
}
