package federation

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"meshsim/homeserver"
	"meshsim/matrix"
	"meshsim/matrix/event"
)

// inMesh runs a test in virtual time.
func inMesh(t *testing.T, test func(t *testing.T, m *mesh), names ...string) {
	synctest.Test(t, func(t *testing.T) { test(t, newMesh(t, 1, names...)) })
}

func settle() { time.Sleep(time.Minute) }

func membership(s *homeserver.Server, roomID string) string {
	m, _ := s.MembershipOf("@u:"+s.Name(), roomID)
	return string(m.Membership)
}

func privateRoom(t *testing.T, s *homeserver.Server) string {
	t.Helper()
	roomID, err := s.CreateRoom(context.Background(), homeserver.NewRoom{
		Creator: "@u:" + s.Name(),
		Initial: []homeserver.Draft{
			{Type: matrix.TypeName, StateKey: event.StateKey(""), Content: json.RawMessage(`{"name":"den"}`)},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return roomID
}

func TestInviteIsNeededAndWorks(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b, ctx := m.server("a"), m.server("b"), context.Background()
		roomID := privateRoom(t, a)
		err := b.Join(ctx, "@u:b", roomID, []string{"a"}, nil)
		if homeserver.KindOf(err) != homeserver.Forbidden {
			t.Fatalf("joining without an invite: %v", err)
		}
		if err := a.Invite(ctx, "@u:a", "@u:b", roomID, nil); err != nil {
			t.Fatal(err)
		}
		invite, _ := b.MembershipOf("@u:b", roomID)
		if invite.Membership != "invite" || len(invite.Stripped) < 3 {
			t.Fatalf("the invited server knows %+v", invite)
		}
		join(t, b, roomID)
		if membership(b, roomID) != "join" || room(t, a, roomID).State().Membership("@u:b") != "join" {
			t.Error("the join is not known everywhere")
		}
	}, "a", "b")
}

func TestInviteOfStranger(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a := m.server("a")
		err := a.Invite(context.Background(), "@u:a", "@nobody:b", privateRoom(t, a), nil)
		if homeserver.KindOf(err) != homeserver.NotFound {
			t.Errorf("inviting nobody: %v", err)
		}
	}, "a", "b")
}

func TestRemoteInviteIsRejected(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b, ctx := m.server("a"), m.server("b"), context.Background()
		roomID := privateRoom(t, a)
		if err := a.Invite(ctx, "@u:a", "@u:b", roomID, nil); err != nil {
			t.Fatal(err)
		}
		if err := b.Leave(ctx, "@u:b", roomID, nil); err != nil {
			t.Fatal(err)
		}
		settle()
		if membership(b, roomID) != "leave" || room(t, a, roomID).State().Membership("@u:b") != "leave" {
			t.Error("the rejection is not known everywhere")
		}
	}, "a", "b")
}

func TestInviteIsTakenBack(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b, ctx := m.server("a"), m.server("b"), context.Background()
		roomID := privateRoom(t, a)
		if err := a.Invite(ctx, "@u:a", "@u:b", roomID, nil); err != nil {
			t.Fatal(err)
		}
		setMember(t, a, roomID, "@u:b", "leave")
		settle()
		if got := membership(b, roomID); got != "leave" {
			t.Errorf("the invited user is still %q", got)
		}
	}, "a", "b")
}

func setMember(t *testing.T, s *homeserver.Server, roomID, user, membership string) {
	t.Helper()
	content, err := json.Marshal(map[string]string{"membership": membership})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Send(context.Background(), homeserver.Draft{
		RoomID: roomID, Sender: "@u:" + s.Name(), Type: matrix.TypeMember, StateKey: &user, Content: content,
	}); err != nil {
		t.Fatal(err)
	}
}

func TestLeaveAndRejoin(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.server("a"), m.server("b")
		roomID := publicRoom(t, a, "12")
		join(t, b, roomID, "a")
		if err := b.Leave(context.Background(), "@u:b", roomID, nil); err != nil {
			t.Fatal(err)
		}
		settle()
		missed := say(t, a, roomID, "nobody hears")
		settle()
		if room(t, b, roomID).Joined() || shows(t, b, roomID, missed) {
			t.Error("b is still in the room")
		}
		join(t, b, roomID, "a")
		heard := say(t, a, roomID, "welcome back")
		settle()
		if !shows(t, b, roomID, heard) || room(t, a, roomID).State() != room(t, b, roomID).State() {
			t.Error("b is not back in the room")
		}
	}, "a", "b")
}

func TestBannedServerStaysOut(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.server("a"), m.server("b")
		roomID := publicRoom(t, a, "11")
		join(t, b, roomID, "a")
		setMember(t, a, roomID, "@u:b", "ban")
		settle()
		if membership(b, roomID) != "ban" {
			t.Errorf("b is %q", membership(b, roomID))
		}
		if err := b.Join(context.Background(), "@u:b", roomID, []string{"a"}, nil); homeserver.KindOf(err) != homeserver.Forbidden {
			t.Errorf("joining while banned: %v", err)
		}
	}, "a", "b")
}

