package clientapi_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"meshsim/matrix"
)

// deviceKeys are identity keys as a client uploads them.
func (c *client) deviceKeys() object {
	return object{
		"user_id": c.user, "device_id": c.device, "algorithms": []string{"m.olm.v1.curve25519-aes-sha2"},
		"keys":       object{"ed25519:" + c.device: "fingerprint of " + c.user},
		"signatures": object{c.user: object{"ed25519:" + c.device: "signature"}},
	}
}

// signingKey is a key that belongs to a name.
func signingKey(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func publicKey(name string) string {
	return matrix.EncodeBase64(signingKey(name).Public().(ed25519.PublicKey))
}

// crossSigningKey is one of a user's three keys, the one with a name, signed by those with others.
func (c *client) crossSigningKey(usage, name string, by ...string) object {
	c.t.Helper()
	public := publicKey(name)
	raw, err := json.Marshal(object{"user_id": c.user, "usage": []string{usage}, "keys": object{"ed25519:" + public: public}})
	for _, signer := range by {
		if err == nil {
			raw, err = matrix.SignJSON(raw, matrix.ServerName(c.user), matrix.KeyID("ed25519:"+publicKey(signer)), signingKey(signer))
		}
	}
	var key object
	if err == nil {
		err = json.Unmarshal(raw, &key)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return key
}

func (c *client) uploadKeys(oneTime ...string) object {
	c.t.Helper()
	keys := object{}
	for _, id := range oneTime {
		keys["signed_curve25519:"+id] = object{"key": id, "signatures": object{}}
	}
	return c.must("POST", "/v3/keys/upload", object{
		"device_keys": c.deviceKeys(), "one_time_keys": keys,
		"fallback_keys": object{"signed_curve25519:last": object{"key": "last", "fallback": true, "signatures": object{}}},
	})
}

// together puts two users of two servers into an encrypted room.
func together(t *testing.T) (net *network, alice, bob *client, room string) {
	net, alice, bob = federated(t)
	room = alice.createRoom(object{"preset": "public_chat", "initial_state": []object{{
		"type": "m.room.encryption", "content": object{"algorithm": "m.megolm.v1.aes-sha2"},
	}}})
	bob.must("POST", "/v3/join/"+esc(room)+"?via=hs0", nil)
	synctest.Wait()
	return net, alice, bob, room
}

func (c *client) newest() string {
	c.t.Helper()
	return c.sync("timeout=0")["next_batch"].(string)
}

func texts(v any) []string {
	var found []string
	items, _ := v.([]any)
	for _, item := range items {
		found = append(found, fmt.Sprint(item))
	}
	return found
}

func TestKeysOverFederation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net, alice, bob, _ := together(t)
		since := bob.newest()
		if got := dig(alice.uploadKeys("A", "B"), "one_time_key_counts", "signed_curve25519"); got != 2.0 {
			t.Errorf("alice has %v one-time keys", got)
		}
		synctest.Wait()
		got := bob.sync("since=" + since)
		if changed := texts(dig(got, "device_lists", "changed")); !slices.Equal(changed, []string{alice.user}) {
			t.Errorf("changed: %v", got)
		}
		query := object{"device_keys": object{alice.user: []string{}}}
		keys := bob.must("POST", "/v3/keys/query", query)
		if dig(keys, "device_keys", alice.user, alice.device, "keys", "ed25519:"+alice.device) != "fingerprint of "+alice.user {
			t.Errorf("alice's keys: %v", keys)
		}

		claim := object{"one_time_keys": object{alice.user: object{alice.device: "signed_curve25519"}}}
		for i, want := range []string{"A", "B", "last", "last"} {
			claimed := bob.must("POST", "/v3/keys/claim", claim)
			if dig(claimed, "one_time_keys", alice.user, alice.device, "signed_curve25519:"+want, "key") != want {
				t.Errorf("claim %d: %v", i, claimed)
			}
		}
		after := alice.sync("")
		if dig(after, "device_one_time_keys_count", "signed_curve25519") != 0.0 || len(texts(after["device_unused_fallback_key_types"])) != 0 {
			t.Errorf("what alice learns of her keys: %v", after)
		}

		// Keys once told are there while the other server is not; one-time keys are not.
		net.part(true)
		keys = bob.must("POST", "/v3/keys/query", query)
		if dig(keys, "device_keys", alice.user, alice.device) == nil {
			t.Errorf("alice's keys while her server is away: %v", keys)
		}
		if claimed := bob.must("POST", "/v3/keys/claim", claim); dig(claimed, "failures", "hs0") == nil {
			t.Errorf("a claim at a server that is away: %v", claimed)
		}
		alice.must("PUT", "/v3/devices/"+alice.device, object{"display_name": "phone"})
		time.Sleep(time.Second)
		net.part(false)
		time.Sleep(time.Minute)
		keys = bob.must("POST", "/v3/keys/query", query)
		if dig(keys, "device_keys", alice.user, alice.device, "unsigned", "device_display_name") != "phone" {
			t.Errorf("the device's new name has not come: %v", keys)
		}
		since = bob.newest()
		alice.must("POST", "/v3/logout", nil)
		synctest.Wait()
		if changed := texts(dig(bob.sync("since="+since), "device_lists", "changed")); !slices.Equal(changed, []string{alice.user}) {
			t.Errorf("changed after alice's logout: %v", changed)
		}
		keys = bob.must("POST", "/v3/keys/query", query)
		if devices, _ := dig(keys, "device_keys", alice.user).(object); len(devices) != 0 {
			t.Errorf("alice's devices after her logout: %v", devices)
		}
	})
}

