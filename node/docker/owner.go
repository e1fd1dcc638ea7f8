//go:build linux

package docker

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// owner names a process for good: process ids are used again, start times are not. It is PID-START-NAMESPACE-BOOT-MACHINE,
// where an id means something in one PID namespace of one boot of one machine only, and any of the last three may be empty.
type owner string

// place is where a process id means something. What is not known of it is empty.
type place struct {
	namespace string // inode of the PID namespace
	boot      string // of the machine (random(4), boot_id), without dashes
	machine   string // machine-id(5), hashed as is asked for there
}

// self is this process.
var self = sync.OnceValue(func() owner {
	o := string(statusOf("self"))
	_, start, _ := strings.Cut(o, "-") // its id may be that of another namespace, whose /proc is mounted here
	return owner(fmt.Sprintf("%d-%s", os.Getpid(), start)).at(here())
})

// here is this process's place.
var here = sync.OnceValue(func() place {
	var p place
	link, _ := os.Readlink("/proc/self/ns/pid")
	if inode, ok := strings.CutPrefix(link, "pid:["); ok {
		p.namespace = strings.TrimSuffix(inode, "]")
	}
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	p.boot = strings.ReplaceAll(string(bytes.TrimSpace(boot)), "-", "")
	machine, _ := os.ReadFile("/etc/machine-id")
	p.machine = hashedMachine(string(bytes.TrimSpace(machine)))
	return p
})

var machineID = regexp.MustCompile(`^[0-9a-f]{32}$`)

// hashedMachine does not tell a machine's id; it is empty where that is none, as in most images of containers.
func hashedMachine(id string) string {
	if !machineID.MatchString(id) {
		return ""
	}
	sum := sha256.Sum256([]byte(labelOwner + id))
	return fmt.Sprintf("%x", sum[:8])
}

// at adds a place to what a process is called there.
func (o owner) at(p place) owner {
	return owner(strings.Join([]string{string(o), p.namespace, p.boot, p.machine}, "-"))
}

// ownerOf names the process that has an id here now; it is empty where there is none, or only its status waits to be
// asked for.
func ownerOf(pid int) owner {
	o := statusOf(strconv.Itoa(pid))
	if o == "" {
		return ""
	}
	return o.at(here())
}

// statusOf reads PID-START of a process of /proc, without its place. It is empty where there is none, it has ended, or
// it may not be seen.
func statusOf(process string) owner {
	text, err := os.ReadFile("/proc/" + process + "/stat")
	if err != nil {
		return ""
	}
	// The second field is the command in parentheses and may contain anything (proc_pid_stat(5)).
	const state, startTime = 0, 22 - 3 // of the fields after it, where the third is the first
	pid, _, _ := bytes.Cut(text, []byte(" "))
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) <= startTime || strings.ContainsAny(string(fields[state]), "ZX") {
		return ""
	}
	return owner(fmt.Sprintf("%s-%s", pid, fields[startTime]))
}

// process is the process's id in its PID namespace, 0 where none is named.
func (o owner) process() int {
	text, _, _ := strings.Cut(string(o), "-")
	pid, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return pid
}

// split takes an owner apart. One that names no place is of a meshsim that named none, and taken to be of this one.
func (o owner) split() (started owner, at place) {
	parts := strings.Split(string(o), "-")
	if len(parts) != 5 {
		return o, here()
	}
	return owner(parts[0] + "-" + parts[1]), place{namespace: parts[2], boot: parts[3], machine: parts[4]}
}

// fate is what is known of a process.
type fate int

const (
	ended fate = iota
	runs
	unseen // it cannot be told from here
)

// fate tells whether the process still runs, as far as that can be seen from here.
func (o owner) fate() fate { return o.seenFrom(here()) }

func (o owner) seenFrom(here place) fate {
	pid := o.process()
	if pid <= 0 {
		return ended
	}
	started, at := o.split()
	switch {
	case at.boot != here.boot && at.machine != "" && at.machine == here.machine:
		return ended // this machine was started again since
	case at.boot != here.boot || at.boot == "":
		return unseen // on another machine
	case at.namespace != here.namespace || at.namespace == "":
		return unseen // in a container, or we are
	}
	// This tells of processes that /proc hides (hidepid), and where it is another namespace's.
	if errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
		return ended
	}
	if link, _ := os.Readlink("/proc/self"); link != strconv.Itoa(os.Getpid()) {
		return unseen
	}
	if _, err := os.Stat(fmt.Sprintf("/proc/%d/stat", pid)); err != nil {
		return unseen
	}
	if statusOf(strconv.Itoa(pid)) != started {
		return ended
	}
	return runs
}

// alive tells whether the process still runs, or may: that it has ended is certain where it is false.
func (o owner) alive() bool { return o.fate() != ended }
