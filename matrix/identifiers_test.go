package matrix_test

import (
	"errors"
	"strings"
	"testing"

	"meshsim/matrix"
)

const hash43 = "Rqnc-F-dvnEYJTyHq_iKxU2bZ1CI92-kuZq3a5lr5Zg"

func TestServerNames(t *testing.T) {
	valid := []string{
		"matrix.org", "matrix.org:8888", "1.2.3.4", "1.2.3.4:1234", "[1234:5678::abcd]", "[1234:5678::abcd]:5678",
		"hs0", "localhost:8448",
	}
	invalid := []string{
		"", ":", ":80", "hs_0", "a b", "hs0:", "hs0:123456", "hs0:x", "[::1", "[hs0]", "[1.2.3.4]", "::1",
		"[fe80::1%eth0]", strings.Repeat("a", 256),
	}
	for _, s := range valid {
		if !matrix.ServerName(s).Valid() {
			t.Errorf("%q was refused", s)
		}
	}
	for _, s := range invalid {
		if matrix.ServerName(s).Valid() {
			t.Errorf("%q was accepted", s)
		}
	}
}

func TestUserIDs(t *testing.T) {
	u, err := matrix.ParseUserID("@alice:hs1:8448")
	if err != nil || u.Server() != "hs1:8448" || u.Localpart() != "alice" {
		t.Errorf("got localpart %q of %q (%v)", u.Localpart(), u.Server(), err)
	}
	for _, s := range []string{"@:hs1", "@Ärger:hs1", "@a b:hs1"} {
		if _, err := matrix.ParseUserID(s); err != nil {
			t.Errorf("historical user ID refused: %v", err)
		}
	}
	invalid := []string{
		"", "alice", "@alice", "alice:hs1", "@a:", "@a:hs_1", "@a\x00:hs1", "@\xff:hs1", "@" + strings.Repeat("a", 251) + ":hs1",
	}
	for _, s := range invalid {
		_, err := matrix.ParseUserID(s)
		var idErr *matrix.IdentifierError
		if !errors.As(err, &idErr) || idErr.Value != s {
			t.Errorf("%q: got %v, want an *IdentifierError", s, err)
		}
	}
	if _, err := matrix.ParseUserID("@" + strings.Repeat("a", 250) + ":hs1"); err != nil {
		t.Errorf("255 bytes refused: %v", err)
	}
	for s, want := range map[string]bool{"alice": true, "a.b_c=d-e/f+1": true, "Alice": false, "": false, "a b": false} {
		if matrix.ValidStrictLocalpart(s) != want {
			t.Errorf("strict localpart %q: want %v", s, want)
		}
	}
}

func TestRoomIDs(t *testing.T) {
	old, err := matrix.ParseRoomID("!abc:hs1")
	if err != nil || old.Server() != "hs1" || old.CreateEventID() != "" {
		t.Errorf("%q is of %q, created by %q (%v)", old, old.Server(), old.CreateEventID(), err)
	}
	hashed, err := matrix.ParseRoomID("!" + hash43)
	if err != nil || hashed.Server() != "" || hashed.CreateEventID() != "$"+hash43 {
		t.Errorf("%q is of %q, created by %q (%v)", hashed, hashed.Server(), hashed.CreateEventID(), err)
	}
	for _, s := range []string{"", "!", "!abc", "#abc:hs1", "!abc:", "!" + hash43 + "x", "!" + hash43[:42] + "+"} {
		if _, err := matrix.ParseRoomID(s); err == nil {
			t.Errorf("%q was accepted", s)
		}
	}
}

func TestEventIDsAliasesAndKeyIDs(t *testing.T) {
	if id := matrix.EventID("$" + hash43); !id.Valid() {
		t.Errorf("event ID %q was refused", id)
	}
	for _, s := range []string{"", "$", "$abc:hs1", "!" + hash43, "$" + hash43 + "="} {
		if matrix.EventID(s).Valid() {
			t.Errorf("event ID %q was accepted", s)
		}
	}
	alias, err := matrix.ParseRoomAlias("#room:hs1")
	if err != nil || alias.Localpart() != "room" || alias.Server() != "hs1" {
		t.Errorf("alias %q of %q (%v)", alias.Localpart(), alias.Server(), err)
	}
	if _, err := matrix.ParseRoomAlias("#room"); err == nil {
		t.Error("an alias without a server was accepted")
	}
	for key, want := range map[matrix.KeyID]string{"ed25519:1": "ed25519", "ed25519": "", ":1": ""} {
		if got := key.Algorithm(); got != want {
			t.Errorf("algorithm of %q is %q, want %q", key, got, want)
		}
	}
}

func TestRoomVersions(t *testing.T) {
	for _, id := range []string{"10", "11", "12"} {
		if v, err := matrix.LookupRoomVersion(id); err != nil || v.ID != id {
			t.Errorf("version %s: %v", id, err)
		}
	}
	_, err := matrix.LookupRoomVersion("9")
	var unsupported *matrix.UnsupportedVersionError
	if !errors.As(err, &unsupported) || !strings.Contains(err.Error(), "10, 11, 12") {
		t.Errorf("got %v, want an *UnsupportedVersionError that names the supported ones", err)
	}
	if _, err := matrix.LookupRoomVersion(matrix.DefaultRoomVersion); err != nil {
		t.Error(err)
	}
}
