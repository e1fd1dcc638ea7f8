//go:build !virtualtime

package virtualtime

import "testing"

// Test skips the test: this binary was built without virtual time.
func Test(t *testing.T, _ func(t *testing.T)) {
	t.Helper()
	t.Skip("needs virtual time: go test -tags virtualtime -ldflags=-checklinkname=0")
}