func TestKeyUploadRefused(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice := newClient(t, server, api, "alice")
	alice.uploadKeys("A")
	foreign := alice.deviceKeys()
	foreign["device_id"] = "OTHER"
	for name, body := range map[string]object{
		"foreign-device":  {"device_keys": foreign},
		"no-algorithm":    {"one_time_keys": object{"A": "key"}},
		"another-key":     {"one_time_keys": object{"signed_curve25519:A": object{"key": "other"}}},
		"bad-fallback-id": {"fallback_keys": object{"A": "key"}},
	} {
		t.Run(name, func(t *testing.T) { alice.refused("POST", "/v3/keys/upload", body, 400, "M_INVALID_PARAM") })
	}
	alice.uploadKeys("A") // the same again is no conflict
}

func TestToDeviceOverFederation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net, alice, bob, _ := together(t)
		since := bob.newest()
		send := func(txn, device string) {
			alice.must("PUT", "/v3/sendToDevice/m.test/"+txn, object{
				"messages": object{bob.user: object{device: object{"n": txn}}},
			})
		}
		send("1", bob.device)
		send("1", bob.device) // a repetition
		send("2", "*")
		send("3", "NONE")
		net.part(true)
		send("4", bob.device)
		time.Sleep(time.Minute)
		net.part(false)
		time.Sleep(time.Minute)
		got := bob.sync("since=" + since)
		var came []string
		for _, event := range list(got, "to_device", "events") {
			came = append(came, fmt.Sprint(event["sender"], event["type"], dig(event, "content", "n")))
		}
		who := alice.user + "m.test"
		if !slices.Equal(came, []string{who + "1", who + "2", who + "4"}) {
			t.Errorf("bob's device got %q", came)
		}
		if again := bob.sync("since=" + since); len(list(again, "to_device", "events")) != 3 {
			t.Errorf("a sync that is repeated lost messages: %v", again)
		}
		if after := bob.sync("since=" + got["next_batch"].(string)); after["to_device"] != nil {
			t.Errorf("messages came twice: %v", after)
		}
	})
}

