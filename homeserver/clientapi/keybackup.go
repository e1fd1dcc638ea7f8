package clientapi

import (
	"encoding/json"
	"errors"
	"net/http"

	"meshsim/homeserver"
)

// The endpoints of server-side key backups (client-server API, server-side key backups).

func createBackup(c *call) (any, error) {
	info, err := c.backupInfo()
	if err != nil {
		return nil, err
	}
	version, err := c.server.CreateBackup(c.user(), info)
	if err != nil {
		return nil, err
	}
	return map[string]string{"version": version}, nil
}

func (c *call) backupInfo() (homeserver.BackupInfo, error) {
	var in homeserver.BackupInfo
	if err := c.decode(&in); err != nil {
		return in, err
	}
	if in.Algorithm == "" || len(in.AuthData) == 0 {
		return in, missing("the backup lacks algorithm or auth_data")
	}
	return in, nil
}

func getBackup(c *call) (any, error) {
	return c.server.BackupOf(c.user(), c.vars["version"])
}

func putBackup(c *call) (any, error) {
	info, err := c.backupInfo()
	if err != nil {
		return nil, err
	}
	return empty{}, c.server.UpdateBackup(c.user(), c.vars["version"], info)
}

func deleteBackup(c *call) (any, error) {
	return empty{}, c.server.DeleteBackup(c.user(), c.vars["version"])
}

// backupRoom are the sessions of a room as they are sent.
type backupRoom struct {
	Sessions map[string]json.RawMessage `json:"sessions"`
}

// changedBackup is the answer to a change of a backup's keys.
type changedBackup struct {
	Count int    `json:"count"`
	ETag  string `json:"etag"`
}

func putBackupKeys(c *call) (any, error) {
	keys, err := c.backupKeys()
	if err != nil {
		return nil, err
	}
	version := c.query("version")
	if version == "" {
		return nil, missing("the request does not say which backup: give version")
	}
	status, err := c.server.StoreKeys(c.user(), version, keys)
	if wrong := (*homeserver.WrongBackupError)(nil); errors.As(err, &wrong) {
		failure := errorf(http.StatusForbidden, "M_WRONG_ROOM_KEYS_VERSION", "%v", err)
		failure.extra = map[string]any{"current_version": wrong.Current}
		return nil, failure
	}
	return changedBackup{status.Count, status.ETag}, err
}

// backupKeys reads the keys from the body, whose form depends on whether the path names a room or a session.
func (c *call) backupKeys() (homeserver.BackedUp, error) {
	room, session := c.vars["roomId"], c.vars["sessionId"]
	switch {
	case session != "":
		body, err := c.body()
		return homeserver.BackedUp{room: {session: body}}, err
	case room != "":
		var in backupRoom
		err := c.decode(&in)
		return homeserver.BackedUp{room: in.Sessions}, err
	}
	var in struct {
		Rooms map[string]backupRoom `json:"rooms"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	keys := homeserver.BackedUp{}
	for room, sessions := range in.Rooms {
		keys[room] = sessions.Sessions
	}
	return keys, nil
}

func getBackupKeys(c *call) (any, error) {
	room, session := c.vars["roomId"], c.vars["sessionId"]
	keys, err := c.server.StoredKeys(c.user(), c.query("version"), room, session)
	if err != nil {
		return nil, err
	}
	if session != "" {
		if key := keys[room][session]; key != nil {
			return key, nil
		}
		return nil, notFound("the backup has no key of session %s", session)
	}
	if room != "" {
		return showBackupRoom(keys[room]), nil
	}
	rooms := map[string]backupRoom{}
	for id, sessions := range keys {
		rooms[id] = showBackupRoom(sessions)
	}
	return map[string]any{"rooms": rooms}, nil
}

func showBackupRoom(sessions map[string]json.RawMessage) backupRoom {
	if sessions == nil {
		sessions = map[string]json.RawMessage{}
	}
	return backupRoom{sessions}
}

func deleteBackupKeys(c *call) (any, error) {
	status, err := c.server.DeleteKeys(c.user(), c.query("version"), c.vars["roomId"], c.vars["sessionId"])
	return changedBackup{status.Count, status.ETag}, err
}
