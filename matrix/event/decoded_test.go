package event_test

import (
	"testing"

	"meshsim/matrix"
	"meshsim/matrix/event"
	"meshsim/matrix/event/eventtest"
)

func TestPowerLevels(t *testing.T) {
	room := eventtest.New(t, "11", alice, nil)
	levels := room.Event(matrix.TypePowerLevels, alice, map[string]any{
		"users": map[string]any{"@a:hs1": 7, `@"q":hs1`: 8, "@s:hs1": "9"}, "users_default": 1, "kick": "50",
		"events": map[string]any{"m.room.name": 30}, "state_default": 40, "ban": nil,
	}, eventtest.State("")).PowerLevels()
	got := []int64{
		levels.User("@a:hs1"), levels.User(`@"q":hs1`), levels.User("@s:hs1"), levels.Event("m.room.name", true),
		levels.Event("m.room.topic", true), levels.Event("m.room.message", false), levels.Kick, levels.Ban, levels.Invite,
	}
	want := []int64{7, 8, 1, 30, 40, 0, 50, 50, 0}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("level %d is %d, want %d", i, got[i], want[i])
		}
	}
	none := event.DefaultPowerLevels()
	if none.Event("x", true) != 50 || none.Event("x", false) != 0 || none.User("@a:hs1") != 0 || none.Redact != 50 {
		t.Errorf("without an event: %+v", none)
	}
}

func TestCreators(t *testing.T) {
	more := map[string]any{"additional_creators": []string{"@b:hs2"}}
	for id, want := range map[string][2]bool{"10": {true, false}, "11": {true, false}, "12": {true, true}} {
		create := eventtest.New(t, id, alice, more).Create
		if got := [2]bool{create.IsCreator(alice), create.IsCreator("@b:hs2")}; got != want {
			t.Errorf("version %s: got %v, want %v", id, got, want)
		}
	}
	create := eventtest.New(t, "10", alice, map[string]any{"creator": "@b:hs1"}).Create
	if create.IsCreator(alice) || !create.IsCreator("@b:hs1") {
		t.Error("version 10 must take the creator from content")
	}
}
