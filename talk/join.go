package talk

import (
	"context"
	"net/http"
	"net/url"
)

// maxVia is how many servers a join names that may help with it. The first is the room's creator.
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
	return t.accounts.ask(ctx, call{
		server: server,
		what:   "to join the room",
		method: http.MethodPost,
		path:   "/_matrix/client/v3/join/" + url.PathEscape(roomID) + "?" + t.via(roomID).Encode(),
		body:   struct{}{},
	}, nil)
}

// via names servers that are in the room. Both names of the parameter are given: "via" came with version
// 1.12 of the client-server specification, before that it was "server_name".
func (t *Talk) via(roomID string) url.Values {
	query := make(url.Values)
	room, err := t.Room(roomID)
	if err != nil {
		return query
	}
	for _, m := range room.Members {
		name, ok := t.servers.Name(m.Server)
		if !ok || m.State != Joined {
			continue
		}
		query.Add("via", name)
		query.Add("server_name", name)
		if len(query["via"]) == maxVia {
			break
		}
	}
	return query
}
