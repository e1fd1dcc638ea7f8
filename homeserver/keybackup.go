package homeserver

import (
	"encoding/json"
	"strconv"
)

// maxBackedUp bounds the sessions in the key backups of one user.
const maxBackedUp = 100_000

// backups are a user's key backups (client-server API, server-side key backups). The lock of users guards them.
type backups struct {
	newest   int
	versions map[int]*backup
	stored   int // sessions in all versions
}

type backup struct {
	info  BackupInfo
	rooms map[string]map[string]json.RawMessage // by room and session
	count int
	etag  int // counts changes
}

// BackupInfo says how the keys of a backup are encrypted.
type BackupInfo struct {
	Algorithm string          `json:"algorithm"`
	AuthData  json.RawMessage `json:"auth_data"`
}

// BackupStatus is what a client is told of a backup.
type BackupStatus struct {
	BackupInfo
	Version string `json:"version"`
	Count   int    `json:"count"`
	ETag    string `json:"etag"`
}

// BackedUp are encrypted session keys by room and session.
type BackedUp map[string]map[string]json.RawMessage

// CreateBackup begins a new version of a user's key backup, which is the current one from now on.
func (s *Server) CreateBackup(user string, info BackupInfo) (version string, err error) {
	err = s.withBackups(user, func(b *backups) error {
		if b.versions == nil {
			b.versions = map[int]*backup{}
		}
		b.newest++
		b.versions[b.newest] = &backup{info: info}
		s.Keep(kindBackups, storedBackups{user, b.newest}, user)
		s.keepBackupLocked(user, b.newest, b.versions[b.newest])
		version = strconv.Itoa(b.newest)
		return nil
	})
	return version, err
}

// UpdateBackup replaces the information about a backup; its algorithm stays.
func (s *Server) UpdateBackup(user, version string, info BackupInfo) error {
	return s.withBackup(user, version, func(_ *backups, number int, b *backup) error {
		if info.Algorithm != b.info.Algorithm {
			return failf(InvalidParam, "the backup has the algorithm %q, which cannot be changed to %q", b.info.Algorithm, info.Algorithm)
		}
		b.info = info
		s.keepBackupLocked(user, number, b)
		return nil
	})
}

// DeleteBackup deletes a version with its keys. The version is not used again.
func (s *Server) DeleteBackup(user, version string) error {
	return s.withBackup(user, version, func(all *backups, number int, b *backup) error {
		all.stored -= b.count
		s.dropBackupLocked(user, number, b)
		delete(all.versions, number)
		return nil
	})
}

// BackupOf returns a version of a user's key backup, the current one for "".
func (s *Server) BackupOf(user, version string) (status BackupStatus, err error) {
	err = s.withBackup(user, version, func(_ *backups, number int, b *backup) error {
		status = b.status(number)
		return nil
	})
	return status, err
}

func (b *backup) status(number int) BackupStatus {
	return BackupStatus{b.info, strconv.Itoa(number), b.count, strconv.Itoa(b.etag)}
}

// StoreKeys adds keys to the current backup, which version must name. Where a session is backed up already
// the better key stays.
func (s *Server) StoreKeys(user, version string, keys BackedUp) (status BackupStatus, err error) {
	err = s.withBackup(user, version, func(all *backups, number int, b *backup) error {
		if number != all.latest() {
			return &WrongBackupError{Asked: version, Current: strconv.Itoa(all.latest())}
		}
		for room, sessions := range keys {
			for session, key := range sessions {
				if all.stored >= maxBackedUp && b.rooms[room][session] == nil {
					return failf(TooLarge, "the key backups of %s have %d keys: no more are kept", user, maxBackedUp)
				}
				all.stored += b.put(room, session, key)
				s.keepSessionLocked(user, number, room, session, b.rooms[room][session])
			}
		}
		s.keepBackupLocked(user, number, b)
		status = b.status(number)
		return nil
	})
	return status, err
}

