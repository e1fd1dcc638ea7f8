//go:build linux && docker

package docker_test

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"meshsim/matrix"
	"meshsim/node/docker"
	"meshsim/node/nodetest"
)

// Everything of the federation that Synapse can do is done in both directions: with the room, or what is asked for, on
// Synapse and asked for by the embedded server, and the other way round. What concerns rooms is done in every version.

// sides are the two users of a case. The host's server has what it is about, the guest's asks for it.
type sides struct {
	*pair
	host, guest         *nodetest.Client
	hostName, guestName string
	version             string
}

type interop struct {
	slug string
	run  func(t *testing.T, s *sides)
}

func TestInterop(t *testing.T) {
	p := newPairWith(t, func(c *docker.Config) { c.Options.Presence = true })
	for i := range p.clients {
		s := sides{pair: p, host: p.clients[i], guest: p.clients[1-i], hostName: fmt.Sprint("hs", i), guestName: fmt.Sprint("hs", 1-i)}
		for _, version := range matrix.RoomVersions() {
			s := s
			s.version = version
			s.each(t, fmt.Sprintf("room-of-hs%d/version-%s/", i, version), roomCases)
		}
		s.version = matrix.DefaultRoomVersion
		s.each(t, fmt.Sprintf("users-of-hs%d/", i), userCases)
	}
}

func (s *sides) each(t *testing.T, prefix string, cases []interop) {
	for _, c := range cases {
		t.Run(prefix+c.slug, func(t *testing.T) { c.run(t, s) })
	}
}

// room makes a room of the host.
func (s *sides) room(t *testing.T, more object) string {
	t.Helper()
	return create(t, s.host, s.version, more)
}

// shared makes a room of the host's that the guest has joined.
func (s *sides) shared(t *testing.T, more object) string {
	t.Helper()
	room := s.room(t, more)
	s.guest.Join(t, room, s.hostName)
	eventually(t, "the host knows the guest", func() bool { return membership(t, s.host, room, s.guest.User) == "join" })
	s.toldMember(t, s.guest, room, s.guest.User)
	return room
}

// in is the path of something in a room.
func in(room, format string, args ...any) string {
	for i, arg := range args {
		if text, ok := arg.(string); ok {
			args[i] = url.PathEscape(text)
		}
	}
	return "/rooms/" + url.PathEscape(room) + fmt.Sprintf(format, args...)
}

// membership is what a user is to a room as a client sees it, "" for nothing.
func membership(t *testing.T, c *nodetest.Client, room, user string) string {
	t.Helper()
	var answer struct {
		Membership string `json:"membership"`
	}
	_, _ = c.Do(t.Context(), http.MethodGet, in(room, "/state/m.room.member/%s", user), nil, &answer) // no such state, or no such room, is nothing
	return answer.Membership
}

// becomes waits until a client sees what a user is to a room.
func becomes(t *testing.T, c *nodetest.Client, room, user, want string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s knows that %s is %q", c.User, user, want), func() bool { return membership(t, c, room, user) == want })
}

// toldMember is told of what a user is to a room as a client's server has it, which it sent to the other.
func (s *sides) toldMember(t *testing.T, by *nodetest.Client, room, user string) {
	t.Helper()
	s.toldState(t, by, room, "m.room.member", user)
}

// toldArrived is toldMember for what the sender's server has no state of, as it is not in the room: the other one's knows.
func (s *sides) toldArrived(t *testing.T, by, viewer *nodetest.Client, room, user string) {
	t.Helper()
	s.toldOf(t, by, viewer, room, viewer.State(t, room)[[2]string{"m.room.member", user}])
}

// change does something to a user: invite, kick, ban or unban.
func change(t *testing.T, c *nodetest.Client, room, what, user string) {
	t.Helper()
	do(t, c, http.MethodPost, in(room, "/%s", what), object{"user_id": user}, nil)
}

// setState sends a state event with an empty state key.
func setState(t *testing.T, c *nodetest.Client, room, kind string, content object) {
	t.Helper()
	do(t, c, http.MethodPut, in(room, "/state/%s/", kind), content, nil)
}

// refused does a request that has to be refused.
func refused(t *testing.T, c *nodetest.Client, method, path string, body any, want int) {
	t.Helper()
	if status, err := c.Do(t.Context(), method, path, body, nil); status != want {
		t.Errorf("%s %s: status %d (%v), want %d", method, path, status, err, want)
	}
}

// joining is the path that joins a room through a server.
func joining(room, via string) string {
	return "/join/" + url.PathEscape(room) + "?via=" + via + "&server_name=" + via
}

// follower follows a client's syncs.
type follower struct {
	c     *nodetest.Client
	since string
}

// follow starts where the client is now.
func follow(t *testing.T, c *nodetest.Client) *follower {
	t.Helper()
	f := &follower{c: c}
	f.next(t, 0)
	return f
}

// next is the next sync, which waits for at most so many milliseconds.
func (f *follower) next(t *testing.T, wait int) object {
	t.Helper()
	var answer object
	path := fmt.Sprintf("/sync?timeout=%d", wait)
	if f.since != "" {
		path += "&since=" + url.QueryEscape(f.since)
	}
	do(t, f.c, http.MethodGet, path, nil, &answer)
	f.since = answer["next_batch"].(string)
	return answer
}

// until syncs until an answer tells something.
func (f *follower) until(t *testing.T, what string, told func(sync object) bool) {
	t.Helper()
	eventually(t, f.c.User+" is told of "+what, func() bool { return told(f.next(t, 1000)) })
}

// dig walks into nested objects; it returns nil where there is nothing.
func dig(v any, path ...string) any {
	for _, step := range path {
		at, ok := v.(object)
		if !ok {
			return nil
		}
		v = at[step]
	}
	return v
}

// list is dig for a list of objects.
func list(v any, path ...string) (objects []object) {
	items, _ := dig(v, path...).([]any)
	for _, item := range items {
		if o, ok := item.(object); ok {
			objects = append(objects, o)
		}
	}
	return objects
}
