//go:build linux && docker

package docker

import (
	"slices"
	"testing"

	"github.com/moby/moby/client"
)

// What a process left behind that no longer runs is removed; what belongs to one that runs is not.
func TestLeftovers(t *testing.T) {
	e, err := newEngine()
	if err != nil {
		t.Fatal(err)
	}
	defer e.close()
	if _, err := e.api.Ping(t.Context(), client.PingOptions{}); err != nil {
		t.Skipf("not tested, because: %v", e.explain(err))
	}
	const dead, living = "meshsim-test-dead", "meshsim-test-living"
	for name, owner := range map[string]string{dead: "1-1", living: string(self())} {
		volume := client.VolumeCreateOptions{Name: name, Labels: map[string]string{labelOwner: owner}}
		if _, err := e.api.VolumeCreate(t.Context(), volume); err != nil {
			t.Fatal(err)
		}
	}
	defer e.removeVolume(t.Context(), living)
	removed, _, err := e.removeLeftovers(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(removed, dead) || slices.Contains(removed, living) {
		t.Errorf("removed %v, want %s and not %s", removed, dead, living)
	}
	if removed, _, err := e.removeLeftovers(t.Context(), false); err != nil || len(removed) > 0 {
		t.Errorf("removed %v, %v the second time", removed, err)
	}
}