func TestCrossSigning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, alice, bob, _ := together(t)
		alice.uploadKeys()
		since := bob.newest()
		upload := object{
			"master_key": alice.crossSigningKey("master", "M"), "self_signing_key": alice.crossSigningKey("self_signing", "S", "M"),
			"user_signing_key": alice.crossSigningKey("user_signing", "U", "M"),
		}
		alice.must("POST", "/v3/keys/device_signing/upload", upload)
		signed := alice.deviceKeys()
		signed["signatures"] = object{alice.user: object{"ed25519:S": "by S"}}
		master := alice.crossSigningKey("master", "M")
		master["signatures"] = object{alice.user: object{"ed25519:" + alice.device: "by the device"}}
		result := alice.must("POST", "/v3/keys/signatures/upload", object{alice.user: object{
			alice.device: signed, publicKey("M"): master, "NONE": signed,
		}})
		if failures, _ := dig(result, "failures", alice.user).(object); len(failures) != 1 || failures["NONE"] == nil {
			t.Errorf("refused signatures: %v", result)
		}
		synctest.Wait()
		if changed := texts(dig(bob.sync("since="+since), "device_lists", "changed")); !slices.Equal(changed, []string{alice.user}) {
			t.Errorf("changed: %v", changed)
		}
		query := object{"device_keys": object{alice.user: []string{}}}
		seen := bob.must("POST", "/v3/keys/query", query)
		if dig(seen, "device_keys", alice.user, alice.device, "signatures", alice.user, "ed25519:S") != "by S" ||
			dig(seen, "device_keys", alice.user, alice.device, "signatures", alice.user, "ed25519:"+alice.device) != "signature" ||
			dig(seen, "master_keys", alice.user, "signatures", alice.user, "ed25519:"+alice.device) != "by the device" ||
			dig(seen, "self_signing_keys", alice.user) == nil || dig(seen, "user_signing_keys", alice.user) != nil {
			t.Errorf("what bob sees: %v", seen)
		}
		if own := alice.must("POST", "/v3/keys/query", query); dig(own, "user_signing_keys", alice.user) == nil {
			t.Errorf("what alice sees: %v", own)
		}

		// The master key must be there, and must have signed the others.
		for signer, errcode := range map[string]string{"": "M_MISSING_PARAM", "S": "M_INVALID_SIGNATURE", "none": "M_INVALID_SIGNATURE"} {
			keys := object{"master_key": bob.crossSigningKey("master", "BM"), "self_signing_key": bob.crossSigningKey("self_signing", "BS", "S")}
			switch signer {
			case "":
				keys = object{"self_signing_key": bob.crossSigningKey("self_signing", "BS", "BM")}
			case "none":
				keys["self_signing_key"] = bob.crossSigningKey("self_signing", "BS")
			}
			bob.refused("POST", "/v3/keys/device_signing/upload", keys, 400, errcode)
		}

		// Bob's signature on alice's key is for bob alone.
		bob.must("POST", "/v3/keys/device_signing/upload", object{"master_key": bob.crossSigningKey("master", "BM")})
		bob.must("POST", "/v3/keys/device_signing/upload", object{
			"user_signing_key": bob.crossSigningKey("user_signing", "BU", "BM"),
			"auth":             object{"type": "m.login.password", "password": "secret", "identifier": object{"type": "m.id.user", "user": "bob"}},
		})
		master["signatures"] = object{bob.user: object{"ed25519:BU": "by bob"}}
		bob.must("POST", "/v3/keys/signatures/upload", object{alice.user: object{publicKey("M"): master}})
		if got := dig(bob.must("POST", "/v3/keys/query", query), "master_keys", alice.user, "signatures", bob.user, "ed25519:BU"); got != "by bob" {
			t.Errorf("bob's signature, for bob: %v", got)
		}
		if got := dig(alice.must("POST", "/v3/keys/query", query), "master_keys", alice.user, "signatures", bob.user); got != nil {
			t.Errorf("bob's signature, for alice: %v", got)
		}

		// Other keys in place of these need the password; the same ones do not.
		alice.must("POST", "/v3/keys/device_signing/upload", upload)
		other := object{"master_key": alice.crossSigningKey("master", "M2")}
		if status, answer := alice.do("POST", "/v3/keys/device_signing/upload", other); status != http.StatusUnauthorized || answer["flows"] == nil {
			t.Errorf("a new master key without the password: %d %v", status, answer)
		}
		other["auth"] = object{"type": "m.login.password", "password": "secret", "identifier": object{"type": "m.id.user", "user": "alice"}}
		alice.must("POST", "/v3/keys/device_signing/upload", other)
		alice.refused("POST", "/v3/keys/device_signing/upload", object{
			"master_key": bob.crossSigningKey("master", "X"), "auth": other["auth"],
		}, 400, "M_INVALID_PARAM")
	})
}

// TestDeviceListsOfRooms: who comes into an encrypted room is to be asked about, who goes to be forgotten.
func TestDeviceListsOfRooms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, alice, bob := federated(t)
		plain := alice.createRoom(object{"preset": "public_chat"})
		since := alice.newest()
		bob.must("POST", "/v3/join/"+esc(plain)+"?via=hs0", nil)
		synctest.Wait()
		got := alice.sync("since=" + since)
		if got["device_lists"] != nil {
			t.Errorf("a room without encryption: %v", got["device_lists"])
		}
		since = got["next_batch"].(string)
		from := since
		alice.setState(plain, "m.room.encryption", "", object{"algorithm": "m.megolm.v1.aes-sha2"})
		got = alice.sync("since=" + since)
		if changed := texts(dig(got, "device_lists", "changed")); !slices.Contains(changed, bob.user) {
			t.Errorf("when the room becomes encrypted: %v", got["device_lists"])
		}
		since = got["next_batch"].(string)
		changes := alice.must("GET", "/v3/keys/changes?from="+from+"&to="+since, nil)
		if !slices.Contains(texts(changes["changed"]), bob.user) {
			t.Errorf("keys/changes: %v", changes)
		}
		bob.must("POST", "/v3/rooms/"+esc(plain)+"/leave", nil)
		synctest.Wait()
		got = alice.sync("since=" + since)
		if left := texts(dig(got, "device_lists", "left")); !slices.Equal(left, []string{bob.user}) {
			t.Errorf("when bob leaves: %v", got["device_lists"])
		}
	})
}

