package event_test

import (
	"crypto/ed25519"
	"errors"
	"slices"
	"testing"

	"meshsim/matrix"
	"meshsim/matrix/event"
	"meshsim/matrix/event/eventtest"
)

func TestSignatureServers(t *testing.T) {
	room := eventtest.New(t, "11", alice, nil)
	member := func(content map[string]any) *event.PDU {
		return room.Event(matrix.TypeMember, "@b:hs2", content, eventtest.State("@c:hs3"))
	}
	cases := []struct {
		name string
		p    *event.PDU
		want []matrix.ServerName
	}{
		{"message", room.Event(matrix.TypeMessage, "@b:hs2", map[string]any{}), []matrix.ServerName{"hs2"}},
		{"invite", member(map[string]any{"membership": "invite"}), []matrix.ServerName{"hs2"}},
		{"third-party-invite", member(map[string]any{"membership": "invite", "third_party_invite": map[string]any{}}), nil},
		{
			"restricted-join", member(map[string]any{"membership": "join", "join_authorised_via_users_server": "@a:hs1"}),
			[]matrix.ServerName{"hs2", "hs1"},
		},
		{
			"restricted-join-by-own-server",
			member(map[string]any{"membership": "join", "join_authorised_via_users_server": "@x:hs2"}), []matrix.ServerName{"hs2"},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := c.p.SignatureServers(); !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestRestrictedJoinNeedsBothSignatures(t *testing.T) {
	room := eventtest.New(t, "11", alice, nil)
	content := map[string]any{"membership": "join", "join_authorised_via_users_server": alice}
	p := room.Event(matrix.TypeMember, "@b:hs2", content, eventtest.State("@b:hs2"))
	var missing *matrix.SignatureError
	if err := event.VerifySignatures(p, eventtest.Keys); !errors.As(err, &missing) || missing.Server != "hs1" {
		t.Errorf("got %v, want hs1's signature to be missing", err)
	}
	signed, err := p.AddSignature("hs1", eventtest.KeyID, eventtest.Key("hs1"))
	if err != nil {
		t.Fatal(err)
	}
	if signed.ID() != p.ID() || !signed.CheckContentHash() {
		t.Error("another signature changes the event")
	}
	if err := event.VerifySignatures(signed, eventtest.Keys); err != nil {
		t.Error(err)
	}
}

func TestVerifySignaturesRefuses(t *testing.T) {
	room := eventtest.New(t, "12", alice, nil)
	p := room.Event(matrix.TypeMessage, alice, map[string]any{"body": "x"})
	changed, err := matrix.SetMember(p.JSON(), "depth", []byte("7"))
	if err != nil {
		t.Fatal(err)
	}
	tampered, err := event.Parse(changed, room.Version)
	if err != nil {
		t.Fatal(err)
	}
	var wrong *matrix.SignatureError
	if err := event.VerifySignatures(tampered, eventtest.Keys); !errors.As(err, &wrong) {
		t.Errorf("a changed event gives %v", err)
	}
	unknown := errors.New("unknown key")
	none := func(matrix.ServerName, matrix.KeyID, int64) (ed25519.PublicKey, error) { return nil, unknown }
	if err := event.VerifySignatures(p, none); !errors.Is(err, unknown) {
		t.Errorf("an unknown key gives %v", err)
	}
}

// A server may sign with several keys, of which a receiver may know only one.
func TestOneKnownKeySuffices(t *testing.T) {
	room := eventtest.New(t, "12", alice, nil)
	p, err := room.Event(matrix.TypeMessage, alice, map[string]any{}).
		AddSignature("hs1", "ed25519:0", eventtest.Key("somebody"))
	if err != nil {
		t.Fatal(err)
	}
	onlyKnown := func(server matrix.ServerName, key matrix.KeyID, ts int64) (ed25519.PublicKey, error) {
		if key != eventtest.KeyID {
			return nil, errors.New("unknown key")
		}
		return eventtest.Keys(server, key, ts)
	}
	if err := event.VerifySignatures(p, onlyKnown); err != nil {
		t.Error(err)
	}
	if got := len(p.SignaturesOf("hs1")); got != 2 {
		t.Errorf("%d signatures, want 2", got)
	}
}
