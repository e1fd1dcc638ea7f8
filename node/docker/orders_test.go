//go:build linux

package docker

import (
	"strings"
	"testing"

	"meshsim/node"
	"meshsim/node/docker/enginetest"
)

// A server's container is asked for without a network, rights or ports of its own, and with bounds of its log and of its
// processes, in the newest version of the API that its engine speaks: that of Debian's, and a current one.
func TestContainersAreAskedForBare(t *testing.T) {
	for _, version := range []string{"1.41", "1.51"} {
		t.Run(version, func(t *testing.T) {
			running := make(chan struct{})
			e := &enginetest.Engine{APIVersion: version, Running: running}
			d, _ := standInDriver(t, e)
			n := launched(t, d)
			close(running)
			<-n.done
			orders := e.Orders()
			if len(orders) != 1 {
				t.Fatalf("%d containers were asked for, want 1", len(orders))
			}
			h := orders[0].HostConfig
			if h.NetworkMode != "none" || len(h.PortBindings) > 0 || h.PublishAllPorts || len(orders[0].ExposedPorts) > 0 {
				t.Errorf("it has network %q and ports %v", h.NetworkMode, h.PortBindings)
			}
			if h.Privileged || len(h.CapAdd) > 0 || len(h.Devices) > 0 || len(h.SecurityOpt) > 0 || h.PidMode != "" || h.IpcMode != "" || h.UsernsMode != "" {
				t.Errorf("it has rights beyond the engine's usual ones: %+v", h)
			}
			if l := h.LogConfig; l.Type != "json-file" || l.Config["max-size"] != "10m" || l.Config["max-file"] != "2" {
				t.Errorf("its log is %+v", l)
			}
			if h.PidsLimit == nil || *h.PidsLimit != 4096 {
				t.Errorf("its processes are bounded by %v", h.PidsLimit)
			}
		})
	}
}

// A preset may say itself that its homeserver ignores the proxy.
func TestPresetSaysThatItIgnoresTheProxy(t *testing.T) {
	d, _ := standInDriver(t, &enginetest.Engine{})
	d.cfg.Preset.IgnoresProxy = true
	n := launched(t, d)
	<-n.done
	if mode, unseen := n.Gateway(); mode != node.Observed || !strings.HasPrefix(unseen, "This server does not use the mesh's proxy") {
		t.Errorf("its gateway is %s: %q", mode, unseen)
	}
}
