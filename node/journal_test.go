package node

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

func collect(to *[]string) func(string) error {
	return func(line string) error {
		*to = append(*to, line)
		return nil
	}
}

func TestJournalKeepsTheLast(t *testing.T) {
	j := NewJournal(3)
	for i := range 5 {
		j.Write(fmt.Sprint(i))
	}
	for lines, want := range map[int][]string{0: nil, 2: {"3", "4"}, 100: {"2", "3", "4"}} {
		var got []string
		if err := j.Read(t.Context(), lines, false, collect(&got)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the last %d lines: %s", lines, diff)
		}
	}
	broken := errors.New("broken")
	if err := j.Read(t.Context(), 1, true, func(string) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("a reader that fails: %v", err)
	}
	j.Write(strings.Repeat("x", 2*MaxLogLine))
	var long []string
	if err := j.Read(t.Context(), 1, false, collect(&long)); err != nil || len(long) != 1 || len(long[0]) != MaxLogLine {
		t.Errorf("a long line has %d bytes", len(long[0]))
	}
}

func TestJournalIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := NewJournal(2)
		j.Write("before")
		var got []string
		done := make(chan error)
		follow := func(ctx context.Context) {
			go func() { done <- j.Read(ctx, 10, true, collect(&got)) }()
			synctest.Wait()
		}
		ctx, cancel := context.WithCancel(t.Context())
		follow(ctx)
		j.Write("after")
		synctest.Wait()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		follow(t.Context())
		for i := range 4 { // more than are kept, before the reader looks again
			j.Write(fmt.Sprint(i))
		}
		synctest.Wait()
		j.End()
		if err := <-done; err != nil {
			t.Error(err)
		}
		want := []string{"before", "after", "before", "after"}
		if diff := cmp.Diff(want, got[:4]); diff != "" {
			t.Error(diff)
		}
		if last := got[len(got)-1]; last != "3" {
			t.Errorf("the last line seen is %q", last)
		}
		j.Begin()
		got = nil
		follow(t.Context())
		j.Write("again")
		j.End()
		if err := <-done; err != nil || got[len(got)-1] != "again" {
			t.Errorf("after it began again: %q, %v", got, err)
		}
	})
}
