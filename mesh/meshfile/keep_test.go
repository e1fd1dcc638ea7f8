package meshfile

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"meshsim/fabric"
	"meshsim/gateway"
	"meshsim/mesh"
	"meshsim/node"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// instant starts servers that do nothing.
type instant struct{}

func (instant) Kind() string                            { return "instant" }
func (instant) Forget(context.Context, node.Spec) error { return nil }
func (instant) Close() error                            { return nil }
func (instant) Add(int) error                           { return nil }
func (instant) Remove(int)                              {}
func (instant) Apply(fabric.Change) error               { return nil }
func (instant) Start(context.Context, node.Spec, node.Network) (node.Node, error) {
	return still{make(chan struct{})}, nil
}

type still struct{ done chan struct{} }

func (s still) Stop(context.Context) error { close(s.done); return nil }
func (s still) Done() <-chan struct{}      { return s.done }
func (s still) Err() error                 { return nil }
func (s still) Client() http.Handler       { return http.NotFoundHandler() }

// kept runs f with a mesh whose file is kept up to date, in virtual time, and then ends both.
func kept(t *testing.T, before string, f func(t *testing.T, m *mesh.Mesh, path string)) string {
	t.Helper()
	return keptWith(t, before, gateway.NewTransports, f)
}

// keptWith is kept with transports of one's own, which are told what the file says.
func keptWith(t *testing.T, before string, transports func(gateway.Choice) *gateway.Transports, f func(t *testing.T, m *mesh.Mesh, path string)) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mesh.yaml")
	if before != "" {
		if err := os.WriteFile(path, []byte(before), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		plan := decode(t, before)
		m, err := mesh.New(mesh.Config{
			Seed: plan.Seed, Settings: plan.Settings, Servers: plan.Servers, Pins: plan.Pins,
			Drivers: []node.Driver{instant{}}, Fabric: instant{}, Clients: instant{},
		})
		if err != nil {
			t.Fatal(err)
		}
		go m.Run(t.Context())
		ended := make(chan error)
		choice := transports(plan.Transport.OrDefault().Choice)
		go func() { ended <- Keep(t.Context(), m, choice, path, slog.New(slog.DiscardHandler)) }()
		f(t, m, path)
		m.Close()
		if err := <-ended; err != nil {
			t.Errorf("Keep: %v", err)
		}
	})
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestKeepWritesChangesTogether(t *testing.T) {
	kept(t, "", func(t *testing.T, m *mesh.Mesh, path string) {
		for i := range 10 {
			if _, err := m.Add(t.Context(), mesh.AddServer{X: float64(i)}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(3 * saveInterval)
		synctest.Wait()
		p, err := Load(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(PlanOf(m.Snapshot(), Transport{}.OrDefault()), p); diff != "" || len(p.Servers) != 10 {
			t.Errorf("%d servers: %s", len(p.Servers), diff)
		}
	})
}

func TestKeepWritesTheLastChange(t *testing.T) {
	text := kept(t, "", func(t *testing.T, m *mesh.Mesh, _ string) {
		time.Sleep(3 * saveInterval)
		for range 2 {
			if _, err := m.Add(t.Context(), mesh.AddServer{}); err != nil {
				t.Fatal(err)
			}
		}
		if err := m.Remove(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
	})
	p := decode(t, text)
	if len(p.Servers) != 1 || p.Servers[0].ID != 1 {
		t.Errorf("servers: %+v", p.Servers)
	}
}

func TestKeepLeavesAFileThatIsRightAlone(t *testing.T) {
	const before = "# mine\nseed: 5\nservers:\n  - at: [1, 2]\n"
	text := kept(t, before, func(*testing.T, *mesh.Mesh, string) { time.Sleep(time.Minute) })
	if text != before {
		t.Errorf("the file became\n%s", text)
	}
}

// TestKeepWritesTheTransport: what was chosen at the start, if the file says otherwise, and what is chosen later.
func TestKeepWritesTheTransport(t *testing.T) {
	const before = "# mine\nseed: 5\nsettings:\n  transport: auto\n  lowband_below: 20kbit\n"
	if text := kept(t, before, func(*testing.T, *mesh.Mesh, string) { time.Sleep(time.Minute) }); text != before {
		t.Errorf("the file became\n%s", text)
	}
	var running *gateway.Transports
	keptWith(t, before, func(gateway.Choice) *gateway.Transports {
		running = gateway.NewTransports(gateway.AlwaysLowband)
		return running
	}, func(t *testing.T, m *mesh.Mesh, path string) {
		says := func(want Transport) {
			t.Helper()
			time.Sleep(3 * saveInterval)
			synctest.Wait()
			if p, err := Load(path); err != nil || p.Transport != want {
				t.Errorf("the file says %+v, %v", p.Transport, err)
			}
		}
		says(Transport{Choice: gateway.AlwaysLowband, Below: gateway.DefaultSlow})
		if err := running.SetBelow(9600); err != nil {
			t.Error(err)
		}
		running.Set(gateway.Automatic)
		says(Transport{Choice: gateway.Automatic, Below: 9600})
		if _, err := m.Add(t.Context(), mesh.AddServer{}); err != nil {
			t.Error(err)
		}
		running.Set(gateway.AlwaysHTTPS)
		says(Transport{Choice: gateway.AlwaysHTTPS, Below: 9600})
	})
}

func TestKeepTriesAgain(t *testing.T) {
	kept(t, "", func(t *testing.T, m *mesh.Mesh, path string) {
		time.Sleep(2 * saveInterval)
		dir := filepath.Dir(path)
		if err := os.Rename(dir, dir+"-away"); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Add(t.Context(), mesh.AddServer{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * saveInterval)
		if err := os.Rename(dir+"-away", dir); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * saveInterval)
		synctest.Wait()
		if p, err := Load(path); err != nil || len(p.Servers) != 1 {
			t.Errorf("got %+v %v", p, err)
		}
	})
}

func TestKeepLosesNoEdit(t *testing.T) {
	const edit = "seed: 7\n# somebody's own words\n"
	kept(t, "seed: 7\n", func(t *testing.T, m *mesh.Mesh, path string) {
		synctest.Wait() // Keep has looked at the file
		if err := os.WriteFile(path, []byte(edit), 0o644); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time nobody else has written
			if _, err := m.Add(t.Context(), mesh.AddServer{}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(3 * saveInterval)
			synctest.Wait()
		}
		asides, err := filepath.Glob(path + ".edited-*")
		if err != nil || len(asides) != 1 {
			t.Fatalf("the edit is in %q, %v", asides, err)
		}
		if data, err := os.ReadFile(asides[0]); err != nil || string(data) != edit {
			t.Errorf("the edit is kept as %q, %v", data, err)
		}
		if p, err := Load(path); err != nil || len(p.Servers) != 2 {
			t.Errorf("the file has %d servers, %v", len(p.Servers), err)
		}
	})
}

func TestOnlyRegularFilesAreMeshFiles(t *testing.T) {
	for _, path := range []string{os.DevNull, t.TempDir()} {
		if _, err := Load(path); err == nil {
			t.Errorf("%s was loaded", path)
		}
	}
}
