//go:build linux

package docker

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
)

// owner names a process of this machine for good: process ids are used again, start times are not.
type owner string

// self is this process.
var self = sync.OnceValue(func() owner { return ownerOf(os.Getpid()) })

// ownerOf names the process that has an id now; it is empty where there is none, or only its status waits to be asked
// for.
func ownerOf(pid int) owner {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The second field is the command in parentheses and may contain anything (proc_pid_stat(5)).
	const state, startTime = 0, 22 - 3 // of the fields after it, where the third is the first
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) <= startTime || strings.ContainsAny(string(fields[state]), "ZX") {
		return ""
	}
	return owner(fmt.Sprintf("%d-%s", pid, fields[startTime]))
}

// process is the process's id, 0 where none is named.
func (o owner) process() int {
	text, _, _ := strings.Cut(string(o), "-")
	pid, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return pid
}

// alive tells whether the process still runs.
func (o owner) alive() bool {
	pid := o.process()
	return pid > 0 && ownerOf(pid) == o
}
