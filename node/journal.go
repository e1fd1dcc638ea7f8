package node

import (
	"context"
	"strings"
	"sync"
)

// Journal keeps the last lines that a server has written, for servers that have no process whose output somebody else
// keeps. It is safe for concurrent use. Readers cost nothing while nothing is written, and are never waited for.
type Journal struct {
	mu    sync.Mutex // guards what follows
	lines []string   // a ring
	next  uint64     // number of the line that will be written next
	wake  chan struct{}
	ended bool
}

// NewJournal makes a journal that keeps so many lines.
func NewJournal(keep int) *Journal {
	return &Journal{lines: make([]string, 0, keep), wake: make(chan struct{})}
}

// Write appends a line, cut at MaxLogLine.
func (j *Journal) Write(line string) {
	if len(line) > MaxLogLine {
		line = strings.ToValidUTF8(line[:MaxLogLine], "")
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.lines) < cap(j.lines) {
		j.lines = append(j.lines, line)
	} else {
		j.lines[j.next%uint64(len(j.lines))] = line
	}
	j.next++
	j.wakeLocked()
}

// End makes readers that follow return.
func (j *Journal) End() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ended = true
	j.wakeLocked()
}

// Begin undoes End, for a server that runs again.
func (j *Journal) Begin() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ended = false
}

func (j *Journal) wakeLocked() {
	close(j.wake)
	j.wake = make(chan struct{})
}

// Read does what LogReader.ReadLog does. A reader that falls so far behind that lines were overwritten misses them.
func (j *Journal) Read(ctx context.Context, lines int, follow bool, each func(line string) error) error {
	j.mu.Lock()
	from := j.next - min(uint64(max(lines, 0)), uint64(len(j.lines)))
	j.mu.Unlock()
	for {
		batch, next, wake, ended := j.since(from)
		for _, line := range batch {
			if err := each(line); err != nil {
				return err
			}
		}
		from = next
		if !follow || ended {
			return nil
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return nil
		}
	}
}

// since copies the lines from a number on, as far as they are kept.
func (j *Journal) since(from uint64) (lines []string, next uint64, wake <-chan struct{}, ended bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for n := max(from, j.next-uint64(len(j.lines))); n < j.next; n++ {
		lines = append(lines, j.lines[n%uint64(cap(j.lines))])
	}
	return lines, j.next, j.wake, j.ended
}
