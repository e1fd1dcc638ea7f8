package gateway

import (
	"crypto/sha256"
	"encoding/json"
	"strings"
	"sync"

	"meshsim/matrix"
	"meshsim/matrix/event"
	"meshsim/telemetry"
)

// Rooms is what gateways know of rooms: the version of each, which an event's id depends on, and the events seen
// last. It is shared by the gateways of a process, so that an event sent to a hundred servers is parsed and hashed
// once; and how events leave each server. It is safe for concurrent use.
type Rooms struct {
	departures departures

	mu       sync.Mutex // guards what follows
	versions versions
	earlier  versions // not used since versions was begun
	recent   generation
	older    generation
}

// versions are the versions of rooms by their ids.
type versions map[string]known

// known is what is known of a room's version. What the room's own server says stands for good; of what others say, which
// nobody has verified, the first does.
type known struct {
	version *matrix.RoomVersion // nil for nothing
	own     bool                // the room's own server has said it
}

// recentRooms is how many rooms' versions are remembered at least: whoever sends something can name any number of rooms.
const recentRooms = 16384

// generation is a set of events.
type generation struct {
	bySum map[[sha256.Size]byte]*telemetry.Event // by the hash of what was sent
	byID  map[string]*telemetry.Event
}

func newGeneration() generation {
	return generation{bySum: make(map[[sha256.Size]byte]*telemetry.Event), byID: make(map[string]*telemetry.Event)}
}

// recentEvents is how many events are remembered at least.
const recentEvents = 4096

// NewRooms returns an empty Rooms.
func NewRooms() *Rooms {
	return &Rooms{versions: make(versions), recent: newGeneration()}
}

// Learn notes the version of a room as a server says it, which is empty where it is not known who does. Versions that are
// not known are ignored, and so is what contradicts something better.
func (r *Rooms) Learn(roomID, version, by string) {
	v, err := matrix.LookupRoomVersion(version)
	if err != nil || roomID == "" {
		return
	}
	_, domain, _ := strings.Cut(roomID, ":")
	said := known{version: v, own: domain != "" && domain == by}
	r.mu.Lock()
	defer r.mu.Unlock()
	if before := r.versionLocked(roomID); before.version == nil || said.own && !before.own {
		r.keepVersionLocked(roomID, said)
	}
}

// keepVersionLocked notes a version; of two maps the one whose rooms were not used lately is dropped when the other is
// full.
func (r *Rooms) keepVersionLocked(roomID string, k known) {
	if len(r.versions) >= recentRooms && r.versions[roomID].version == nil {
		r.earlier, r.versions = r.versions, make(versions)
	}
	r.versions[roomID] = k
}

// versionLocked returns what is known of a room's version.
func (r *Rooms) versionLocked(roomID string) known {
	if k := r.versions[roomID]; k.version != nil {
		return k
	}
	k := r.earlier[roomID]
	if k.version != nil {
		r.keepVersionLocked(roomID, k)
	}
	return k
}

// version returns a room's version. Where nothing has said it yet, a room id without a domain is of version 12;
// the versions before differ in what redaction leaves of a few kinds of events, and 11 is what servers create.
func (r *Rooms) version(roomID string) *matrix.RoomVersion {
	r.mu.Lock()
	known := r.versionLocked(roomID)
	r.mu.Unlock()
	if known.version != nil {
		return known.version
	}
	guess := "11"
	if !strings.Contains(roomID, ":") {
		guess = "12"
	}
	v, err := matrix.LookupRoomVersion(guess)
	if err != nil {
		panic(err) // a constant
	}
	return v
}

// Event describes a PDU in the federation format that a server sends, which is empty where it is not known, and is nil when
// it is none.
func (r *Rooms) Event(raw json.RawMessage, by string) *telemetry.Event {
	key := sha256.Sum256(raw)
	if e := r.remembered(key); e != nil {
		return e
	}
	e := r.parse(raw, by)
	if e != nil {
		r.remember(key, e)
	}
	return e
}

func (r *Rooms) remembered(key [sha256.Size]byte) *telemetry.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.recent.bySum[key]; e != nil {
		return e
	}
	return r.older.bySum[key]
}

// remember keeps e; of two generations the older one is dropped when the younger is full.
func (r *Rooms) remember(key [sha256.Size]byte, e *telemetry.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turnLocked()
	r.recent.bySum[key] = e
	r.recent.byID[e.ID] = e
}

func (r *Rooms) turnLocked() {
	if max(len(r.recent.bySum), len(r.recent.byID)) >= recentEvents {
		r.older, r.recent = r.recent, newGeneration()
	}
}

// Describe is the telemetry form of a PDU, the same one as for everybody else who saw the event lately.
func (r *Rooms) Describe(pdu *event.PDU) *telemetry.Event {
	id := string(pdu.ID())
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.recent.byID[id]; e != nil {
		return e
	}
	if e := r.older.byID[id]; e != nil {
		return e
	}
	e := describe(pdu, len(pdu.JSON()))
	r.turnLocked()
	r.recent.byID[id] = e
	return e
}

func (r *Rooms) parse(raw json.RawMessage, by string) *telemetry.Event {
	var head struct {
		Type    string `json:"type"`
		RoomID  string `json:"room_id"`
		Content struct {
			RoomVersion string `json:"room_version"`
		} `json:"content"`
	}
	// A content of another form than expected is none of our business.
	_ = json.Unmarshal(raw, &head)
	version := r.version(head.RoomID)
	if head.Type == string(matrix.TypeCreate) {
		if v, err := matrix.LookupRoomVersion(head.Content.RoomVersion); err == nil {
			version = v
		}
	}
	pdu, err := event.Parse(raw, version)
	if err != nil {
		return nil
	}
	if head.Type == string(matrix.TypeCreate) {
		r.Learn(string(pdu.RoomID()), version.ID, by)
	}
	return describe(pdu, len(raw))
}

// describe makes the telemetry form of a PDU that was sent as so many bytes of JSON.
func describe(pdu *event.PDU, bytes int) *telemetry.Event {
	e := &telemetry.Event{
		ID:     string(pdu.ID()),
		Type:   pdu.Type(),
		RoomID: string(pdu.RoomID()),
		Sender: string(pdu.Sender()),
		Bytes:  bytes,
	}
	if key, ok := pdu.StateKey(); ok {
		e.StateKey = &key
	}
	return e
}
