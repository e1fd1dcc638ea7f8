//go:build linux

// Command launcher becomes the command of its arguments, in the same process, after two requests to the kernel that a
// process can only make for itself and that survive exec: its memory may be merged with that of others
// (PR_SET_MEMORY_MERGE, Linux 6.4), and its addresses are not randomised, so that there are equal pages to merge. It is
// put into containers, so it is static and needs nothing of the image. scripts/launcher builds it for package docker.
package main

import (
	"os"
	"runtime"
	"strings"
	"syscall"
)

// From linux/prctl.h and linux/personality.h.
const (
	prSetMemoryMerge = 67
	addrNoRandomize  = 0x0040000
)

// Exit statuses of a command that cannot be run, as shells have them.
const (
	exitRefused  = 126
	exitNotFound = 127
)

func main() {
	if len(os.Args) < 2 {
		fail(exitRefused, "no command to run")
	}
	runtime.LockOSThread() // what is asked for holds for this thread, which is the one that execs
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, prSetMemoryMerge, 1, 0, 0, 0, 0); errno != 0 {
		fail(exitRefused, "the kernel does not merge this process's memory: "+errno.Error())
	}
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PERSONALITY, addrNoRandomize, 0, 0); errno != 0 {
		fail(exitRefused, "the kernel does not leave this process's addresses as they are: "+errno.Error())
	}
	path := find(os.Args[1])
	fail(exitNotFound, path+": "+syscall.Exec(path, os.Args[1:], os.Environ()).Error())
}

// find looks for a command as a shell does. One that is not found is left to exec to complain of.
func find(command string) string {
	if strings.Contains(command, "/") {
		return command
	}
	const executable = 1 // access(2), X_OK
	for _, directory := range strings.Split(os.Getenv("PATH"), ":") {
		if path := directory + "/" + command; syscall.Access(path, executable) == nil {
			return path
		}
	}
	return command
}

func fail(status int, message string) {
	_, _ = os.Stderr.WriteString("launcher: " + message + "\n")
	os.Exit(status)
}
