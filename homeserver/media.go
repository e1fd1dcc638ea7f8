package homeserver

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"meshsim/matrix"
)

const (
	// MaxMedia bounds one file, in bytes.
	MaxMedia = 50 << 20
	// maxStoredMedia bounds what a server's own users have uploaded, in bytes.
	maxStoredMedia = 1 << 30
	// maxCachedMedia bounds what is kept of other servers' media, in bytes.
	maxCachedMedia = 64 << 20
	// mediaOverhead is what a file counts beside its content, so that empty ones do not fill the memory either.
	mediaOverhead = 1 << 10
	// maxReserved bounds the ids that a user has reserved and not uploaded to.
	maxReserved = 100
	// reservedFor is how long an id may be uploaded to.
	reservedFor = 24 * time.Hour
)

// Media is a file: an attachment or an avatar. It is immutable.
type Media struct {
	Type    string // MIME type as the uploader said, may be empty
	Name    string // of the file, may be empty
	Content []byte
}

// size is what the file counts in a store, in bytes.
func (m Media) size() int64 { return int64(len(m.Content)) + mediaOverhead }

// mediaStore are the files of a server's users and those of others that they have looked at. The zero value is
// empty.
type mediaStore struct {
	mu     sync.Mutex
	own    map[string]*upload // by media id
	stored int64              // bytes of own
	cache  map[string]Media   // of other servers, by server and id
	order  []string           // of cache, oldest first
	cached int64              // bytes of cache
}

// upload is a file or, while done is open, the promise of one. media is valid when done is closed.
type upload struct {
	user  string
	done  chan struct{}
	until time.Time // a reservation ends
	media Media
}

func (u *upload) complete() bool {
	select {
	case <-u.done:
		return true
	default:
		return false
	}
}

// AddMedia keeps a file that a local user uploads and returns its media id.
func (s *Server) AddMedia(user string, media Media) (id string, err error) {
	m := &s.users.media
	m.mu.Lock()
	defer m.mu.Unlock()
	up := &upload{user: user, done: make(chan struct{})}
	if err := m.fillLocked(up, media); err != nil {
		return "", err
	}
	id = m.addLocked(up)
	s.keepMedia(id, up)
	return id, nil
}

// ReserveMedia returns a media id that the user will upload to, and until when.
func (s *Server) ReserveMedia(user string) (id string, until time.Time, err error) {
	m := &s.users.media
	m.mu.Lock()
	defer m.mu.Unlock()
	now, open := time.Now(), 0
	for id, up := range m.own {
		switch {
		case up.user != user || up.complete():
		case up.until.Before(now):
			delete(m.own, id)
			s.Drop(kindMedia, id)
		default:
			open++
		}
	}
	if open >= maxReserved {
		return "", time.Time{}, failf(LimitExceeded, "%s has %d media ids reserved already: upload to them first", user, open)
	}
	until = now.Add(reservedFor)
	up := &upload{user: user, done: make(chan struct{}), until: until}
	id = m.addLocked(up)
	s.keepMedia(id, up)
	return id, until, nil
}

// FillMedia uploads to a reserved media id, once.
func (s *Server) FillMedia(user, id string, media Media) error {
	m := &s.users.media
	m.mu.Lock()
	defer m.mu.Unlock()
	up := m.own[id]
	switch {
	case up == nil || !up.complete() && up.until.Before(time.Now()):
		return failf(NotFound, "the media id %s is not reserved", id)
	case up.user != user:
		return failf(Forbidden, "the media id %s is reserved for somebody else", id)
	case up.complete():
		return failf(CannotOverwrite, "the media id %s has been uploaded to already", id)
	}
	if err := m.fillLocked(up, media); err != nil {
		return err
	}
	s.keepMedia(id, up)
	return nil
}

func (m *mediaStore) fillLocked(up *upload, media Media) error {
	if len(media.Content) > MaxMedia {
		return failf(TooLarge, "the file has more than %d bytes", MaxMedia)
	}
	size := media.size()
	if m.stored+size > maxStoredMedia {
		return failf(TooLarge, "this server has no room for %d bytes more: it keeps %d", size, maxStoredMedia)
	}
	m.stored += size
	up.media = media
	close(up.done)
	return nil
}

func (m *mediaStore) addLocked(up *upload) (id string) {
	id = rand.Text()
	m.putLocked(id, up)
	return id
}

func (m *mediaStore) putLocked(id string, up *upload) {
	if m.own == nil {
		m.own = map[string]*upload{}
	}
	m.own[id] = up
}

// LocalMedia returns a file of this server, waiting for one that is reserved until ctx ends: then it fails with
// NotYetUploaded.
func (s *Server) LocalMedia(ctx context.Context, id string) (Media, error) {
	m := &s.users.media
	m.mu.Lock()
	up := m.own[id]
	m.mu.Unlock()
	if up == nil {
		return Media{}, failf(NotFound, "this server has no media %s", id)
	}
	select {
	case <-up.done:
		return up.media, nil
	case <-ctx.Done():
		return Media{}, failf(NotYetUploaded, "the media %s has not been uploaded yet", id)
	}
}

// MediaOf returns a file of any server, asking that server when it is another.
func (s *Server) MediaOf(ctx context.Context, server, id string) (Media, error) {
	if server == s.cfg.Name {
		return s.LocalMedia(ctx, id)
	}
	if !matrix.ServerName(server).Valid() {
		return Media{}, failf(InvalidParam, "%q is no server name", server)
	}
	m, key := &s.users.media, server+"/"+id
	m.mu.Lock()
	media, ok := m.cache[key]
	m.mu.Unlock()
	if ok {
		return media, nil
	}
	if s.cfg.Remote == nil {
		return Media{}, failf(Unreachable, "this server has no federation to ask %s", server)
	}
	media, err := s.cfg.Remote.Media(ctx, server, id)
	if err != nil {
		return Media{}, err
	}
	m.keep(key, media)
	return media, nil
}

// keep caches a file of another server in place of the oldest ones.
func (m *mediaStore) keep(key string, media Media) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.cache[key]; known || media.size() > maxCachedMedia {
		return
	}
	if m.cache == nil {
		m.cache = map[string]Media{}
	}
	m.cache[key] = media
	m.order = append(m.order, key)
	m.cached += media.size()
	for m.cached > maxCachedMedia {
		m.cached -= m.cache[m.order[0]].size()
		delete(m.cache, m.order[0])
		m.order = m.order[1:]
	}
}
