package homeserver

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// A server that has filled the place for parked PDUs has to make room for others, down to its share.
func TestParkingIsShared(t *testing.T) {
	var p parking
	park := func(origin string) bool {
		if len(p.pdus) == maxParked {
			if _, ok := p.displace(origin); !ok {
				return false
			}
		}
		p.pdus = append(p.pdus, parkedPDU{origin: origin})
		return true
	}
	for range maxParked {
		park("hostile")
	}
	if park("hostile") {
		t.Error("a server crowds itself out")
	}
	for i := range 3 {
		for range maxParked / 4 {
			if !park(fmt.Sprint("hs", i)) {
				t.Fatalf("hs%d does not get its share", i)
			}
		}
	}
	if park("hs0") || park("hostile") {
		t.Error("a server gets more than its share")
	}
	counts := map[string]int{}
	for _, parked := range p.pdus {
		counts[parked.origin]++
	}
	if len(p.pdus) != maxParked || counts["hostile"] != maxParked/4 || counts["hs2"] != maxParked/4 {
		t.Errorf("%v are parked", counts)
	}
}

// keyring knows every server's key: it is made of the name.
type keyring struct{}

func keyOf(server string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(server))
	return ed25519.NewKeyFromSeed(seed[:])
}

func (keyring) VerifyKey(_ context.Context, server, _ string, _ time.Time) (ed25519.PublicKey, error) {
	return keyOf(server).Public().(ed25519.PublicKey), nil
}

// A server that invites a user to room after room is refused at some point, others are not, and an answer makes room.
func TestInvitesAreBounded(t *testing.T) {
	s := New(Config{Name: "hs0", KeyID: "ed25519:1", Key: keyOf("hs0"), Keys: keyring{}})
	t.Cleanup(s.Close)
	if _, err := s.AddAccount(Credential{Localpart: "u"}); err != nil {
		t.Fatal(err)
	}
	version, err := matrix.LookupRoomVersion("11")
	if err != nil {
		t.Fatal(err)
	}
	some := matrix.EventID("$" + strings.Repeat("A", 43))
	var told []json.RawMessage // of the rooms
	invite := func(origin string, number int) error {
		b := event.Builder{
			RoomID: matrix.RoomID(fmt.Sprintf("!%d:%s", number, origin)), Type: matrix.TypeMember, StateKey: event.StateKey("@u:hs0"),
			Sender: matrix.UserID("@u:" + origin), Content: json.RawMessage(`{"membership":"invite"}`), Depth: 1,
			PrevEvents: []matrix.EventID{some}, AuthEvents: []matrix.EventID{some},
		}
		pdu, err := b.Build(version, matrix.ServerName(origin), "ed25519:1", keyOf(origin), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.AcceptInvite(t.Context(), origin, string(pdu.RoomID()), string(pdu.ID()), InviteRequest{
			RoomVersion: "11", Event: pdu.JSON(), InviteRoomState: told,
		})
		return err
	}
	for i := range maxInvitesOfServer {
		if err := invite("hs1", i); err != nil {
			t.Fatal(err)
		}
	}
	if err := invite("hs1", maxInvitesOfServer); KindOf(err) != Forbidden {
		t.Errorf("one invite too many: %v", err)
	}
	if err := invite("hs1", 0); err != nil {
		t.Errorf("the same invite again: %v", err)
	}
	for i := range maxInvites - maxInvitesOfServer - 10 {
		if err := invite(fmt.Sprintf("hs%d", 2+i/maxInvitesOfServer), i); err != nil {
			t.Fatal(err)
		}
	}
	told = []json.RawMessage{json.RawMessage(`{"content":{"topic":"` + strings.Repeat("x", maxInviteBytesOfServer/4) + `"},"sender":"@u:hs50","state_key":"","type":"m.room.topic"}`)}
	taken := 0
	for invite("hs50", taken) == nil {
		taken++
	}
	if taken != 3 {
		t.Errorf("%d invites of a server are taken, each with a quarter of the bytes that its invites may have", taken)
	}
	told = nil
	for i := range 10 - taken {
		if err := invite("hs51", i); err != nil {
			t.Fatal(err)
		}
	}
	if err := invite("hs99", 0); KindOf(err) != Forbidden {
		t.Errorf("an invite too many of all servers: %v", err)
	}
	if err := s.Leave(t.Context(), "@u:hs0", "!0:hs1", nil); err != nil {
		t.Fatal(err)
	}
	if err := invite("hs99", 0); err != nil {
		t.Errorf("after an invite was rejected: %v", err)
	}
}
