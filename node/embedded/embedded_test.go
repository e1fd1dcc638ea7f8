package embedded_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"meshsim/fabric"
	"meshsim/gateway"
	"meshsim/homeserver"
	"meshsim/node/embedded"
	"meshsim/node/nodetest"
	"meshsim/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// silent is a publisher for tests that do not look.
type silent struct{}

func (silent) Publish(telemetry.Notification) {}

// passwords are shared by all tests, because hashing takes 50 ms.
var passwords = homeserver.NewPasswords()

func newSubject(t testing.TB, publisher telemetry.Publisher) nodetest.Subject {
	return newSubjectOn(t, publisher, fabric.TimerClock(), 1)
}

func newSubjectOn(t testing.TB, publisher telemetry.Publisher, clock fabric.Clock, seed uint64) nodetest.Subject {
	t.Helper()
	return newSubjectOver(t, publisher, clock, seed, nil)
}

func newSubjectOver(t testing.TB, publisher telemetry.Publisher, clock fabric.Clock, seed uint64, transports *gateway.Transports) nodetest.Subject {
	t.Helper()
	ca, err := gateway.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	mesh := nodetest.NewMesh(t, clock, seed)
	driver := embedded.New(embedded.Config{
		Fabric:     mesh.Fabric,
		CA:         ca,
		Rooms:      gateway.NewRooms(),
		Publisher:  publisher,
		Passwords:  passwords,
		Commons:    homeserver.NewCommons(),
		Transports: transports,
	})
	return nodetest.Subject{Driver: driver, Mesh: mesh, Patience: 10 * time.Second}
}

func TestConformance(t *testing.T) {
	nodetest.Run(t, func(t *testing.T) nodetest.Subject { return newSubject(t, silent{}) })
}
