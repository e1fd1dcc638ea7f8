package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// unhurried is the environment of tests: any port, because the usual one may be taken, and time for servers to stop on
// the busiest machine.
var unhurried = map[string]string{envPrefix + "LISTEN": "127.0.0.1:0", envPrefix + "STOP_TIMEOUT": "2m"}

// meshsim runs the program until the context ends and returns what it printed.
func meshsim(ctx context.Context, env map[string]string, args ...string) (string, error) {
	var out bytes.Buffer
	command := newRoot(func(name string) string {
		if value, ok := env[name]; ok {
			return value
		}
		return unhurried[name]
	})
	command.SetArgs(args)
	command.SetOut(&out)
	command.SetErr(&out)
	err := command.ExecuteContext(ctx)
	return out.String(), err
}

func TestWrongCommandLinesAreOneClearLine(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	broken := filepath.Join(t.TempDir(), "broken.yaml")
	if err := os.WriteFile(broken, []byte("servers: 7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name string
		env  map[string]string
		args []string
		says string
	}{
		{"unknown-flag", nil, []string{"--nope"}, "unknown flag: --nope; see meshsim --help"},
		{"unknown-flag-of-serve", nil, []string{"serve", "--nope"}, "see meshsim serve --help"},
		{"no-command-and-no-file", nil, []string{"sevre"}, `"sevre"`},
		{"two-files", nil, []string{"a.yaml", "b.yaml"}, `not 2: ["a.yaml" "b.yaml"]`},
		{"broken-file", nil, []string{broken}, "broken.yaml: line 1"},
		{"directory-for-a-file", nil, []string{t.TempDir()}, "is a directory"},
		{"no-directory-for-a-new-file", nil, []string{filepath.Join(t.TempDir(), "missing", "new.yaml")}, "cannot be made"},
		{"listen-without-port", nil, []string{"--listen", "localhost"}, "e.g. 127.0.0.1:3000"},
		{"listen-port-out-of-range", nil, []string{"--listen", "localhost:70000"}, "65535"},
		{"listen-at-another-machine", nil, []string{"--listen", "192.0.2.1:0"}, "192.0.2.1:0"},
		{"listen-at-a-taken-port", nil, []string{"--listen", taken.Addr().String()}, "is taken by another program"},
		{"listen-at-a-taken-port-remedy", nil, []string{"--listen", taken.Addr().String()}, "--listen 127.0.0.1:3001"},
		{"client-ports-negative", nil, []string{"--client-ports", "-1"}, "0 (none)"},
		{"client-ports-out-of-range", nil, []string{"--client-ports", "65000"}, "64536"},
		{"client-ports-no-number", nil, []string{"--client-ports", "many"}, `--client-ports is "many": it must be a whole number`},
		{"stop-timeout-of-nothing", nil, []string{"--stop-timeout", "0s"}, "--stop-timeout is 0s: it must be more than 0, e.g. 10s"},
		{"keep-removed-less-than-nothing", nil, []string{"--keep-removed", "-1s"}, "--keep-removed is -1s: it must be 0 (delete at once) or more, e.g. 10m"},
		{"stop-timeout-no-duration", nil, []string{"--stop-timeout", "soon"}, `--stop-timeout is "soon": it must be a number with a unit, e.g. 10s`},
		{"log-level", nil, []string{"--log-level", "loud"}, "debug, info, warn or error"},
		{"seed-negative", nil, []string{"--seed", "-1"}, `--seed is "-1"`},
		{"environment", map[string]string{"MESHSIM_SEED": "x"}, nil, `MESHSIM_SEED: --seed is "x"`},
		{"environment-of-serve", map[string]string{"MESHSIM_LOG_LEVEL": "x"}, []string{"serve"}, `"x"`},
		{"transport", nil, []string{"--transport", "pigeon"}, `"pigeon"`},
		{"otlp-before-a-port-is-opened", nil, []string{"--otlp", "localhost:4318", "--listen", taken.Addr().String()},
			`--otlp: the collector's address is "localhost:4318"`},
		{"argument-of-version", nil, []string{"version", "7"}, `"7"`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			out, err := meshsim(t.Context(), c.env, c.args...)
			if err == nil || out != "" {
				t.Fatalf("printed %q and failed with %v", out, err)
			}
			if text := err.Error(); !strings.Contains(text, c.says) || strings.Contains(text, "\n") {
				t.Errorf("says %q, wanted one line with %q", text, c.says)
			}
		})
	}
}

func TestFlagsWinOverTheEnvironment(t *testing.T) {
	o := &options{}
	env := map[string]string{"MESHSIM_LISTEN": "127.0.0.1:1", "MESHSIM_CLIENT_PORTS": "5000", "MESHSIM_SEED": "9"}
	set := pflag.NewFlagSet("test", pflag.ContinueOnError)
	o.flags(set)
	if err := set.Parse([]string{"--listen", "127.0.0.1:2"}); err != nil {
		t.Fatal(err)
	}
	if err := o.complete(set, func(name string) string { return env[name] }); err != nil {
		t.Fatal(err)
	}
	if o.listen != "127.0.0.1:2" || o.clientPorts != 5000 || o.seed != 9 || !set.Changed("seed") {
		t.Errorf("options are %+v", o)
	}
}

func TestOtherCommands(t *testing.T) {
	for _, c := range []struct{ args, prints string }{
		{"version", "meshsim "},
		{"openapi", `"openapi": "3.1.0"`},
		{"--help", "MESHSIM_LISTEN"},
		{"serve --help", "MESHSIM_LISTEN"},
		{"__complete --log-level d", "debug"},
		{"__complete serve m", "yaml"},
		{"__complete --transport l", "lowband"},
		{"completion bash", "complete"},
		{"completion fish", "complete"},
	} {
		out, err := meshsim(t.Context(), nil, strings.Fields(c.args)...)
		if err != nil || !strings.Contains(out, c.prints) {
			t.Errorf("meshsim %s: %v, and not %q in %.200q", c.args, err, c.prints, out)
		}
	}
}
