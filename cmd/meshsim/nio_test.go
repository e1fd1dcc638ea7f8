//go:build linux && docker

package main

import (
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"testing"

	"meshsim/api"
	"meshsim/node/nodetest"
)

// An ordinary client, Debian's python3-matrix-nio, logs in through the client link of a Synapse and of an embedded server,
// and users of both talk: encrypted messages, typing, receipts, media, joins by invite and by alias, what was said before,
// redactions and a topic, whoever made the room.
func TestNioOnSynapseAndEmbedded(t *testing.T) {
	const python = "/usr/bin/python3" // Debian's packages are for its own
	if out, err := exec.Command(python, "-c", "import nio, olm").CombinedOutput(); err != nil {
		t.Skipf("not tested, because python3-matrix-nio and python3-olm are missing (scripts/deps): %s", out)
	}
	ports := freePorts(t, 2)
	p := startWithContainers(t, "--client-ports", strconv.Itoa(ports))
	defer p.endContainers()
	p.add("synapse", 0)
	p.add("embedded", 20)
	var clients []string
	for id := range 2 {
		nodetest.Eventually(t, containerPatience, fmt.Sprintf("clients of server %d have a port", id), func() bool {
			var s api.Server
			p.do("GET", fmt.Sprintf("/api/v1/servers/%d", id), "", &s)
			return s.ClientPort == ports+id
		})
		clients = append(clients, fmt.Sprintf("http://127.0.0.1:%d", ports+id))
	}
	for _, maker := range []int{0, 1} {
		t.Run(fmt.Sprintf("room-of-hs%d", maker), func(t *testing.T) {
			script := "../../homeserver/clientapi/testdata/clients/nio_talk.py"
			talk := exec.CommandContext(t.Context(), "timeout", "300", python, script, clients[maker], clients[1-maker])
			if out, err := talk.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

// freePorts is the first of so many ports of loopback, one after the other, at which nobody listens.
func freePorts(t *testing.T, many int) int {
	t.Helper()
	for first := 27000; first < 60000; first += 10 {
		if portsAreFree(first, many) {
			return first
		}
	}
	t.Fatal("no ports are free")
	return 0
}

func portsAreFree(first, many int) bool {
	for port := first; port < first+many; port++ {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}