// TestBanBesideMessage is the soft failure example of the specification: a message sent without knowing of
// the ban reaches those who know it.
func TestBanBesideMessage(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b, c := m.server("a"), m.server("b"), m.server("c")
		roomID := publicRoom(t, a, "12")
		join(t, b, roomID, "a")
		join(t, c, roomID, "a")
		settle()
		m.isolate("b")
		setMember(t, a, roomID, "@u:b", "ban")
		evading := say(t, b, roomID, "not yet banned, as far as I know")
		settle()
		m.heal()
		settle()
		for _, s := range []*homeserver.Server{a, c} {
			if shows(t, s, roomID, evading) {
				t.Errorf("%s shows the message of a banned user", s.Name())
			}
			if _, known := room(t, s, roomID).StateAfter(string(evading.ID())); !known {
				t.Errorf("%s does not have the soft-failed event in its graph", s.Name())
			}
		}
		if membership(b, roomID) != "ban" {
			t.Errorf("b is %q", membership(b, roomID))
		}
	}, "a", "b", "c")
}

func TestRestrictedJoin(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b, c, ctx := m.server("a"), m.server("b"), m.server("c"), context.Background()
		lobby := publicRoom(t, a, "12")
		join(t, b, lobby, "a")
		rules, err := json.Marshal(map[string]any{
			"join_rule": "restricted", "allow": []map[string]string{{"type": "m.room_membership", "room_id": lobby}},
		})
		if err != nil {
			t.Fatal(err)
		}
		den, err := a.CreateRoom(ctx, homeserver.NewRoom{Creator: "@u:a", Initial: []homeserver.Draft{
			{Type: matrix.TypeJoinRules, StateKey: event.StateKey(""), Content: rules},
		}})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Join(ctx, "@u:c", den, []string{"a"}, nil); homeserver.KindOf(err) != homeserver.Forbidden {
			t.Errorf("joining without fulfilling a condition: %v", err)
		}
		join(t, b, den, "a")
		settle()
		if room(t, a, den).State() != room(t, b, den).State() {
			t.Error("states differ after a restricted join")
		}
	}, "a", "b", "c")
}

func TestJoinThroughSecondServer(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		roomID := publicRoom(t, m.server("a"), "12")
		join(t, m.server("b"), roomID, "a")
		m.isolate("a")
		join(t, m.server("c"), roomID, "nowhere", "a", "b")
	}, "a", "b", "c")
}

func TestRedactionTakesEffectEverywhere(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.server("a"), m.server("b")
		roomID := publicRoom(t, a, "12")
		join(t, b, roomID, "a")
		said := say(t, b, roomID, "regrettable")
		settle()
		if _, err := a.Send(context.Background(), homeserver.Draft{
			RoomID: roomID, Sender: "@u:a", Type: matrix.TypeRedaction, Redacts: string(said.ID()),
		}); err != nil {
			t.Fatal(err)
		}
		settle()
		for _, s := range []*homeserver.Server{a, b} {
			if pdu, ok := room(t, s, roomID).Event(string(said.ID())); !ok || !pdu.Redacted() {
				t.Errorf("%s still shows the redacted event", s.Name())
			}
		}
	}, "a", "b")
}

func TestBackfillReachesTheBeginning(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.server("a"), m.server("b")
		roomID := publicRoom(t, a, "12")
		early := say(t, a, roomID, "before you came")
		for range 30 {
			say(t, a, roomID, "filler")
		}
		join(t, b, roomID, "a")
		r := room(t, b, roomID)
		for range 20 {
			n, err := r.Backfill(context.Background(), 5)
			if err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				break
			}
		}
		if !shows(t, b, roomID, early) {
			t.Error("the first message was not backfilled")
		}
		entries := r.Backward(r.Newest(), -1<<40, 1000)
		for i := 1; i < len(entries); i++ {
			if entries[i].Position >= entries[i-1].Position {
				t.Fatal("positions do not descend")
			}
		}
		if last := entries[len(entries)-1].Event; last.Type() != matrix.TypeCreate {
			t.Errorf("the oldest event is %s, not the create event", last.Type())
		}
	}, "a", "b")
}

// TestLongAbsence is longer than the backlog that a sender keeps: the rest is fetched.
func TestLongAbsence(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.server("a"), m.server("b")
		roomID := publicRoom(t, a, "12")
		join(t, b, roomID, "a")
		settle()
		m.isolate("b")
		var said []*event.PDU
		for range maxBacklog + 200 {
			said = append(said, say(t, a, roomID, "are you there?"))
		}
		settle()
		m.heal()
		settle()
		for _, pdu := range said {
			if !shows(t, b, roomID, pdu) {
				t.Fatalf("%s was lost", pdu.ID())
			}
		}
	}, "a", "b")
}
