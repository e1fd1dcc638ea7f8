package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var (
	codeSpan    = regexp.MustCompile("`[^`\n]+`")
	flagInText  = regexp.MustCompile(`(^|[\s` + "`" + `(|])--([a-z][a-z-]*[a-z])`)
	meshsimCall = regexp.MustCompile(`(?:^|[\s` + "`" + `;&|])(?:go run \./cmd/)?meshsim ([a-z][a-z-]+)`)
)

// Every command and flag that the documents speak of is there.
func TestDocumentsNameWhatIsThere(t *testing.T) {
	commands, flags := commandLine()
	checked := 0
	for _, document := range []string{"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/figures.md", "docs/presets.md", "docs/transport.md", "examples/README.md"} {
		text, err := os.ReadFile(filepath.Join("../..", document))
		if err != nil {
			t.Fatal(err)
		}
		for _, code := range codeOf(string(text)) {
			if strings.Contains(code, "docker ") || strings.Contains(code, "go test") {
				continue // flags of other programs; those of docker run that stand alone are added below
			}
			for _, found := range flagInText.FindAllStringSubmatch(code, -1) {
				checked++
				if !flags[found[2]] {
					t.Errorf("%s: %s has --%s, which is no flag", document, strings.TrimSpace(code), found[2])
				}
			}
			for _, found := range meshsimCall.FindAllStringSubmatch(code, -1) {
				checked++
				if !slices.Contains(commands, found[1]) && !strings.Contains(code, found[1]+".yaml") {
					t.Errorf("%s: %s has meshsim %s, which is no command", document, strings.TrimSpace(code), found[1])
				}
			}
		}
	}
	if checked < 50 {
		t.Errorf("only %d are found", checked)
	}
}

// codeOf are the spans of code in a document, and its lines that are code as a whole.
func codeOf(text string) []string {
	code := codeSpan.FindAllString(text, -1)
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "    ") {
			before, _, _ := strings.Cut(line, " # ")
			code = append(code, before)
		}
	}
	return code
}

// commandLine lists what meshsim understands.
func commandLine() (commands []string, flags map[string]bool) {
	flags = map[string]bool{"help": true}
	for _, docker := range []string{"cgroupns", "cap-add", "device", "mount", "name", "network", "pid", "privileged", "publish", "rm", "security-opt", "userns", "volume"} {
		flags[docker] = true
	}
	root := newRoot(func(string) string { return "" })
	root.InitDefaultCompletionCmd()
	for _, c := range append([]*cobra.Command{root}, root.Commands()...) {
		commands = append(commands, c.Name())
		c.Flags().VisitAll(func(f *pflag.Flag) { flags[f.Name] = true })
	}
	return commands, flags
}
