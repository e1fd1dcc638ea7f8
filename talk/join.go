package talk

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// maxVia is how many servers a join names that may help with it.
const maxVia = 4

// Join lets servers join a room, side by side, and returns at once with all of them "joining"; how they
// fare is seen in the room. Servers that have joined already, or are about to, are left alone; those that
// failed try again.
func (t *Talk) Join(roomID string, servers []int) (*Room, error) {
	if err := t.checkServers(servers); err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	i := t.indexLocked(roomID)
	if i < 0 {
		return nil, &UnknownRoomError{Room: roomID}
	}
	return t.joinLocked(t.rooms[i], servers), nil
}

// joinLocked returns the room with the newcomers, who are on their way.
func (t *Talk) joinLocked(room *Room, servers []int) *Room {
	newcomers := missing(room, servers)
	if len(newcomers) == 0 || t.closed {
		return room
	}
	for _, m := range newcomers {
		t.wait.Go(func() { t.join(room.ID, m.Server) })
	}
	return t.setLocked(room, newcomers)
}

// missing returns the servers that are not in the room nor on their way, each once, as joining members.
func missing(room *Room, servers []int) []Member {
	seen := make(map[int]bool, len(room.Members)+len(servers))
	for _, m := range room.Members {
		seen[m.Server] = m.State != Failed
	}
	var newcomers []Member
	for _, id := range servers {
		if seen[id] {
			continue
		}
		seen[id] = true
		newcomers = append(newcomers, Member{Server: id, State: Joining})
	}
	return newcomers
}

func (t *Talk) join(roomID string, server int) {
	outcome := Member{Server: server, State: Joined}
	if err := t.joinInTurn(roomID, server); err != nil {
		outcome.State, outcome.Reason = Failed, err.Error()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.setLocked(t.rooms[t.indexLocked(roomID)], []Member{outcome})
}

// holdFor is how long a join keeps its turn and its slots. Over slow links a join may take longer, but who never answers,
// such as a container that was stopped in its tracks, would keep everybody else out for as long as a join may take.
const holdFor = 15 * time.Minute

func (t *Talk) joinInTurn(roomID string, server int) error {
	if err := t.turns.enter(t.ctx, roomID, func() int { return t.most(roomID) }); err != nil {
		return err
	}
	release, err := t.joins.take(t.ctx, func() int { return t.joined(roomID) })
	if err != nil {
		t.turns.leave(roomID)
		return err
	}
	leave := sync.OnceFunc(func() {
		release()
		t.turns.leave(roomID)
	})
	defer leave()
	defer time.AfterFunc(holdFor, leave).Stop()
	ctx, cancel := context.WithTimeout(t.ctx, t.timeout)
	defer cancel()
	for pause := firstPause; ; pause *= 2 {
		err := t.joinOnce(ctx, roomID, server)
		if pause > lastPause || !unreachable(err) {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
	}
}

// Joins that reached no server of the room are tried again after these pauses: while many join at once, the links of
// the creator may be busy for minutes with telling everybody of everybody. By then others can help.
const (
	firstPause = 5 * time.Second
	lastPause  = 40 * time.Second
)

// unreachable is true when the homeserver says that no other server answered it.
func unreachable(err error) bool {
	var refused *RefusedError
	return errors.As(err, &refused) && refused.Status == http.StatusBadGateway
}

// joined counts the servers that are in a room.
func (t *Talk) joined(roomID string) (n int) {
	room, err := t.Room(roomID)
	if err != nil {
		return 0
	}
	for _, m := range room.Members {
		if m.State == Joined {
			n++
		}
	}
	return n
}

func (t *Talk) joinOnce(ctx context.Context, roomID string, server int) error {
	return t.accounts.ask(ctx, call{
		server: server,
		what:   "to join the room",
		method: http.MethodPost,
		path:   "/_matrix/client/v3/join/" + url.PathEscape(roomID) + "?" + t.via(roomID).Encode(),
		body:   struct{}{},
	}, nil)
}

// via names servers that are in the room, the same ones for all newcomers: the first members whose servers run, which are
// asked in this order until one lets the newcomer in. As long as the first is reached, all joins of a room go through it.
// It tells everybody of many newcomers at a time, over one connection to each, and in the order in which they joined, so
// that nobody has to wait or ask for what a join follows on. Were the joins spread over several servers, each would tell
// everybody of fewer, and what one tells would overtake what another tells that came before it; spread over all, they
// would take a million connections in a room of a thousand.
// Both names of the parameter are given: "via" came with version 1.12 of the client-server specification, before
// that it was "server_name".
func (t *Talk) via(roomID string) url.Values {
	query := make(url.Values)
	room, err := t.Room(roomID)
	if err != nil {
		return query
	}
	for _, server := range t.hosts(room) {
		name, _ := t.servers.Name(server)
		query.Add("via", name)
		query.Add("server_name", name)
	}
	return query
}

// hosts returns those that newcomers are to ask: the first members whose servers run and, where these are few, others.
func (t *Talk) hosts(room *Room) []int {
	var running, others []int
	for _, m := range room.Members {
		if _, ok := t.servers.Name(m.Server); !ok || m.State != Joined {
			continue
		}
		if _, err := t.servers.Client(m.Server); err != nil {
			others = append(others, m.Server)
			continue
		}
		if running = append(running, m.Server); len(running) == maxVia {
			return running
		}
	}
	all := append(running, others...)
	return all[:min(len(all), maxVia)]
}

// fewAtOnce is less than the branches that any homeserver is known to name.
const fewAtOnce = 8

// most is how many newcomers may be on their way into a room at a time, 0 for any number. Joins that know nothing of each
// other are branches of the room. Where a server is in it that names only some of many branches, there must not be many,
// or what it sends reaches some servers only with a later event. Where newcomers join through such a server, it tells those
// that come at the same time of each other only later too: so they come one by one.
func (t *Talk) most(roomID string) int {
	room, err := t.Room(roomID)
	if err != nil || !t.anyNamesFew(room) {
		return 0
	}
	if hosts := t.hosts(room); len(hosts) > 0 && !t.namesFew(hosts[0]) {
		return fewAtOnce
	}
	return 1
}

// anyNamesFew tells whether a server is or will be in a room that names few branches.
func (t *Talk) anyNamesFew(room *Room) bool {
	return slices.ContainsFunc(room.Members, func(m Member) bool { return t.namesFew(m.Server) })
}
