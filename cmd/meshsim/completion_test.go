package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// asked is what bash does when somebody presses the tabulator after a line. What its package of completions adds and meshsim
// itself are stood in for.
const asked = `
_get_comp_words_by_ref() { words=("${COMP_WORDS[@]}"); cword=$COMP_CWORD; cur=${COMP_WORDS[COMP_CWORD]}; prev=${COMP_WORDS[COMP_CWORD-1]}; }
_filedir() { COMPREPLY=("files $1"); }
compopt() { :; }
meshsim() { cat "$ANSWER"; }
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
COMP_LINE="$*"
COMP_POINT=${#COMP_LINE}
COMP_TYPE=9
__start_meshsim
printf '%s\n' "${COMPREPLY[@]}"
`

func TestBashCompletes(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("not tested, because bash is missing:", err)
	}
	script, err := meshsim(t.Context(), nil, "completion", "bash")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	for _, name := range []string{"pits.yaml", "pi.txt", ".pi.yml", "pies/inner.yml"} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		words []string
		want  string
	}{
		{[]string{"pin"}, "ping"},
		{[]string{"pi"}, "ping pies/ pits.yaml"},
		{[]string{"pies/"}, "pies/inner.yml"},
		{[]string{"pies/x"}, ""},
		{[]string{"pits.yaml", ""}, ""},
		{[]string{"none/"}, ""},
		{[]string{"serve", "p"}, "files yaml|yml|"},
		{[]string{"export", "--format", "g"}, "graphml"},
		{[]string{"--transport", "l"}, "lowband"},
	} {
		answer, err := meshsim(t.Context(), nil, append([]string{"__complete"}, c.words...)...)
		if err != nil {
			t.Fatal(err)
		}
		answer, _, _ = strings.Cut(answer, "Completion ended") // that goes to standard error
		bash := exec.CommandContext(t.Context(), "bash", append([]string{"-c", script + asked, "bash", "meshsim"}, c.words...)...)
		file := filepath.Join(t.TempDir(), "answer")
		if err := os.WriteFile(file, []byte(answer), 0o600); err != nil {
			t.Fatal(err)
		}
		bash.Env = append(os.Environ(), "ANSWER="+file)
		out, err := bash.CombinedOutput()
		if got := strings.Join(strings.Fields(string(out)), " "); err != nil || got != c.want {
			t.Errorf("meshsim %s: %v, offers %q, want %q", strings.Join(c.words, " "), err, got, c.want)
		}
	}
}

// Links are listed as far as a terminal has room.
func TestTableFitsTheTerminal(t *testing.T) {
	s := listed{}
	for i := range 9 {
		s.Links = append(s.Links, neighbour{Name: fmt.Sprint("hs", i), LatencyMS: 10, Cut: i == 1})
	}
	for room, want := range map[int]string{
		-5:  "hs0 10 ms, and 8 more",
		32:  "hs0 10 ms, hs1 cut, and 7 more",
		40:  "hs0 10 ms, hs1 cut, and 7 more",
		41:  "hs0 10 ms, hs1 cut, hs2 10 ms, and 6 more",
		999: "hs0 10 ms, hs1 cut, hs2 10 ms, hs3 10 ms, hs4 10 ms, hs5 10 ms, and 3 more",
	} {
		if got := s.neighbours(room); got != want {
			t.Errorf("in %d characters: %q, want %q", room, got, want)
		}
	}
	s.Links = s.Links[:2]
	if got := s.neighbours(18); got != "hs0 10 ms, hs1 cut" {
		t.Errorf("all that there are: %q", got)
	}
	if room := roomBeside([][]string{{"ID", "NAME"}, {"10", "a"}}, 80); room != 80-4-6 {
		t.Errorf("beside two columns there are %d", room)
	}
}
