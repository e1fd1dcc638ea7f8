//go:build virtualtime

package virtualtime

import (
	"strings"
	"testing"
	"testing/synctest"
	_ "unsafe" // for go:linkname

	"gvisor.dev/gvisor/pkg/sync"
)

// isIdleInSynctest is the runtime's table of reasons to wait that let time pass in a bubble. Its length is that of
// the table in Go 1.26 (45 reasons); checkTable tells when it is another one.
//
//go:linkname isIdleInSynctest runtime.isIdleInSynctest
var isIdleInSynctest [45]bool

// waitReasonStrings are the reasons in words, in the same order.
//
//go:linkname waitReasonStrings runtime.waitReasonStrings
var waitReasonStrings [45]string

// Test runs f in a bubble. It is like synctest.Test, and stacks may be used inside.
func Test(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	checkTable(t)
	isIdleInSynctest[sync.WaitReasonSelect] = true
	synctest.Test(t, f)
}

// checkTable fails the test when the runtime's table is not the one that this file was written for.
func checkTable(t *testing.T) {
	t.Helper()
	if got := waitReasonStrings[sync.WaitReasonSelect]; got != "select" {
		t.Fatalf("runtime wait reason %d is %q, not \"select\": gVisor and this Go release disagree; see runtime/runtime2.go", sync.WaitReasonSelect, got)
	}
	for i, reason := range waitReasonStrings {
		durable := strings.HasSuffix(reason, "(durable)")
		if durable && !isIdleInSynctest[i] {
			t.Fatalf("runtime wait reason %d, %q, does not count as idle: the tables have moved", i, reason)
		}
	}
}
