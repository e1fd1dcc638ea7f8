package meshfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"meshsim/gateway"
	"meshsim/link"
	"meshsim/mesh"
	"meshsim/topo"
)

func decode(t *testing.T, text string) Plan {
	t.Helper()
	p, err := Decode([]byte(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return p
}

func TestWhatPeopleWrite(t *testing.T) {
	p := decode(t, `
seed: 7
settings:
  bandwidth: 250kbit
  max_latency: 1.5s
  min_bandwidth: none
  jitter: 2.5%
  packet_loss: 1
  client_bandwidth: unlimited
  transport: auto
  lowband_below: 9600
servers:
  - at: [120, 562]
  - {id: 3, kind: embedded, at: [-1.5, 0]}
  - name: alice
links:
  - {a: alice, b: hs0, a_to_b: {latency: 20ms}, cut: true}
  - a: hs0
    b: hs3
    both:
      bandwidth: 9600
      burst: {p: 1%, r: 20%, loss_bad: 100%}
      jitter_distribution: pareto
      mtu: 1280
`)
	want := Plan{Seed: 7, Settings: topo.Defaults(), Servers: []mesh.Planned{
		{ID: 0, Name: "hs0", X: 120, Y: 562}, {ID: 3, Name: "hs3", Kind: "embedded", X: -1.5}, {ID: 4, Name: "alice"},
	}}
	want.Settings.Bandwidth, want.Settings.MaxLatency = 250_000, 1500*time.Millisecond
	want.Settings.Jitter, want.Settings.Loss, want.Settings.ClientBandwidth = 2.5, 1, link.Unlimited
	both := topo.Pin{
		Bandwidth: new(link.BitRate(9600)), Burst: &link.GilbertElliott{P: 0.01, R: 0.2, LossBad: 1},
		JitterDistribution: new(link.Pareto), MTU: new(1280),
	}
	want.Pins = map[topo.Pair]topo.LinkPins{
		{A: 0, B: 4}: {BA: topo.Pin{Latency: new(20 * time.Millisecond)}, Cut: true},
		{A: 0, B: 3}: {AB: both, BA: both},
	}
	want.Transport = Transport{Choice: gateway.Automatic, Below: 9600}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsLeftOutHasDefaults(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "seed: 0\n", "{}\n"} {
		p := decode(t, text)
		if p.Settings != topo.Defaults() || p.Transport != (Transport{}) || len(p.Servers) > 0 || len(p.Pins) > 0 {
			t.Errorf("%q: %+v", text, p)
		}
	}
}

func TestErrorsNameTheLine(t *testing.T) {
	for _, c := range []struct {
		name, text string
		line       int
		says       string
	}{
		{"unknown-field", "seed: 1\nsettings:\n  bandwith: 5kbit\n", 3, "no field bandwith"},
		{"unknown-field-of-a-server", "servers:\n  - {id: 0, colour: red}\n", 2, "no field colour"},
		{"unknown-pin", "servers: [{}, {}]\nlinks:\n  - a: hs0\n    b: hs1\n    both: {speed: 1}\n", 5, "no field speed"},
		{"syntax", "seed: 1\nservers: a: b\n", 2, "mapping values"},
		{"wrong-type", "seed: many\n", 1, "many"},
		{"negative-seed", "seed: -1\n", 1, "-1"},
		{"zero-bandwidth", "settings:\n  bandwidth: 0\n", 2, "unlimited"},
		{"duration-without-unit", "settings:\n\n  max_latency: 300\n", 3, "20ms"},
		{"negative-duration", "settings:\n  max_latency: -3ms\n", 2, "more than 0"},
		{"percent", "settings:\n  jitter: lots\n", 2, "2.5%"},
		{"percent-nan", "settings:\n  jitter: .nan\n", 2, "2.5%"},
		{"percent-too-much", "settings:\n  jitter: 101%\n", 2, "0 to 100"},
		{"list-for-a-value", "settings:\n  jitter: [1]\n", 2, "single value"},
		{"unlimited-minimum", "settings:\n  min_bandwidth: unlimited\n", 2, "none"},
		{"cost", "settings:\n  cost_function: cheap\n", 2, "cost_min_latency"},
		{"transport", "settings:\n  jitter: 1%\n  transport: fast\n", 3, "https, lowband or auto"},
		{"transport-empty", "settings:\n  transport: \"\"\n", 2, "https, lowband or auto"},
		{"lowband-below", "settings:\n  lowband_below: unlimited\n", 2, "choose lowband"},
		{"lowband-below-least", "settings:\n  lowband_below: 100bit\n", 2, "more than"},
		{"id-twice", "servers:\n  - id: 1\n  - id: 1\n", 3, "count up"},
		{"id-negative", "servers:\n  - id: -1\n", 2, "count up"},
		{"id-far-off", "servers:\n  - id: 8000000\n", 2, "count up"},
		{"name", "servers:\n  - id: 1\n    name: Bob\n", 3, "Bob"},
		{"name-of-another", "servers:\n  - id: 1\n    name: hs2\n", 3, "hs2"},
		{"name-twice", "servers:\n  - name: a\n  - name: a\n", 3, "taken"},
		{"position", "servers:\n  - at: [.inf, 0]\n", 2, "pixels"},
		{"position-of-three", "servers:\n  - at: [1, 2, 3]\n", 2, "two numbers"},
		{"end-unknown", "servers: [{}]\nlinks:\n  - a: hs0\n    b: hs9\n", 4, "hs9"},
		{"both-ends", "servers: [{}]\nlinks:\n  - a: hs0\n    b: hs0\n", 4, "two servers"},
		{"both-and-one", "servers: [{}, {}]\nlinks:\n  - {a: hs0, b: hs1, both: {mtu: 1000}, a_to_b: {mtu: 1000}}\n", 3, "either"},
		{"link-twice", "servers: [{}, {}]\nlinks:\n  - {a: hs0, b: hs1}\n  - {a: hs1, b: hs0}\n", 4, "twice"},
		{"pin", "servers: [{}, {}]\nlinks:\n  - a: hs1\n    b: hs0\n    b_to_a:\n      mtu: 5\n", 6, "68"},
		{"burst", "servers: [{}, {}]\nlinks:\n  - a: hs1\n    b: hs0\n    both:\n      burst:\n        p: 200%\n", 7, "burst p"},
		{"second-document", "seed: 1\n---\nseed: 2\n", 0, "second document"},
		{"duplicate-key", "seed: 1\nseed: 2\n", 2, "seed"},
		{"not-a-mapping", "- 1\n", 1, "fields"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Decode([]byte(c.text))
			e, ok := errors.AsType[*Error](err)
			if !ok {
				t.Fatalf("got %v, want an Error", err)
			}
			if e.Line != c.line || !strings.Contains(e.Message, c.says) || strings.Contains(e.Message, "meshfile.") {
				t.Errorf("got %q (line %d), want line %d and %q", e.Message, e.Line, c.line, c.says)
			}
		})
	}
}

// sample is a plan that uses everything.
func sample() Plan {
	s := topo.Defaults()
	s.MinBandwidth, s.Jitter, s.Bandwidth, s.Cost = 1234, 0.1, link.Unlimited, topo.MaxBandwidth
	pin := topo.Pin{
		Latency: new(40 * time.Millisecond), Bandwidth: new(link.BitRate(9600)), Jitter: new(topo.Percent(50)), Loss: new(topo.Percent(0.3)),
		JitterDistribution: new(link.ParetoNormal), JitterCorrelation: new(topo.Percent(5)),
		Burst: &link.GilbertElliott{P: 0.07, R: 0.29, LossGood: 0.001, LossBad: 1}, Duplicate: new(topo.Percent(2)),
		Reorder: new(topo.Percent(3)), Corrupt: new(topo.Percent(4)), Queue: new(20_000), Overhead: new(0), MTU: new(1280),
	}
	return Plan{
		Seed: 1<<64 - 1, Settings: s,
		Servers: []mesh.Planned{{ID: 0, Name: "hs0", Kind: "embedded", X: 0.1, Y: -1e6}, {ID: 12, Name: "on", Kind: "no"}, {ID: 20, Name: "123"}},
		Pins: map[topo.Pair]topo.LinkPins{
			{A: 0, B: 12}: {AB: pin, BA: pin}, {A: 0, B: 20}: {BA: pin, Cut: true}, {A: 12, B: 20}: {Cut: true},
		},
		Transport: Transport{Choice: gateway.AlwaysLowband, Below: 1200},
	}
}

func TestReadingWhatWasWritten(t *testing.T) {
	p := sample()
	text := Encode(p)
	if diff := cmp.Diff(p, decode(t, string(text))); diff != "" {
		t.Errorf("%s\nin\n%s", diff, text)
	}
	if again := Encode(decode(t, string(text))); string(again) != string(text) {
		t.Errorf("written again it is\n%s\nand not\n%s", again, text)
	}
}

func TestFormatIsForPeople(t *testing.T) {
	s := topo.Defaults()
	text := string(Encode(Plan{Seed: 7, Settings: s, Servers: []mesh.Planned{{ID: 0, Kind: "embedded", X: 120, Y: 562}, {ID: 1, X: 1}},
		Pins: map[topo.Pair]topo.LinkPins{{A: 0, B: 1}: {AB: topo.Pin{Latency: new(20 * time.Millisecond)}}}}))
	for _, line := range []string{
		"seed: 7\n", "  bandwidth: 512kbit\n", "  max_latency: 300ms\n", "  min_bandwidth: none\n", "  latency_scale: 100%\n",
		"  - {id: 0, name: hs0, kind: embedded, at: [120, 562]}\n", "  - a: hs0\n    b: hs1\n    a_to_b: {latency: 20ms}\n",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("%q is not in\n%s", line, text)
		}
	}
}

func TestSaveAndLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mesh.yaml")
	if _, err := Load(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("loading what is not there: %v", err)
	}
	if err := os.WriteFile(path, []byte("seed: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Save(path, sample()); err != nil {
		t.Fatal(err)
	}
	p, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sample(), p, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	entries, _ := os.ReadDir(filepath.Dir(path))
	info, _ := os.Stat(path)
	if len(entries) != 1 || info.Mode().Perm() != 0o600 {
		t.Errorf("left: %v, mode %v", entries, info.Mode())
	}
	if err := os.WriteFile(path, []byte("a: [\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "mesh.yaml: line ") {
		t.Errorf("loading rubbish: %v", err)
	}
}

func TestSaveFollowsSymbolicLinks(t *testing.T) {
	dir := t.TempDir()
	real, alias := filepath.Join(dir, "real.yaml"), filepath.Join(dir, "alias.yaml")
	if err := errors.Join(os.WriteFile(real, nil, 0o644), os.Symlink(real, alias)); err != nil {
		t.Skip(err)
	}
	if err := Save(alias, sample()); err != nil {
		t.Fatal(err)
	}
	if p, err := Load(real); err != nil || p.Seed != sample().Seed {
		t.Errorf("the file behind the link: %v %v", p, err)
	}
}

func TestSaveWhereNothingCanBeWritten(t *testing.T) {
	if err := Save(filepath.Join(t.TempDir(), "missing", "mesh.yaml"), sample()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(Encode(sample()))
	f.Add([]byte("seed: 1\nservers:\n  - at: [1, 2]\n"))
	f.Add([]byte("settings: &a {jitter: 1%}\nservers: *a\n"))
	f.Add([]byte("links: [{a: hs0, b: hs1, both: {latency: 5ms}}]\nservers: [{}, {}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Decode(data)
		if err != nil {
			if _, ok := errors.AsType[*Error](err); !ok {
				t.Fatalf("got %T: %v", err, err)
			}
			return
		}
		text := Encode(p)
		again, err := Decode(text)
		if err != nil {
			t.Fatalf("%v in what was written:\n%s", err, text)
		}
		if string(Encode(again)) != string(text) {
			t.Fatalf("written twice, it differs:\n%s", text)
		}
	})
}
