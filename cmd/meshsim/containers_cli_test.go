//go:build linux

package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"meshsim/node"
)

func TestWrongContainerFlagsAreOneClearLine(t *testing.T) {
	clashing := filepath.Join(t.TempDir(), "clashing.yaml")
	text := "name: synapse\nimages: [x]\ndata: /data\nclient_port: 8008\nfederation_port: 8008\nready: /\naccount: none\n"
	if err := os.WriteFile(clashing, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, c := range []struct{ args, says string }{
		{"--memory -1", "--memory and --cpus are limits: they must be 0 (none) or more"},
		{"--env X", `--env is "X": it must be KEY=VALUE`},
		{"--mount nothing", `--mount is "nothing": it must be HOST-PATH:CONTAINER-PATH or HOST-PATH:CONTAINER-PATH:ro, both from the root`},
		{"--mount ./src:/src:ro", `--mount is "./src:/src:ro": it must be HOST-PATH:CONTAINER-PATH or HOST-PATH:CONTAINER-PATH:ro, both from the root: write /`},
		{"--mount /etc:/:ro", `--mount is "/etc:/:ro": it must be`},
		{"--mount /etc:/x:rx", `--mount is "/etc:/x:rx": it must be`},
		{"--mount /nonexistent:/x", `--mount is "/nonexistent:/x": there is no /nonexistent on this machine: make it, or correct the path`},
		{"--homeserver conduit", `--homeserver is "conduit": it must be embedded or dendrite or synapse or tuwunel`},
		{"--gateway open", `--gateway is "open": it must be observed or pass-through, or use --no-gateway`},
		{"--gateway pass-through --no-gateway", "--gateway pass-through and --no-gateway contradict each other: leave one out"},
		{"--postgres localhost --listen " + taken.Addr().String(), "--postgres must be a URL like postgresql://USER:PASSWORD@HOST:5432/postgres"},
		{"--postgres postgresql://u:p@h:port/x", "--postgres is no URL of a Postgres, like postgresql://USER:PASSWORD@HOST:5432/postgres"},
		{"clean --postgres localhost", "--postgres must be a URL"},
		{"--preset /nonexistent.yaml", "--preset: there is no preset /nonexistent.yaml: name a YAML file, or a folder with preset.yaml in it"},
		{"--preset " + clashing, `has the name "synapse", which another kind of homeserver has: give it another with name`},
		{"--congestion-control nosuch", `--congestion-control: this kernel has no TCP congestion control "nosuch", only `},
	} {
		if strings.HasPrefix(c.args, "--congestion") && os.Getuid() != 0 {
			continue // only root can ask the kernel
		}
		out, err := meshsim(t.Context(), nil, strings.Fields(c.args)...)
		if err == nil || out != "" || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: printed %q and failed with %v, want one line with %q", c.args, out, err, c.says)
		}
	}
}

func TestContainerFlags(t *testing.T) {
	o := &options{}
	set := pflag.NewFlagSet("test", pflag.ContinueOnError)
	o.flags(set)
	args := []string{"--preset", "../../examples/preset.yaml", "--homeserver", "mine", "--no-gateway", "--memory", "300", "--congestion-control", "reno"}
	if err := set.Parse(args); err != nil {
		t.Fatal(err)
	}
	if err := o.complete(set, func(string) string { return "" }); err != nil {
		t.Fatal(err)
	}
	if c := o.containers; c.Gateway != node.NoGateway || c.Memory != 300<<20 || c.Congestion != "reno" || strings.Join(c.kinds(), " ") != "dendrite synapse tuwunel mine" {
		t.Errorf("options are %+v", c)
	}
}
