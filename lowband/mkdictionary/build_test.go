package main

import (
	"bytes"
	"path/filepath"
	"testing"
)

func TestWhatRecursMostStandsAtTheEnd(t *testing.T) {
	samples := [][]byte{[]byte("x always"), []byte("y always"), []byte("z always")}
	if got, want := string(build(samples, 100)), " always"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := string(build(samples, 5)), "lways"; got != want {
		t.Errorf("cut to five bytes: got %q, want %q", got, want)
	}
}

// TestTheSamplesAreRead: every file of samples is a list of bodies, and the dictionary is the same each time.
func TestTheSamplesAreRead(t *testing.T) {
	files, err := filepath.Glob("traffic/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	var samples [][]byte
	for _, name := range files {
		bodies, err := read(name, inShorthand)
		if err != nil {
			t.Fatal(err)
		}
		samples = append(samples, bodies...)
	}
	samples = samples[:min(5, len(samples))]
	if !bytes.Equal(build(samples, 200), build(samples, 200)) {
		t.Error("the dictionary depends on more than the samples")
	}
}
