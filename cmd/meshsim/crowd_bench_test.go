package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"syscall"
	"testing"
	"time"
)

// BenchmarkCrowd lets many servers join one room over federation, all at the same time through the same server, and
// then sends messages as the first of them. It reports how long the joins took and how long until all servers had seen
// all joins, in elapsed and in processor time, what the joins left in memory, and the processor time of a message to
// everybody over connections that are warm. The room has a thousand servers; the smaller ones show how the
// cost of one grows.
func BenchmarkCrowd(b *testing.B) {
	for _, servers := range []int{100, 200, 400, 1000} {
		b.Run(fmt.Sprintf("servers=%d", servers), func(b *testing.B) { benchmarkCrowd(b, servers) })
	}
}

func benchmarkCrowd(b *testing.B, servers int) {
	j := run(b, servers, 10)
	j.patience = 10 * time.Minute
	seen := j.watch()
	idle, used := heap(), processorTime(b)
	room := j.room()
	joined := time.Since(j.began)
	j.settle(room)
	settled, settling, peak, sent := time.Since(j.began), processorTime(b)-used, resident(b), seen.traffic()
	message := func() {
		seen.wait(j.send(room, 0), servers-1)
		time.Sleep(answered)
	}
	message() // opens the connections
	before, messages := processorTime(b), 0
	for b.Loop() {
		message()
		messages++
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(joined.Seconds(), "s-joined")
	b.ReportMetric(settled.Seconds(), "s-settled")
	b.ReportMetric(settling.Seconds(), "cpu-s-settled")
	b.ReportMetric(peak, "MB-settled")
	b.ReportMetric(float64(sent.events), "events-sent")
	b.ReportMetric(float64(sent.transactions), "transactions")
	b.ReportMetric(float64(sent.failures), "failures")
	b.ReportMetric((processorTime(b)-before).Seconds()/float64(messages), "cpu-s-message")
	b.ReportMetric(float64(heap()-idle)/float64(servers)/1000, "KB/server-warm")
	debug.FreeOSMemory()
	b.ReportMetric(resident(b), "MB-warm")
}

// processorTime is what this process has used of all processors.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Skipf("the processor time of a process cannot be read: %v", err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// heap is what this process holds in heap and stacks after a collection, in bytes.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc + stats.StackInuse)
}
