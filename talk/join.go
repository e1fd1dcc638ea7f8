package talk

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"
)

const (
	// maxVia is how many servers a join names that may help with it.
	maxVia = 4
	// maxHosts is how many servers all joins of a room go through. Each of them tells everybody of those that it let
	// in: many at a time over one connection to each, where few do it, and one or two over a connection to each from
	// everybody where everybody does, which takes a million connections in a room of a thousand.
	maxHosts = 2
)

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
	room := t.rooms[i]
	newcomers := missing(room, servers)
	if len(newcomers) == 0 || t.closed {
		return room, nil
	}
	room = t.setLocked(room, newcomers)
	for _, m := range newcomers {
		t.wait.Go(func() { t.join(roomID, m.Server) })
	}
	return room, nil
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

func (t *Talk) joinInTurn(roomID string, server int) error {
	select {
	case t.joins <- struct{}{}:
		defer func() { <-t.joins }()
	case <-t.ctx.Done():
		return t.ctx.Err()
	}
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

func (t *Talk) joinOnce(ctx context.Context, roomID string, server int) error {
	return t.accounts.ask(ctx, call{
		server: server,
		what:   "to join the room",
		method: http.MethodPost,
		path:   "/_matrix/client/v3/join/" + url.PathEscape(roomID) + "?" + t.via(roomID, server).Encode(),
		body:   struct{}{},
	}, nil)
}

// via names servers that are in the room: its hosts, beginning at another one for each newcomer, so that not all ask the
// same, and behind them some that a newcomer may turn to when no host is reached.
// Both names of the parameter are given: "via" came with version 1.12 of the client-server specification, before
// that it was "server_name".
func (t *Talk) via(roomID string, newcomer int) url.Values {
	query := make(url.Values)
	room, err := t.Room(roomID)
	if err != nil {
		return query
	}
	hosts, others := t.hosts(room)
	for i := range hosts {
		addVia(query, hosts[(newcomer+i)%len(hosts)])
	}
	for i := range min(len(others), maxVia-len(hosts)) {
		addVia(query, others[(newcomer+i)%len(others)])
	}
	return query
}

func addVia(query url.Values, name string) {
	query.Add("via", name)
	query.Add("server_name", name)
}

// hosts returns the names of those that newcomers are to ask, the first members whose servers run, and of the other
// members.
func (t *Talk) hosts(room *Room) (hosts, others []string) {
	for _, m := range room.Members {
		name, ok := t.servers.Name(m.Server)
		if !ok || m.State != Joined {
			continue
		}
		if _, err := t.servers.Client(m.Server); err == nil && len(hosts) < maxHosts {
			hosts = append(hosts, name)
			continue
		}
		others = append(others, name)
	}
	return hosts, others
}
