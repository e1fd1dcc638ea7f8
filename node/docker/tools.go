//go:build linux

package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"meshsim/node"
	"meshsim/port/probe"
)

var (
	_ node.Killer    = (*running)(nil)
	_ node.LogReader = (*running)(nil)
	_ node.Meter     = (*running)(nil)
	_ node.ShellHost = (*running)(nil)
	_ node.Prober    = (*running)(nil)

	_ node.StartWatcher = (*Driver)(nil)
	_ node.LogKeeper    = (*Driver)(nil)
)

// Kill implements node.Killer.
func (n *running) Kill(ctx context.Context) error {
	e := n.driver.engine
	first := n.killed.CompareAndSwap(false, true) // before it ends
	_, err := e.api.ContainerKill(ctx, n.container, client.ContainerKillOptions{Signal: "KILL"})
	if err != nil && first {
		n.killed.Store(false)
	}
	if errdefs.IsConflict(err) || errdefs.IsNotFound(err) {
		return errors.New("it is not running") // it has just ended
	}
	return e.explain(err)
}

// ReadLog implements node.LogReader.
func (n *running) ReadLog(ctx context.Context, lines int, follow bool, each func(string) error) error {
	e := n.driver.engine
	logs, err := e.api.ContainerLogs(ctx, n.container, client.ContainerLogsOptions{
		ShowStdout: true, ShowStderr: true, Follow: follow, Tail: strconv.Itoa(lines),
	})
	if err != nil {
		return e.explain(err)
	}
	defer logs.Close()
	out, errs := &lineSplitter{each: each}, &lineSplitter{each: each}
	if _, err := stdcopy.StdCopy(out, errs, logs); err != nil && ctx.Err() == nil {
		return err
	}
	for _, s := range []*lineSplitter{out, errs} {
		if err := s.end(); err != nil {
			return err
		}
	}
	return nil
}

// StartingLog implements node.StartWatcher.
func (d *Driver) StartingLog(id int) (node.LogReader, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for n := range d.runs {
		if n.resident.spec.ID == id {
			return n, true
		}
	}
	return nil, false
}

// LastLog implements node.LogKeeper.
func (d *Driver) LastLog(id int) (node.LogReader, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.residents[id]
	if r == nil || len(r.log) == 0 {
		return nil, false
	}
	return node.LastWords(r.log), true
}

// lineSplitter makes lines of what is written. A line that grows too long is handed on cut.
type lineSplitter struct {
	each func(string) error
	open []byte // without a newline yet
}

func (s *lineSplitter) Write(p []byte) (int, error) {
	whole := len(p)
	for {
		line, rest, found := bytes.Cut(p, []byte("\n"))
		if room := node.MaxLogLine - len(s.open); len(line) > room {
			line = line[:max(0, room)]
		}
		s.open = append(s.open, line...)
		if !found {
			return whole, nil
		}
		if err := s.flush(); err != nil {
			return 0, err
		}
		p = rest
	}
}

func (s *lineSplitter) flush() error {
	line := strings.ToValidUTF8(strings.TrimSuffix(string(s.open), "\r"), "\uFFFD")
	s.open = s.open[:0]
	return s.each(line)
}

// end hands on a last line without a newline.
func (s *lineSplitter) end() error {
	if len(s.open) == 0 {
		return nil
	}
	return s.flush()
}

// Usage implements node.Meter.
func (n *running) Usage(ctx context.Context) (node.Usage, error) {
	e := n.driver.engine
	answer, err := e.api.ContainerStats(ctx, n.container, client.ContainerStatsOptions{})
	if err != nil {
		return node.Usage{}, e.explain(err)
	}
	defer answer.Body.Close()
	var stats container.StatsResponse
	if err := json.NewDecoder(answer.Body).Decode(&stats); err != nil {
		return node.Usage{}, fmt.Errorf("what the Docker engine says of the use of %s cannot be read: %w", n.resident.spec.Name, err)
	}
	u := usageOf(&stats, n.driver.cfg.Options.Memory)
	if n.driver.cfg.Merging != nil {
		u.Merged = merged(n.pid)
	}
	return u, nil
}

// usageOf reads the engine's figures. Those that its control groups do not give are zero.
func usageOf(stats *container.StatsResponse, limit int64) node.Usage {
	var u node.Usage
	var missing []string
	if stats.MemoryStats.Usage > 0 {
		memory := int64(stats.MemoryStats.Usage - min(stats.MemoryStats.Usage, inactiveFiles(stats.MemoryStats.Stats)))
		u.Memory = &memory
	} else {
		missing = append(missing, "memory")
	}
	if used := time.Duration(stats.CPUStats.CPUUsage.TotalUsage); used > 0 {
		u.CPU = &used
	} else {
		missing = append(missing, "processor time")
	}
	if limit > 0 {
		u.MemoryLimit = &limit
	}
	if len(missing) > 0 {
		u.Note = "the Docker engine does not tell the " + strings.Join(missing, " and the ") +
			" of containers here: this kernel lacks the control groups for it"
	}
	return u
}

// inactiveFiles is the page cache that the kernel would give back first, in control groups of version 1 and 2.
func inactiveFiles(stats map[string]uint64) uint64 {
	if n, ok := stats["total_inactive_file"]; ok {
		return n
	}
	return stats["inactive_file"]
}

// OpenICMP implements node.Prober.
func (n *running) OpenICMP(local netip.Addr) (probe.Conn, error) { return n.namespace.OpenICMP(local) }
