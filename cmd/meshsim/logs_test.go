package main

import "testing"

// What would do something to a terminal is shown as what it is.
func TestPrintableLines(t *testing.T) {
	for line, want := range map[string]string{
		"plain\twith a tab, ü and 雪": "plain\twith a tab, ü and 雪",
		"\x1b[2Jgone\a\x00":          `\x1b[2Jgone\a\x00`,
		"over\rwritten":              `over\rwritten`,
		"turned \u202e round":        `turned \u202e round`,
		"of eight bits \u009b2J":     `of eight bits \u009b2J`,
	} {
		if got := printable(line); got != want {
			t.Errorf("%q is shown as %q, want %q", line, got, want)
		}
	}
}
