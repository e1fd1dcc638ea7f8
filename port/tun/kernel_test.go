//go:build linux

package tun_test

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"

	"meshsim/port/tun"
)

// kernelChain makes namespaces in a row, linked by veth pairs with HTB on both ends, in which the kernel forwards. It
// returns both ends and the far one's address.
func kernelChain(b *testing.B, hops int) (from, to *tun.Namespace, at netip.Addr) {
	b.Helper()
	chain := make([]*tun.Namespace, hops+1)
	pids := make([]int, hops+1)
	for i := range chain {
		chain[i], pids[i] = heldNamespace(b)
	}
	run := func(i int, line string, args ...any) {
		b.Helper()
		command := []string{"--target", fmt.Sprint(pids[i]), "--net"}
		out, err := exec.Command("nsenter", append(command, strings.Fields(fmt.Sprintf(line, args...))...)...).CombinedOutput()
		if err != nil {
			b.Skipf("this machine cannot make the kernel's network: %s: %v: %s", fmt.Sprintf(line, args...), err, out)
		}
	}
	for i := range hops { // link i is between i (right) and i+1 (left)
		run(i, "ip link add right type veth peer name left netns %d", pids[i+1])
		for side, where := range map[string]int{"right": i, "left": i + 1} {
			run(where, "ip address add 10.200.%d.%d/24 dev %s", i, 1+where-i, side)
			run(where, "ip link set %s up", side)
			run(where, "tc qdisc add dev %s root handle 1: htb default 1", side)
			run(where, "tc class add dev %s parent 1: classid 1:1 htb rate 100gbit quantum 60000", side)
		}
	}
	for i := range chain {
		if i < hops {
			run(i, "ip route replace 10.200.%d.2/32 via 10.200.%d.2", hops-1, i)
		}
		if i > 0 {
			run(i, "ip route replace 10.200.0.1/32 via 10.200.%d.1", i-1)
		}
		err := chain[i].Do(func() error { return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0) })
		if err != nil {
			b.Fatal(err)
		}
	}
	return chain[0], chain[hops], netip.MustParseAddr(fmt.Sprintf("10.200.%d.2", hops-1))
}
