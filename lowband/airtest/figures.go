package airtest

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Figures is a table of bytes in a document, against which tests hold what they measure. The last column is what is
// measured.
type Figures struct {
	t     testing.TB
	file  string
	lines []string
	wrong bool
}

// ReadFigures reads the table with a heading, such as "| step | aimed at | measured |". When the test ends and a figure was
// wrong, the table as it should be is printed.
func ReadFigures(t testing.TB, file, heading string) *Figures {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), heading+"\n")
	if !ok {
		t.Fatalf("%s has no table %q", file, heading)
	}
	table, _, _ := strings.Cut(rest, "\n\n")
	f := &Figures{t: t, file: file, lines: append([]string{heading}, strings.Split(table, "\n")...)}
	t.Cleanup(f.print)
	return f
}

var lastCell = regexp.MustCompile(`\| (\d+) \|$`)

// slack is how far a figure may be off, in bytes: keys and identifiers are random, and so is what deflating them saves.
func slack(figure int) int { return max(4, figure/100) }

// Measured compares what a step took with the table, in the row that begins with its name.
func (f *Figures) Measured(step string, bytes int) {
	f.t.Helper()
	for i, line := range f.lines {
		if !strings.HasPrefix(line, "| "+step+" |") {
			continue
		}
		cell := lastCell.FindStringSubmatch(line)
		if cell == nil {
			f.t.Errorf("%s: the last cell of %q is no number of bytes", f.file, line)
			return
		}
		want, _ := strconv.Atoi(cell[1]) // digits, and few
		if off := bytes - want; max(off, -off) > slack(want) {
			f.wrong = true
			f.t.Errorf("%s: %q takes %d bytes, the table says %d", f.file, step, bytes, want)
			f.lines[i] = lastCell.ReplaceAllString(line, fmt.Sprintf("| %d |", bytes))
		}
		return
	}
	f.t.Errorf("%s: no row begins with %q", f.file, step)
}

func (f *Figures) print() {
	if f.wrong {
		f.t.Logf("the table of %s with what was measured:\n%s", f.file, strings.Join(f.lines, "\n"))
	}
}
