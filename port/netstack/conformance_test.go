package netstack_test

import (
	"testing"

	"meshsim/fabric"
	"meshsim/port/netstack"
	"meshsim/port/porttest"
)

func TestConformance(t *testing.T) {
	porttest.Run(t, func(t *testing.T, f *fabric.Fabric, cfg fabric.NodeConfig) func() {
		s, err := netstack.New(netstack.Config{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Add(f, cfg); err != nil {
			t.Fatal(err)
		}
		return func() { s.Close() }
	})
}
