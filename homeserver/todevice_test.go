package homeserver

import (
	"encoding/json"
	"slices"
	"testing"
)

func TestOldMessagesGiveWay(t *testing.T) {
	for name, c := range map[string]struct {
		sizes []int
		left  int
	}{
		"none":            {nil, 0},
		"fit":             {[]int{30, 30, 40}, 3},
		"too-many":        {[]int{1, 1, 1, 1, 1, 1}, 5},
		"too-large":       {[]int{10, 10, 50, 50}, 2},
		"one-too-large":   {[]int{1, 101}, 0},
		"after-too-large": {[]int{101, 1}, 1},
	} {
		var inbox []ToDevice
		for i, size := range c.sizes {
			message := ToDevice{Content: make(json.RawMessage, size), position: Position(i)}
			inbox = append(inbox, message)
			inbox = slices.Delete(inbox, 0, surplus(inbox, 5, 100))
		}
		if len(inbox) != c.left {
			t.Errorf("%s: %d are left, not %d", name, len(inbox), c.left)
		}
		if len(inbox) > 0 && inbox[len(inbox)-1].position != Position(len(c.sizes)-1) {
			t.Errorf("%s: the newest is gone", name)
		}
		if !slices.IsSortedFunc(inbox, func(a, b ToDevice) int { return int(a.position - b.position) }) {
			t.Errorf("%s: out of order", name)
		}
	}
}