// WrongBackupError says that keys were meant for a backup that is not the current one.
type WrongBackupError struct{ Asked, Current string }

func (e *WrongBackupError) Error() string {
	return "the current version of the key backup is " + e.Current + ", not " + e.Asked
}

// put returns the number of keys that are there in addition.
func (b *backup) put(room, session string, key json.RawMessage) int {
	known := b.rooms[room][session]
	if known != nil && !better(key, known) {
		return 0
	}
	if b.rooms == nil {
		b.rooms = map[string]map[string]json.RawMessage{}
	}
	if b.rooms[room] == nil {
		b.rooms[room] = map[string]json.RawMessage{}
	}
	b.rooms[room][session] = key
	b.etag++
	if known != nil {
		return 0
	}
	b.count++
	return 1
}

// better decides which of two keys for a session is kept: verified ones, then those that reach further back,
// then those that went through fewer hands (client-server API, storing a key).
func better(key, than json.RawMessage) bool {
	type quality struct {
		Verified bool `json:"is_verified"`
		First    int  `json:"first_message_index"`
		Hands    int  `json:"forwarded_count"`
	}
	var a, b quality
	if json.Unmarshal(key, &a) != nil || json.Unmarshal(than, &b) != nil {
		return false
	}
	switch {
	case a.Verified != b.Verified:
		return a.Verified
	case a.First != b.First:
		return a.First < b.First
	}
	return a.Hands < b.Hands
}

// StoredKeys returns keys of a backup: those of a room and session, "" for all.
func (s *Server) StoredKeys(user, version, room, session string) (keys BackedUp, err error) {
	err = s.withBackup(user, version, func(_ *backups, _ int, b *backup) error {
		keys = BackedUp{}
		b.each(room, session, func(room, session string, key json.RawMessage) {
			if keys[room] == nil {
				keys[room] = map[string]json.RawMessage{}
			}
			keys[room][session] = key
		})
		return nil
	})
	return keys, err
}

// each yields the keys of a room and session, "" for all.
func (b *backup) each(room, session string, yield func(room, session string, key json.RawMessage)) {
	for r, sessions := range b.rooms {
		if room != "" && r != room {
			continue
		}
		for id, key := range sessions {
			if session == "" || id == session {
				yield(r, id, key)
			}
		}
	}
}

// DeleteKeys removes keys from a backup: those of a room and session, "" for all.
func (s *Server) DeleteKeys(user, version, room, session string) (status BackupStatus, err error) {
	err = s.withBackup(user, version, func(all *backups, number int, b *backup) error {
		before := b.count
		b.each(room, session, func(room, session string, _ json.RawMessage) {
			delete(b.rooms[room], session)
			s.dropSessionLocked(user, number, room, session)
			b.count--
		})
		if b.count != before {
			b.etag++
			s.keepBackupLocked(user, number, b)
		}
		all.stored -= before - b.count
		status = b.status(number)
		return nil
	})
	return status, err
}

func (s *Server) withBackups(user string, do func(*backups) error) error {
	s.users.mu.Lock()
	defer s.users.mu.Unlock()
	a, err := s.users.accountLocked(user)
	if err != nil {
		return err
	}
	if a.backups == nil {
		a.backups = &backups{}
	}
	return do(a.backups)
}

func (s *Server) withBackup(user, version string, do func(all *backups, number int, b *backup) error) error {
	return s.withBackups(user, func(all *backups) error {
		number, err := strconv.Atoi(version)
		if version == "" {
			number, err = all.latest(), nil
		}
		b := all.versions[number]
		if err != nil || b == nil {
			return failf(NotFound, "%s has no key backup %q", user, version)
		}
		return do(all, number, b)
	})
}

// latest is the newest version that has not been deleted, 0 for none.
func (b *backups) latest() int {
	newest := 0
	for number := range b.versions {
		newest = max(newest, number)
	}
	return newest
}
