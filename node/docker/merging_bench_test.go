//go:build linux && docker

package docker_test

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"meshsim/fabric"
	"meshsim/node/docker"
	"meshsim/node/nodetest"
)

var servers = flag.Int("servers", 6, "how many servers a benchmark starts")

// BenchmarkMerging measures the anonymous memory of idle servers, each counted with its share of what it shares, without
// merging and with it, and what merging saves of it.
func BenchmarkMerging(b *testing.B) {
	for b.Loop() {
		without := anonymousMemory(b, nil)
		merging, err := docker.NewMerging()
		if err != nil {
			b.Skipf("not measured, because: %v", err)
		}
		with := anonymousMemory(b, merging)
		b.ReportMetric(without/1e6, "MB/server-without")
		b.ReportMetric(with/1e6, "MB/server-with")
		b.ReportMetric((without-with)/1e6, "MB/server-saved")
	}
}

// anonymousMemory starts servers and returns the mean of what they take, in bytes.
func anonymousMemory(b *testing.B, merging *docker.Merging) float64 {
	b.Helper()
	m := nodetest.NewMesh(b, fabric.RealClock(), 1)
	cfg := config(b, m, discard{})
	cfg.Merging = merging
	d := driver(b, cfg)
	defer d.Close()
	names := startSome(b, m, d, *servers)
	if merging != nil {
		awaitScans(b)
	}
	var sum int64
	for _, name := range names {
		sum += shareOfMemory(b, name)
	}
	return float64(sum) / float64(*servers)
}

// awaitScans waits until the kernel has looked at all memory a few times: pages that change between two looks stay alone,
// and some are skipped (smart_scan).
func awaitScans(b *testing.B) {
	b.Helper()
	scans := func() int {
		text, err := os.ReadFile("/sys/kernel/mm/ksm/full_scans")
		if err != nil {
			b.Fatal(err)
		}
		n, _ := strconv.Atoi(strings.TrimSpace(string(text)))
		return n
	}
	enough := scans() + 12
	nodetest.Eventually(b, 10*time.Minute, "the kernel has looked at all memory", func() bool { return scans() >= enough })
}

// shareOfMemory is a server's share of anonymous memory, in bytes (proc_pid_smaps(5), Pss_Anon).
func shareOfMemory(b *testing.B, server string) int64 {
	b.Helper()
	out, err := exec.Command("docker", "ps", "--quiet", "--filter", "label=org.meshsim.server="+server).Output()
	if err != nil {
		b.Fatal(err)
	}
	pid, err := exec.Command("docker", "inspect", "--format", "{{.State.Pid}}", strings.TrimSpace(string(out))).Output()
	if err != nil {
		b.Fatal(err)
	}
	text, err := os.ReadFile("/proc/" + string(bytes.TrimSpace(pid)) + "/smaps_rollup")
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "Pss_Anon:"); ok {
			kilobytes, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kilobytes << 10
		}
	}
	b.Fatalf("the kernel does not say what %s takes: %s", server, text)
	return 0
}
