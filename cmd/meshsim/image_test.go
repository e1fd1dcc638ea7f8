//go:build linux && docker

package main

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"meshsim/api"
	"meshsim/node/nodetest"
)

// succeed runs a command and returns what it printed.
func succeed(t *testing.T, command *exec.Cmd) string {
	t.Helper()
	var complaints bytes.Buffer
	command.Stderr = &complaints
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", command.Args, err, &complaints)
	}
	return strings.TrimSpace(string(out))
}

// meshsim in a container serves the page and runs stock homeservers beside itself, started as the documents say: the commands
// are theirs, but for the terminal, the port and the image's name.
func TestInAContainer(t *testing.T) {
	wantsContainers(t)
	image := "meshsim-test-" + strings.ToLower(rand.Text()[:8])
	directory := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(directory, "meshsim"), ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	succeed(t, build)
	command := exec.Command("docker", "build", "--quiet", "--tag", image, "--file", "../../Dockerfile", directory)
	command.Env = append(os.Environ(), "DOCKER_BUILDKIT=0") // the engine of the tests has nothing newer
	succeed(t, command)
	t.Cleanup(func() { _ = exec.Command("docker", "rmi", "--force", image).Run() })

	privileged := documentedRun(t, "Dockerfile")
	if inReadme := documentedRun(t, "README.md"); inReadme != privileged {
		t.Errorf("the README says %q, the Dockerfile %q", inReadme, privileged)
	}
	for rights, documented := range map[string]string{"privileged": privileged, "narrow": documentedRun(t, "docs/presets.md")} {
		t.Run(rights, func(t *testing.T) {
			if strings.Contains(documented, "--privileged") != (rights == "privileged") {
				t.Fatalf("these are other rights: %s", documented)
			}
			p := runInContainer(t, image, documented)
			p.add("synapse", 0)
			p.add("embedded", 10)
			p.talk(p.room(0, 2), 2)
			if out, err := p.remotely("exec", "hs0", "ping", "-c", "1", "hs1"); err != nil {
				t.Errorf("exec: %q, %v", out, err)
			}
			var running api.Version
			p.do("GET", "/api/v1/version", "", &running)
			p.end()
			owners := succeed(t, exec.Command("docker", "ps", "--all", "--format", `{{.Label "org.meshsim.owner"}}`))
			if strings.Contains("\n"+owners, fmt.Sprintf("\n%d-", running.PID)) {
				t.Errorf("containers of process %d were left behind: %s", running.PID, owners)
			}
		})
	}
}

var (
	runLine   = regexp.MustCompile(`(?m)^[# ]+(docker run --rm -it (?:.*\\\n)*.* meshsim)$`)
	continued = regexp.MustCompile(`\s*\\\n[# ]*`)
)

// documentedRun is the one command of a document that runs meshsim's image.
func documentedRun(t *testing.T, document string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../..", document))
	if err != nil {
		t.Fatal(err)
	}
	found := runLine.FindAllSubmatch(text, -1)
	if len(found) != 1 {
		t.Fatalf("%s has %d commands that run the image, want 1", document, len(found))
	}
	return continued.ReplaceAllString(string(found[0][1]), " ")
}

// runInContainer does what a document says, with Synapse as the default kind, and waits until meshsim says where it is.
func runInContainer(t *testing.T, image, documented string) *program {
	t.Helper()
	name := image + "-" + strings.ToLower(rand.Text()[:4])
	p := &program{t: t, addr: freeAddress(t)}
	arguments := strings.Fields(documented)[1:]
	replace := func(old string, by ...string) {
		i := slices.Index(arguments, old)
		if i < 0 {
			t.Fatalf("%q is not in: %s", old, documented)
		}
		arguments = slices.Replace(arguments, i, i+1, by...)
	}
	replace("-it", "--detach", "--name", name)
	replace("127.0.0.1:3000:3000", p.addr+":3000")
	replace("meshsim", image, "--homeserver", "synapse")
	succeed(t, exec.Command("docker", arguments...))
	t.Cleanup(func() { _ = exec.Command("docker", "rm", "--force", name).Run() })
	p.stop = func() { succeed(t, exec.Command("docker", "stop", "--time", "30", name)) }
	nodetest.Eventually(t, containerPatience, "meshsim says where it is", func() bool {
		_, said, found := strings.Cut(succeed(t, exec.Command("docker", "logs", name)), "meshsim is at http://localhost:3000/?token=")
		p.token, _, _ = strings.Cut(said, " ")
		return found
	})
	return p
}

// freeAddress is an address on loopback at which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
