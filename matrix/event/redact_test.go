package event

import (
	"testing"

	"meshsim/matrix"
)

func TestRedactionKeepsWhatTheRulesSay(t *testing.T) {
	cases := []struct {
		name, kind, content string
		v9, v11             string
	}{
		{"message", "m.room.message", `{"body":"x"}`, `{}`, `{}`},
		{
			"member", "m.room.member",
			`{"displayname":"A","join_authorised_via_users_server":"@a:hs1","membership":"join",` +
				`"third_party_invite":{"display_name":"x","signed":{"mxid":"@a:hs1"}}}`,
			`{"join_authorised_via_users_server":"@a:hs1","membership":"join"}`,
			`{"join_authorised_via_users_server":"@a:hs1","membership":"join","third_party_invite":{"signed":{"mxid":"@a:hs1"}}}`,
		},
		{
			"member-with-malformed-third-party-invite", "m.room.member", `{"membership":"invite","third_party_invite":7}`,
			`{"membership":"invite"}`, `{"membership":"invite"}`,
		},
		{
			"create", "m.room.create", `{"creator":"@a:hs1","m.federate":false,"room_version":"10"}`,
			`{"creator":"@a:hs1"}`, `{"creator":"@a:hs1","m.federate":false,"room_version":"10"}`,
		},
		{
			"join-rules", "m.room.join_rules", `{"allow":[],"join_rule":"restricted","x":1}`,
			`{"allow":[],"join_rule":"restricted"}`, `{"allow":[],"join_rule":"restricted"}`,
		},
		{
			"power-levels", "m.room.power_levels",
			`{"ban":1,"events":{},"events_default":2,"invite":3,"kick":4,"notifications":{},"redact":5,` +
				`"state_default":6,"users":{},"users_default":7}`,
			`{"ban":1,"events":{},"events_default":2,"kick":4,"redact":5,"state_default":6,"users":{},"users_default":7}`,
			`{"ban":1,"events":{},"events_default":2,"invite":3,"kick":4,"redact":5,"state_default":6,"users":{},"users_default":7}`,
		},
		{
			"history-visibility", "m.room.history_visibility", `{"history_visibility":"shared","x":1}`,
			`{"history_visibility":"shared"}`, `{"history_visibility":"shared"}`,
		},
		{"redaction", "m.room.redaction", `{"reason":"spam","redacts":"$x"}`, `{}`, `{"redacts":"$x"}`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for rules, want := range map[matrix.RedactionRules]string{matrix.RedactionV9: c.v9, matrix.RedactionV11: c.v11} {
				object := []byte(`{"content":` + c.content + `,"type":"` + c.kind + `"}`)
				if got := matrix.Lookup(redact(object, c.kind, rules, true), "content"); string(got) != want {
					t.Errorf("rules %d leave %s, want %s", rules, got, want)
				}
			}
		})
	}
}

func TestRedactionKeepsTopLevelProperties(t *testing.T) {
	object := []byte(`{"auth_events":[],"content":{},"depth":1,"event_id":"$0","extra":1,"hashes":{},"membership":"join",` +
		`"origin":"hs1","origin_server_ts":1,"prev_events":[],"prev_state":[],"redacts":"$x","room_id":"!r:hs1",` +
		`"sender":"@a:hs1","signatures":{},"state_key":"","type":"X"}`)
	common := []string{
		"auth_events", "content", "depth", "event_id", "hashes", "origin_server_ts", "prev_events", "room_id", "sender",
		"signatures", "state_key", "type",
	}
	want := map[matrix.RedactionRules][]string{
		matrix.RedactionV9:  append([]string{"membership", "origin", "prev_state"}, common...),
		matrix.RedactionV11: common,
	}
	for rules, names := range want {
		kept := redact(object, "X", rules, true)
		count := 0
		for range matrix.Members(kept) {
			count++
		}
		for _, name := range names {
			if matrix.Lookup(kept, name) == nil {
				t.Errorf("rules %d strip %s", rules, name)
			}
		}
		if count != len(names) {
			t.Errorf("rules %d leave %s, want the properties %v", rules, kept, names)
		}
	}
}