// TestKeysOfStrangers: what changed while two servers shared no room is asked for when they do again, whoever went away
// in between.
func TestKeysOfStrangers(t *testing.T) {
	for _, name := range []string{"asker-leaves", "other-leaves"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, alice, bob, room := together(t)
				asker, other := alice, bob // bob leaves, and comes back through alice's server
				if name == "asker-leaves" {
					asker, other = bob, alice
				}
				other.uploadKeys()
				synctest.Wait()
				nameOf := func() any {
					answer := asker.must("POST", "/v3/keys/query", object{"device_keys": object{other.user: []string{}}})
					return dig(answer, "device_keys", other.user, other.device, "unsigned", "device_display_name")
				}
				if got := nameOf(); got != nil {
					t.Fatalf("at first the device is called %v", got)
				}
				bob.must("POST", "/v3/rooms/"+esc(room)+"/leave", nil)
				synctest.Wait()
				other.must("PUT", "/v3/devices/"+other.device, object{"display_name": "new"})
				bob.must("POST", "/v3/join/"+esc(room)+"?via=hs0", nil)
				synctest.Wait()
				if got := nameOf(); got != "new" {
					t.Errorf("when they meet again the device is called %v", got)
				}
			})
		})
	}
}

func TestKeyBackup(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice := newClient(t, server, api, "alice")
	alice.refused("GET", "/v3/room_keys/version", nil, 404, "M_NOT_FOUND")
	info := object{"algorithm": "m.megolm_backup.v1.curve25519-aes-sha2", "auth_data": object{"public_key": "x"}}
	if version := alice.must("POST", "/v3/room_keys/version", info)["version"]; version != "1" {
		t.Fatalf("the first version is %v", version)
	}
	key := func(first int, verified bool) object {
		return object{"first_message_index": first, "forwarded_count": 0, "is_verified": verified, "session_data": object{}}
	}
	put := func(path string, body object) object {
		return alice.must("PUT", "/v3/room_keys/keys"+path+"?version=1", body)
	}
	if got := put("", object{"rooms": object{"!r": object{"sessions": object{"a": key(5, false), "b": key(0, false)}}}}); got["count"] != 2.0 {
		t.Errorf("after two keys: %v", got)
	}
	etag := put("/!r/a", key(9, false))["etag"]
	if better := put("/!r/a", key(3, false))["etag"]; better == etag {
		t.Error("a better key changed nothing")
	}
	put("/!r", object{"sessions": object{"a": key(7, true)}})
	if got := alice.must("GET", "/v3/room_keys/keys/!r/a?version=1", nil); got["first_message_index"] != 7.0 {
		t.Errorf("the key that stays: %v", got)
	}
	alice.refused("PUT", "/v3/room_keys/keys?version=7", object{"rooms": object{}}, 404, "M_NOT_FOUND")
	alice.must("POST", "/v3/room_keys/version", info)
	alice.refused("PUT", "/v3/room_keys/keys?version=1", object{"rooms": object{}}, 403, "M_WRONG_ROOM_KEYS_VERSION")
	if got := alice.must("GET", "/v3/room_keys/version", nil)["version"]; got != "2" {
		t.Errorf("the current version: %v", got)
	}
	if got := alice.must("DELETE", "/v3/room_keys/keys/!r/a?version=1", nil)["count"]; got != 1.0 {
		t.Errorf("after a key was deleted: %v", got)
	}
	if rooms := alice.must("GET", "/v3/room_keys/keys?version=1", nil); dig(rooms, "rooms", "!r", "sessions", "b") == nil {
		t.Errorf("all keys: %v", rooms)
	}
	alice.must("PUT", "/v3/room_keys/version/2", info)
	alice.must("DELETE", "/v3/room_keys/version/2", nil)
	if got := alice.must("GET", "/v3/room_keys/version", nil)["version"]; got != "1" {
		t.Errorf("the current version after the newest was deleted: %v", got)
	}
}
