package store_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"meshsim/homeserver"
	"meshsim/matrix"
)

// picture is all that can be seen of a server, in words.
func picture(s *homeserver.Server, user string) map[string]string {
	p := map[string]string{}
	for _, room := range s.Rooms() {
		at := "room " + room.ID() + " "
		p[at] = fmt.Sprint(room.Version(), room.Joined(), room.Newest(), room.Extremities(), s.Aliases(room.ID()), s.Published(room.ID()))
		p[at+"state"] = stateOf(room.State())
		for _, entry := range room.Forward(-1<<40, 1<<40, 1<<20) {
			id := ""
			if entry.Event != nil {
				id = string(entry.Event.ID())
				before, _ := room.StateBefore(id)
				after, _ := room.StateAfter(id)
				_, redacted := room.RedactedBecause(id)
				id += fmt.Sprint(" before ", stateOf(before), " after ", stateOf(after), " redacted ", redacted)
			}
			p[fmt.Sprintf("%sentry %d", at, entry.Position)] = id + " " + stateOf(entry.State)
		}
		if receipt, ok := s.ReceiptOf(room.ID(), user, "m.read", ""); ok {
			p[at+"receipt"] = fmt.Sprint(receipt.Event, receipt.At.UnixMilli())
		}
	}
	for _, m := range s.Memberships(user) {
		stripped, _ := json.Marshal(m.Stripped)
		p["membership in "+m.RoomID] = fmt.Sprint(m.Membership, m.Position, m.Event.ID(), m.Via, string(stripped))
	}
	for _, d := range s.AccountDataBetween(user, 0, 1<<40) {
		p["data "+d.RoomID+" "+d.Type] = string(d.Content)
	}
	profile, _ := s.LocalProfile(user)
	p["profile"] = fmt.Sprintf("%+v", profile)
	p["pushers"] = fmt.Sprintf("%+v", s.Pushers(user))
	devices, _ := s.Devices(user)
	for _, d := range devices {
		p["device "+d.ID] = fmt.Sprint(d.Name, d.LastSeen)
	}
	p["identity"] = fmt.Sprint(s.CrossSigningOf(user))
	backup, err := s.BackupOf(user, "")
	p["backup"] = fmt.Sprint(backup, err)
	keys, _ := s.StoredKeys(user, backup.Version, "", "")
	raw, _ := json.Marshal(keys)
	p["backed up"] = string(raw)
	filter, _ := s.Filter(user, "0")
	p["filter"] = filter
	return p
}

func stateOf(state *homeserver.State) string {
	var ids []string
	for pdu := range state.All() {
		ids = append(ids, string(pdu.ID()))
	}
	return strings.Join(ids, ",")
}

func compare(t *testing.T, before, after map[string]string) {
	t.Helper()
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("after the restart (+) it is not what it was (-):\n%s", diff)
	}
}

// TestRestart: a mesh that has done a little of everything is the same after it was closed and opened again.
func TestRestart(t *testing.T) {
	m := newMesh(t, t.TempDir(), "a", "b")
	alice, phone, token := m.user("a", "alice")
	bob, _, _ := m.user("b", "bob")
	a, b := m.server("a"), m.server("b")
	room := furnish(t, m, alice, bob, phone)
	refresh := a.MakeRefreshable(phone)
	openID := a.OpenIDToken(alice)
	before := map[string]map[string]string{"a": picture(a, alice), "b": picture(b, bob)}
	inbox := messagesOf(t, a, phone)
	position := a.Position()

	m.restart("a", "b")
	a, b = m.server("a"), m.server("b")
	compare(t, before["a"], picture(a, alice))
	compare(t, before["b"], picture(b, bob))
	phone, ok := a.Authenticate(token)
	if !ok {
		t.Fatal("the access token is worth nothing any more")
	}
	if diff := cmp.Diff(inbox, messagesOf(t, a, phone)); diff != "" {
		t.Errorf("messages to the device: %s", diff)
	}
	if user, err := a.OpenIDUser(openID); user != alice {
		t.Errorf("the OpenID token is that of %q, %v", user, err)
	}
	if id, ok := phone.TransactionOf(sentOnce(t, a, phone, room)); !ok || id != "txn" {
		t.Error("the transaction is forgotten")
	}
	if a.Position() < position {
		t.Errorf("position %d was handed out, the newest is %d now", position, a.Position())
	}
	if _, _, err := a.Refresh(refresh); err != nil {
		t.Errorf("the refresh token: %v", err)
	}
	// And it goes on.
	id := m.say("b", room, bob, "back again")
	eventually(t, "a has what b said after the restart", func() bool { return m.has("a", room, id) })
}

