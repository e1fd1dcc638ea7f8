package eventauth_test

import (
	"slices"
	"testing"

	"meshsim/matrix"
	"meshsim/matrix/event"
	"meshsim/matrix/event/eventtest"
	"meshsim/matrix/eventauth"
)

func TestAuthEventRules(t *testing.T) {
	for _, version := range matrix.RoomVersions() {
		t.Run("v"+version, func(t *testing.T) {
			w := newWorld(t, version, nil)
			v12 := w.Version.RoomIDIsCreateHash
			rule := func(old, newer string) string {
				if v12 {
					return newer
				}
				return old
			}
			get := func(kind, stateKey string) *event.PDU { return w.state[event.Key{Type: kind, StateKey: stateKey}] }
			levels, self := get(matrix.TypePowerLevels, ""), get(matrix.TypeMember, string(plain))
			message := w.Event(matrix.TypeMessage, plain, map[string]any{})
			base := []*event.PDU{levels, self}
			if !v12 {
				base = append(base, w.Create)
			}
			with := func(more ...*event.PDU) []*event.PDU { return append(slices.Clone(base), more...) }
			foreign := eventtest.New(t, version, "@x:hs3", nil)
			foreignLevels := foreign.Event(matrix.TypePowerLevels, "@x:hs3", map[string]any{}, eventtest.State(""))
			check := func(auth []*event.PDU, create *event.PDU, rejected func(matrix.EventID) bool, want string) {
				t.Helper()
				checkRule(t, eventauth.CheckAuthEvents(message, auth, create, rejected), message, want)
			}
			isLevels := func(id matrix.EventID) bool { return id == levels.ID() }

			check(base, w.Create, nil, "")
			check(with(levels), w.Create, nil, rule("2.1", "3.1"))
			check(with(get(matrix.TypeJoinRules, "")), w.Create, nil, rule("2.2", "3.2"))
			check(with(get(matrix.TypeMember, string(other))), w.Create, nil, rule("2.2", "3.2"))
			check(with(w.Event(matrix.TypePowerLevels, plain, map[string]any{})), w.Create, nil, rule("2.2", "3.2"))
			check(base, w.Create, isLevels, rule("2.3", "3.3"))
			check([]*event.PDU{self}, nil, nil, rule("2.4", "2"))
			check(append([]*event.PDU{foreignLevels}, base[1:]...), w.Create, nil, rule("2.2", "3.4"))
			if v12 {
				check(with(w.Create), w.Create, nil, "3.2")
				check(base, foreign.Create, nil, "2")
			}
			checkRule(t, eventauth.CheckAuthEvents(w.Create, nil, nil, nil), w.Create, "")
			if err := eventauth.CheckState(message, eventauth.AuthState(base, w.Create)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestStateNeeded(t *testing.T) {
	member := func(user string) event.Key { return event.Key{Type: matrix.TypeMember, StateKey: user} }
	levels, rules := event.Key{Type: matrix.TypePowerLevels}, event.Key{Type: matrix.TypeJoinRules}
	token := event.Key{Type: matrix.TypeThirdPartyInvite, StateKey: "token"}
	signed := map[string]any{"signed": map[string]any{"token": "token"}}
	cases := []struct {
		name    string
		content map[string]any
		want    []event.Key
	}{
		{"join", map[string]any{"membership": "join"}, []event.Key{levels, member("@a:hs1"), member("@t:hs1"), rules}},
		{"knock", map[string]any{"membership": "knock"}, []event.Key{levels, member("@a:hs1"), member("@t:hs1"), rules}},
		{"leave", map[string]any{"membership": "leave"}, []event.Key{levels, member("@a:hs1"), member("@t:hs1")}},
		{"invite", map[string]any{"membership": "invite"}, []event.Key{levels, member("@a:hs1"), member("@t:hs1"), rules}},
		{
			"third-party-invite", map[string]any{"membership": "invite", "third_party_invite": signed},
			[]event.Key{levels, member("@a:hs1"), member("@t:hs1"), rules, token},
		},
		{
			"restricted-join", map[string]any{"membership": "join", "join_authorised_via_users_server": "@v:hs1"},
			[]event.Key{levels, member("@a:hs1"), member("@t:hs1"), rules, member("@v:hs1")},
		},
	}
	for _, version := range matrix.RoomVersions() {
		room := eventtest.New(t, version, "@a:hs1", nil)
		var prefix []event.Key
		if version != "12" {
			prefix = []event.Key{{Type: matrix.TypeCreate}}
		}
		for _, c := range cases {
			p := room.Event(matrix.TypeMember, "@a:hs1", c.content, eventtest.State("@t:hs1"))
			if got, want := eventauth.StateNeeded(p), append(slices.Clone(prefix), c.want...); !slices.Equal(got, want) {
				t.Errorf("version %s, %s: got %v, want %v", version, c.name, got, want)
			}
		}
		message := room.Event(matrix.TypeMessage, "@a:hs1", map[string]any{})
		if got, want := eventauth.StateNeeded(message), append(slices.Clone(prefix), levels, member("@a:hs1")); !slices.Equal(got, want) {
			t.Errorf("version %s, message: got %v, want %v", version, got, want)
		}
		if got := eventauth.StateNeeded(room.Create); len(got) != 0 {
			t.Errorf("version %s, create: got %v", version, got)
		}
	}
}

func BenchmarkCheckState(b *testing.B) {
	room := eventtest.New(b, "12", creator, nil)
	join := room.Member(plain, plain, matrix.Join)
	levels := room.Event(matrix.TypePowerLevels, creator, map[string]any{"users_default": 0}, eventtest.State(""))
	state := eventauth.EventsOf(room.Create, join, levels)
	message := room.Event(matrix.TypeMessage, plain, map[string]any{"body": "x"})
	b.ReportAllocs()
	for b.Loop() {
		if err := eventauth.CheckState(message, state); err != nil {
			b.Fatal(err)
		}
	}
}
