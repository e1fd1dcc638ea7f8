package mesh

import (
	"testing"
	"testing/synctest"

	"meshsim/node"
)

// gatewayed is a node that says what its gateway sees.
type gatewayed struct{ node.Node }

func (gatewayed) Gateway() (node.GatewayMode, string) { return node.NoGateway, "Nothing is seen." }

func TestGatewayOfAServer(t *testing.T) {
	if mode, unseen := gatewayOf(gatewayed{}); mode != node.NoGateway || unseen != "Nothing is seen." {
		t.Errorf("%s, %q", mode, unseen)
	}
	if mode, unseen := gatewayOf(nil); mode != node.Observed || unseen != "" {
		t.Errorf("a server that says nothing: %s, %q", mode, unseen)
	}
}

// What turns out not to be seen while a server runs is said from then on, and the server is watched on.
func TestGatewayThatChanges(t *testing.T) {
	inBubble(t, nil, func(b *bed) {
		b.place(2, 10)
		before := b.Snapshot()
		close(b.driver.node(0).changed)
		synctest.Wait()
		after := b.Snapshot()
		if s := after.Servers[0]; before.Servers[0].Unseen != "" || s.Unseen != "Something is not seen." || s.Version != after.Version || after.Version == before.Version {
			t.Errorf("server: %+v in version %d", s, after.Version)
		}
		if s := after.Servers[1]; s.Unseen != "" {
			t.Errorf("another server: %+v", s)
		}
		b.driver.node(0).end(&node.StartError{Reason: "out of memory"})
		synctest.Wait()
		if s := b.Snapshot().Servers[0]; s.State != Failed {
			t.Errorf("a server that died is %s", s.State)
		}
	})
}
