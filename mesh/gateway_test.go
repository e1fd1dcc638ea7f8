package mesh

import (
	"testing"

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