// sentOnce sends a message with the same transaction id as always and returns its event's id.
func sentOnce(t *testing.T, s *homeserver.Server, device *homeserver.Device, room string) string {
	t.Helper()
	txn := homeserver.Transaction{Endpoint: "send", ID: "txn"}
	id, err := device.Once(t.Context(), txn, func(built func(string)) error {
		_, err := s.Send(t.Context(), homeserver.Draft{
			RoomID: room, Sender: device.User, Type: matrix.TypeMessage, Built: built,
			Alongside: func(event string) []homeserver.Change { return device.Made(txn, event) },
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func messagesOf(t testing.TB, s *homeserver.Server, device *homeserver.Device) []string {
	t.Helper()
	answer, err := s.Sync(t.Context(), homeserver.SyncQuery{User: device.User, Device: device, First: true, Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, message := range answer.ToDevice {
		all = append(all, message.Sender+" "+message.Type+" "+string(message.Content))
	}
	counts := answer.Keys.OneTime
	for _, algorithm := range slices.Sorted(maps.Keys(counts)) {
		all = append(all, fmt.Sprint(algorithm, counts[algorithm], answer.Keys.UnusedFallback))
	}
	return all
}

// furnish does a little of everything and returns the id of a room of both.
func furnish(t *testing.T, m *mesh, alice, bob string, phone *homeserver.Device) string {
	t.Helper()
	a, b, ctx := m.server("a"), m.server("b"), t.Context()
	room, err := a.CreateRoom(ctx, homeserver.NewRoom{Creator: alice, Initial: []homeserver.Draft{
		{Type: matrix.TypeJoinRules, StateKey: new(string), Content: json.RawMessage(`{"join_rule":"public"}`)},
	}})
	m.must(err)
	m.must(b.Join(ctx, bob, room, []string{"a"}, nil))
	first := m.say("a", room, alice, "hello")
	eventually(t, "b has the first message", func() bool { return m.has("b", room, first) })
	// Two branches that conflict.
	m.reach("a", false)
	m.reach("b", false)
	for server, user := range map[string]string{"a": alice, "b": bob} {
		name, _ := json.Marshal(map[string]string{"displayname": "of " + server, "membership": "join"})
		_, err := m.server(server).Send(ctx, homeserver.Draft{RoomID: room, Sender: user, Type: matrix.TypeMember, StateKey: &user, Content: name})
		m.must(err)
		m.say(server, room, user, "alone")
	}
	m.reach("a", true)
	m.reach("b", true)
	last := m.say("a", room, alice, "together")
	eventually(t, "b has the last message", func() bool { return m.has("b", room, last) })
	other := m.say("b", room, bob, "indeed")
	eventually(t, "a has the last message", func() bool { return m.has("a", room, other) })
	_, err = a.Send(ctx, homeserver.Draft{RoomID: room, Sender: alice, Type: matrix.TypeRedaction, Redacts: first, Content: json.RawMessage(`{"redacts":"` + first + `"}`)})
	m.must(err)

	private, err := a.CreateRoom(ctx, homeserver.NewRoom{Creator: alice, Version: "10"})
	m.must(err)
	m.must(a.Invite(ctx, alice, bob, private, nil)) // b is not in it: stripped state
	m.must(a.SetAlias("#here:a", room, alice))
	a.Publish(room, true)
	m.must(a.SetAccountData(alice, homeserver.AccountData{Type: "m.direct", Content: json.RawMessage(`{}`)}))
	m.must(a.SetAccountData(alice, homeserver.AccountData{RoomID: room, Type: "m.tag", Content: json.RawMessage(`{"tags":{}}`)}))
	_, err = a.AddFilter(alice, `{"room":{}}`)
	m.must(err)
	a.SetReceipt(room, homeserver.Receipt{User: alice, Kind: "m.read", Event: other})
	_, err = a.EditProfile(alice, func(p *homeserver.Profile) {
		p.DisplayName = "Alice"
		p.SetOther("m.tz", json.RawMessage(`"UTC"`))
	})
	m.must(err)
	m.must(a.SetPusher(alice, homeserver.Pusher{AppID: "app", Key: "1", Kind: "http", Device: "PHONE", Data: json.RawMessage(`{"url":"https://p"}`)}, true))
	encrypt(t, m, alice, phone)
	b.SendToDevices(bob, "m.secret", homeserver.DeviceMessages{alice: {"*": json.RawMessage(`{"n":1}`), "PHONE": json.RawMessage(`{"n":2}`)}})
	eventually(t, "the messages to the device came", func() bool { return len(messagesOf(t, a, phone)) == 4 })
	id, err := a.AddMedia(alice, homeserver.Media{Type: "text/plain", Content: []byte("line\nline")})
	m.must(err)
	if media, err := a.LocalMedia(ctx, id); err != nil || string(media.Content) != "line\nline" {
		t.Fatal(media, err)
	}
	sentOnce(t, a, phone, room)
	eventually(t, "both have the same", func() bool {
		ra, _ := a.Room(room)
		rb, _ := b.Room(room)
		return slices.Equal(ra.Extremities(), rb.Extremities())
	})
	return room
}

// encrypt gives a device keys, and its user cross-signing keys and a backup.
func encrypt(t *testing.T, m *mesh, user string, device *homeserver.Device) {
	t.Helper()
	s := m.server("a")
	seed := sha256.Sum256([]byte(user))
	private := ed25519.NewKeyFromSeed(seed[:])
	public := matrix.EncodeBase64(private.Public().(ed25519.PublicKey))
	key := func(usage string) json.RawMessage {
		raw, err := matrix.SignJSON(fmt.Appendf(nil, `{"keys":{"ed25519:%s":"%s"},"usage":["%s"],"user_id":"%s"}`, public, public, usage, user),
			matrix.ServerName(user), matrix.KeyID("ed25519:"+public), private)
		m.must(err)
		return raw
	}
	m.must(s.SetCrossSigning(user, homeserver.CrossSigning{Master: key("master"), SelfSigning: key("self_signing")}))
	_, err := s.UploadKeys(device, homeserver.KeyUpload{
		Device:   fmt.Appendf(nil, `{"device_id":"%s","user_id":"%s","keys":{}}`, device.ID, user),
		OneTime:  map[string]json.RawMessage{"signed_curve25519:A": json.RawMessage(`{"key":"a"}`), "x:B": json.RawMessage(`{"key":"b"}`)},
		Fallback: map[string]json.RawMessage{"signed_curve25519:F": json.RawMessage(`{"key":"f"}`)},
	})
	m.must(err)
	version, err := s.CreateBackup(user, homeserver.BackupInfo{Algorithm: "m.megolm", AuthData: json.RawMessage(`{}`)})
	m.must(err)
	_, err = s.StoreKeys(user, version, homeserver.BackedUp{"!r": {"one": json.RawMessage(`{"is_verified":true}`), "two": json.RawMessage(`{}`)}})
	m.must(err)
	_, err = s.DeleteKeys(user, version, "!r", "two")
	m.must(err)
}

// TestWaitingSurvives: what a server that could not be reached was to get, it gets after a restart, once.
func TestWaitingSurvives(t *testing.T) {
	m := newMesh(t, t.TempDir(), "a", "b")
	alice, phone, _ := m.user("a", "alice")
	bob, _, _ := m.user("b", "bob")
	room := furnish(t, m, alice, bob, phone)
	m.reach("b", false)
	m.reach("a", false)
	id := m.say("a", room, alice, "are you there?")
	m.server("b").SendToDevices(bob, "m.late", homeserver.DeviceMessages{alice: {"PHONE": json.RawMessage(`{}`)}})
	m.restart("a", "b")
	m.reach("a", true)
	m.reach("b", true)
	eventually(t, "b has what waited for it", func() bool { return m.has("b", room, id) })
	phone, _ = restoredPhone(m, alice)
	eventually(t, "a has what waited for it", func() bool { return len(messagesOf(t, m.server("a"), phone)) == 5 })
	eventually(t, "nothing waits any more", func() bool {
		return m.peers["a"].Sender.Waiting("b") == 0 && m.peers["b"].Sender.Waiting("a") == 0
	})
}

// restoredPhone logs in again as a device that was there.
func restoredPhone(m *mesh, user string) (*homeserver.Device, string) {
	m.t.Helper()
	device, token, err := m.server("a").Login(user, "PHONE", "")
	m.must(err)
	return device, token
}
