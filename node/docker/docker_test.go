//go:build linux && docker

package docker_test

import (
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"meshsim/fabric"
	"meshsim/gateway"
	"meshsim/node/docker"
	"meshsim/node/nodetest"
	"meshsim/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long anything may take that a server does in its own time.
const patience = time.Minute

// config is that of a driver of Synapse on a mesh of its own. The test is skipped where there is no image: Debian
// cannot make one every day.
func config(t testing.TB, m *nodetest.Mesh, publisher telemetry.Publisher) docker.Config {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("containers of the mesh need root")
	}
	preset, err := docker.LoadPreset("synapse")
	if err != nil {
		t.Fatal(err)
	}
	ca, err := gateway.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	return docker.Config{Preset: preset, Fabric: m.Fabric, CA: ca, Rooms: gateway.NewRooms(), Publisher: publisher}
}

func driver(t testing.TB, cfg docker.Config) *docker.Driver {
	t.Helper()
	d, err := docker.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Check(t.Context()); err != nil {
		t.Skipf("not tested, because: %v", err)
	}
	return d
}

// discard takes what is published and forgets it.
type discard struct{}

func (discard) Publish(telemetry.Notification) {}

func TestConformance(t *testing.T) {
	nodetest.Run(t, func(t *testing.T) nodetest.Subject {
		m := nodetest.NewMesh(t, fabric.RealClock(), 1)
		return nodetest.Subject{Driver: driver(t, config(t, m, discard{})), Mesh: m, Patience: patience}
	})
}
