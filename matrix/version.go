package matrix

import (
	"fmt"
	"strings"
)

// StateResolution is the algorithm that merges diverging room states.
type StateResolution int

// The algorithms of room versions 2 to 11 and of room version 12.
const (
	StateResV2 StateResolution = iota + 1
	StateResV2_1
)

// RedactionRules is the set of properties that survive a redaction.
type RedactionRules int

// The rules of room version 9 (still in force in 10) and those of room version 11.
const (
	RedactionV9 RedactionRules = iota + 1
	RedactionV11
)

// RoomVersion lists how a room version differs from the others. Values are shared and must not be changed.
type RoomVersion struct {
	ID        string // as in m.room.create's room_version
	StateRes  StateResolution
	Redaction RedactionRules

	// RoomIDIsCreateHash: the room id is the create event's hash; the create event has no room_id and is
	// never among auth_events (version 12).
	RoomIDIsCreateHash bool
	// CreatorsPrivileged: the create event's sender and additional_creators have infinite power and may not
	// appear in m.room.power_levels (version 12).
	CreatorsPrivileged bool
	// CreatorInContent: m.room.create names its creator in content (before version 11).
	CreatorInContent bool
	// RedactsInContent: m.room.redaction names its target in content (version 11 on), before at the top level.
	RedactsInContent bool
}

// DefaultRoomVersion is the version the specification recommends for new rooms (room versions, July 2026).
const DefaultRoomVersion = "12"

var roomVersions = [...]RoomVersion{
	{ID: "10", StateRes: StateResV2, Redaction: RedactionV9, CreatorInContent: true},
	{ID: "11", StateRes: StateResV2, Redaction: RedactionV11, RedactsInContent: true},
	{
		ID: "12", StateRes: StateResV2_1, Redaction: RedactionV11, RedactsInContent: true,
		RoomIDIsCreateHash: true, CreatorsPrivileged: true,
	},
}

// UnsupportedVersionError names a room version that is not in the table.
type UnsupportedVersionError struct{ ID string }

func (e *UnsupportedVersionError) Error() string {
	return fmt.Sprintf("room version %q is not supported; use one of %s", e.ID, strings.Join(RoomVersions(), ", "))
}

// LookupRoomVersion finds a version by its id. The error is an *UnsupportedVersionError.
func LookupRoomVersion(id string) (*RoomVersion, error) {
	for i := range roomVersions {
		if roomVersions[i].ID == id {
			return &roomVersions[i], nil
		}
	}
	return nil, &UnsupportedVersionError{ID: id}
}

// RoomVersions lists the ids of all supported versions, oldest first.
func RoomVersions() []string {
	ids := make([]string, len(roomVersions))
	for i := range roomVersions {
		ids[i] = roomVersions[i].ID
	}
	return ids
}
