package federation

import (
	"testing"
	"time"
)

// A server that joined late has nothing from before: the events at those times are known by the others.
func TestMomentBeforeTheJoin(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.server("a"), m.server("b")
		roomID := publicRoom(t, a, "12")
		time.Sleep(time.Hour)
		early := say(t, a, roomID, "early")
		time.Sleep(time.Hour)
		say(t, a, roomID, "later")
		time.Sleep(time.Hour)
		join(t, b, roomID, "a")
		time.Sleep(time.Hour)
		late := say(t, a, roomID, "late")
		settle()
		for slug, c := range map[string]struct {
			at       int64
			backward bool
			want     string
		}{
			"at-it":             {early.OriginServerTS(), false, string(early.ID())},
			"after-it-backward": {early.OriginServerTS() + 60_000, true, string(early.ID())},
			"since-the-join":    {late.OriginServerTS() - 1, false, string(late.ID())},
		} {
			got, err := b.MomentFor(t.Context(), "@u:b", roomID, c.at, c.backward)
			if err != nil || got.Event != c.want {
				t.Errorf("%s: %v %v, want %s", slug, got, err, c.want)
			}
		}
		// Those who cannot be asked do not hide what is known here.
		m.isolate("a")
		got, err := b.MomentFor(t.Context(), "@u:b", roomID, late.OriginServerTS(), false)
		if err != nil || got.Event != string(late.ID()) {
			t.Errorf("alone: %v %v", got, err)
		}
	}, "a", "b")
}
