//go:build linux && docker

package docker_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"meshsim/fabric"
	"meshsim/link"
	"meshsim/matrix"
	"meshsim/node"
	"meshsim/node/docker"
	"meshsim/node/embedded"
	"meshsim/node/nodetest"
)

// pair is a Synapse (hs0) and an embedded server (hs1), one link apart.
type pair struct {
	mesh    *nodetest.Mesh
	drivers [2]node.Driver
	nodes   [2]node.Node
	clients [2]*nodetest.Client
	seen    *recorder
}

// pairDelay is what the link of a pair takes.
const pairDelay = time.Millisecond

func newPair(t *testing.T) *pair {
	t.Helper()
	return newPairWith(t, func(*docker.Config) {})
}

// newPairWith changes what Synapse is started with. Presence is for both.
func newPairWith(t *testing.T, change func(*docker.Config)) *pair {
	t.Helper()
	m := nodetest.NewMesh(t, fabric.RealClock(), 1)
	seen := newRecorder()
	cfg := config(t, m, seen)
	change(&cfg)
	d := driver(t, cfg)
	t.Cleanup(func() { d.Close() })
	e := embedded.New(embedded.Config{Fabric: m.Fabric, CA: cfg.CA, Rooms: cfg.Rooms, Publisher: cfg.Publisher, Presence: cfg.Options.Presence})
	t.Cleanup(func() { e.Close() })
	p := &pair{mesh: m, drivers: [2]node.Driver{d, e}, seen: seen}
	for i, by := range p.drivers {
		spec := node.Spec{ID: i, Name: fmt.Sprint("hs", i), Kind: by.Kind()}
		m.Name(spec)
		n, err := by.Start(t.Context(), spec, m)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = n.Stop(context.Background()) })
		p.nodes[i], p.clients[i] = n, &nodetest.Client{API: n.Client()}
		if err := p.clients[i].Login(t.Context(), node.AccountUser, node.AccountPassword); err != nil {
			t.Fatal(err)
		}
	}
	p.join()
	return p
}

// join links the two.
func (p *pair) join() { p.mesh.Link(0, 1, link.Params{Delay: pairDelay}) }

type object = map[string]any

// do does a request that has to work.
func do(t *testing.T, c *nodetest.Client, method, path string, in, out any) {
	t.Helper()
	if _, err := c.Do(t.Context(), method, path, in, out); err != nil {
		t.Fatal(err)
	}
}

// create makes a room of a version.
func create(t *testing.T, c *nodetest.Client, version string, more object) string {
	t.Helper()
	body := object{"preset": "public_chat", "room_version": version}
	maps.Copy(body, more)
	var answer struct {
		RoomID string `json:"room_id"`
	}
	do(t, c, http.MethodPost, "/createRoom", body, &answer)
	return answer.RoomID
}

// eventually waits for what the servers do in their own time.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	nodetest.Eventually(t, patience, what, f)
}

// shows waits until a client shows a text in a room.
func shows(t *testing.T, c *nodetest.Client, room, text string) {
	t.Helper()
	eventually(t, c.User+" shows "+text, func() bool { return slices.Contains(c.Texts(t, room), text) })
}

// agree waits until both have the same state of a room.
func (p *pair) agree(t *testing.T, room string) {
	t.Helper()
	eventually(t, "both servers have the same state", func() bool {
		return maps.Equal(p.clients[0].State(t, room), p.clients[1].State(t, room))
	})
}

// A Synapse and an embedded server do together what two of either kind do, whichever of them has the room, and telemetry
// tells of each event.
func TestSynapseWithEmbedded(t *testing.T) {
	p := newPair(t)
	cases := []struct {
		slug string
		run  func(t *testing.T, p *pair, host, guest *nodetest.Client, hostName, version string)
	}{
		{"by-id", joinedByID},
		{"by-alias", joinedByAlias},
		{"by-invite", joinedByInvite},
		{"redaction", redaction},
		{"leaves-and-comes-back", leavesAndComesBack},
		{"partition", partition},
		{"demoted-while-apart", demotedWhileApart},
		{"sleeps", sleeps},
	}
	t.Run("one-connection-for-one", func(t *testing.T) { oneConnectionForOne(t, p) })
	for i, host := range p.clients {
		for _, version := range matrix.RoomVersions() {
			for _, c := range cases {
				t.Run(fmt.Sprintf("room-of-hs%d/version-%s/%s", i, version, c.slug), func(t *testing.T) {
					c.run(t, p, host, p.clients[1-i], fmt.Sprint("hs", i), version)
				})
			}
		}
	}
}

// joinedByID: messages both ways, a state change, and what was said before.
func joinedByID(t *testing.T, p *pair, host, guest *nodetest.Client, hostName, version string) {
	room := create(t, host, version, nil)
	host.Send(t, room, "before")
	guest.Join(t, room, hostName)
	shows(t, guest, room, "before")
	p.toldState(t, guest, room, "m.room.member", guest.User)
	fromHost := host.Send(t, room, "from the host")
	shows(t, guest, room, "from the host")
	p.told(t, host, room, fromHost)
	fromGuest := guest.Send(t, room, "from the guest")
	shows(t, host, room, "from the guest")
	p.told(t, guest, room, fromGuest)
	host.SetTopic(t, room, "a topic")
	p.agree(t, room)
	p.toldState(t, host, room, "m.room.topic", "")
}

func joinedByAlias(t *testing.T, p *pair, host, guest *nodetest.Client, hostName, version string) {
	local := "alias-" + version
	room := create(t, host, version, object{"room_alias_name": local})
	alias := fmt.Sprintf("#%s:%s", local, hostName)
	do(t, guest, http.MethodPost, "/join/"+url.PathEscape(alias), object{}, nil)
	p.toldState(t, guest, room, "m.room.member", guest.User)
	message := guest.Send(t, room, "by alias")
	shows(t, host, room, "by alias")
	p.told(t, guest, room, message)
	p.agree(t, room)
}

func joinedByInvite(t *testing.T, p *pair, host, guest *nodetest.Client, hostName, version string) {
	room := create(t, host, version, object{"preset": "private_chat"})
	do(t, host, http.MethodPost, "/rooms/"+url.PathEscape(room)+"/invite", object{"user_id": guest.User}, nil)
	p.toldState(t, host, room, "m.room.member", guest.User)
	guest.Join(t, room, hostName)
	p.toldState(t, guest, room, "m.room.member", guest.User)
	message := guest.Send(t, room, "by invite")
	shows(t, host, room, "by invite")
	p.told(t, guest, room, message)
	p.agree(t, room)
}

func redaction(t *testing.T, p *pair, host, guest *nodetest.Client, hostName, version string) {
	room := create(t, host, version, nil)
	guest.Join(t, room, hostName)
	for i, c := range []*nodetest.Client{host, guest} {
		other := []*nodetest.Client{guest, host}[i]
		text := "regretted by " + c.User
		event := c.Send(t, room, text)
		shows(t, other, room, text)
		path := fmt.Sprintf("/rooms/%s/redact/%s/r%d", url.PathEscape(room), url.PathEscape(event), i)
		var by made
		do(t, c, http.MethodPut, path, object{}, &by)
		eventually(t, other.User+" no longer shows it", func() bool { return !slices.Contains(other.Texts(t, room), text) })
		p.told(t, c, room, event, by.ID)
	}
}

func leavesAndComesBack(t *testing.T, p *pair, host, guest *nodetest.Client, hostName, version string) {
	room := create(t, host, version, nil)
	guest.Join(t, room, hostName)
	do(t, guest, http.MethodPost, "/rooms/"+url.PathEscape(room)+"/leave", object{}, nil)
	eventually(t, "the host is alone", func() bool { return host.Members(t, room) == 1 })
	host.Send(t, room, "meanwhile")
	guest.Join(t, room, hostName)
	shows(t, guest, room, "meanwhile")
	p.agree(t, room)
	p.toldState(t, guest, room, "m.room.member", guest.User)
}

// partition: both sides write and change the same state; when the link is back they agree on one of the two.
func partition(t *testing.T, p *pair, host, guest *nodetest.Client, hostName, version string) {
	room := p.sharedRoom(t, host, guest, hostName, version)
	p.mesh.Cut(0, 1)
	a := p.drift(t, room, host, guest)
	p.join()
	a.heal(t)
}

// sharedRoom makes a room of the host's in which the guest, who has joined, has the power to change the topic too.
func (p *pair) sharedRoom(t *testing.T, host, guest *nodetest.Client, hostName, version string) string {
	t.Helper()
	users := object{guest.User: 50}
	if version != "12" { // where who made a room has more than any power, and may not be listed
		users[host.User] = 100
	}
	room := create(t, host, version, object{"topic": "of both", "power_level_content_override": object{"users": users}})
	guest.Join(t, room, hostName)
	guest.Send(t, room, "together")
	shows(t, host, room, "together")
	host.Send(t, room, "together too")
	shows(t, guest, room, "together too")
	p.agree(t, room)
	return room
}

// topicOf is the topic's event as a client's server has it.
func topicOf(t *testing.T, c *nodetest.Client, room string) made {
	t.Helper()
	return event(t, c, room, c.State(t, room)[[2]string{"m.room.topic", ""}])
}

// apart is what was done in a room during a partition, by each of its members.
type apart struct {
	*pair
	room     string
	members  [2]*nodetest.Client
	topics   [2]made
	messages [2]string // event ids
}

// drift has both change the topic and write, with nobody hearing of it.
func (p *pair) drift(t *testing.T, room string, members ...*nodetest.Client) *apart {
	t.Helper()
	a := &apart{pair: p, room: room, members: [2]*nodetest.Client(members)}
	for i, c := range a.members {
		c.SetTopic(t, room, "of "+c.User)
		a.topics[i] = topicOf(t, c, room)
		a.messages[i] = c.Send(t, room, "alone with "+c.User)
	}
	return a
}

// heal waits until both have what was written apart and the same state, and have heard of each other again. The topic is
// the later one: both were set under the same power levels, so that their times decide, and after these the ids
// (specification, room version 2, "Mainline ordering").
func (a *apart) heal(t *testing.T) {
	t.Helper()
	for i, c := range a.members {
		shows(t, a.members[1-i], a.room, "alone with "+c.User)
	}
	a.agree(t, a.room)
	want := slices.MaxFunc(a.topics[:], func(a, b made) int { return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.ID, b.ID)) })
	for i, c := range a.members {
		if got := topicOf(t, c, a.room); got.ID != want.ID || got.Content["topic"] != want.Content["topic"] {
			t.Errorf("%s has the topic %v of %d, want %v; the topics were %v", c.User, got.Content, got.Time, want.Content, a.topics)
		}
		a.told(t, c, a.room, a.messages[i])
	}
	a.talk(t)
}

// talk has both write again.
func (a *apart) talk(t *testing.T) {
	t.Helper()
	for i, c := range a.members {
		message := c.Send(t, a.room, "together again, says "+c.User)
		shows(t, a.members[1-i], a.room, "together again, says "+c.User)
		a.told(t, c, a.room, message)
	}
	a.agree(t, a.room)
}

// demotedWhileApart: the guest changes the topic, and the host takes the power to do so away meanwhile. That comes first,
// whatever the times are (specification, room version 2, "Algorithm"), so the topic is the one before.
func demotedWhileApart(t *testing.T, p *pair, host, guest *nodetest.Client, hostName, version string) {
	room := p.sharedRoom(t, host, guest, hostName, version)
	before := topicOf(t, host, room)
	p.mesh.Cut(0, 1)
	guest.SetTopic(t, room, "of "+guest.User)
	guest.Send(t, room, "alone with "+guest.User)
	var levels object
	do(t, host, http.MethodGet, in(room, "/state/m.room.power_levels/"), nil, &levels)
	delete(levels["users"].(object), guest.User)
	setState(t, host, room, "m.room.power_levels", levels)
	host.Send(t, room, "alone with "+host.User)
	p.join()
	shows(t, host, room, "alone with "+guest.User)
	shows(t, guest, room, "alone with "+host.User)
	p.agree(t, room)
	for _, c := range []*nodetest.Client{host, guest} {
		if got := topicOf(t, c, room); got.ID != before.ID {
			t.Errorf("%s has the topic %v, want %v", c.User, got.Content, before.Content)
		}
	}
	(&apart{pair: p, room: room, members: [2]*nodetest.Client{host, guest}}).talk(t)
}

// A partition lasts until both servers have given up an attempt, which takes Synapse its time-out of 60 s. When it is
// over they find each other again by themselves, whichever of them has the room.
func TestPartitionThatOutlastsARetry(t *testing.T) {
	p := newPair(t)
	type room struct{ id, version string }
	var rooms []room
	for i, host := range p.clients {
		for _, version := range []string{"11", "12"} {
			rooms = append(rooms, room{p.sharedRoom(t, host, p.clients[1-i], fmt.Sprint("hs", i), version), version})
		}
	}
	p.mesh.Cut(0, 1)
	var drifts []*apart
	for _, r := range rooms {
		drifts = append(drifts, p.drift(t, r.id, p.clients[:]...))
	}
	// A server has one transaction under way, which begins with what was done first.
	first := drifts[0]
	for i, c := range p.clients {
		p.toldFailed(t, c, first.room, first.topics[i].ID)
	}
	for _, a := range drifts {
		for i, c := range a.members {
			if missing := "alone with " + a.members[1-i].User; slices.Contains(c.Texts(t, a.room), missing) {
				t.Errorf("%s has %q, across a partition", c.User, missing)
			}
			if _, told := p.seen.receipt(a.messages[i], i, 1-i); told {
				t.Errorf("hs%d is said to have received %s, across a partition", 1-i, a.messages[i])
			}
		}
	}
	begun := time.Now()
	p.join()
	for i, a := range drifts {
		t.Run(fmt.Sprintf("room-of-hs%d/version-%s", i/2, rooms[i].version), a.heal)
	}
	t.Logf("healed after %v", time.Since(begun).Round(time.Millisecond))
}

// sleeps: the guest's server is frozen while the host writes.
func sleeps(t *testing.T, p *pair, host, guest *nodetest.Client, hostName, version string) {
	room := create(t, host, version, nil)
	guest.Join(t, room, hostName)
	asleep := p.nodes[p.of(guest)].(node.Pauser)
	if err := asleep.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	missed := host.Send(t, room, "said to a sleeper")
	if err := asleep.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	shows(t, guest, room, "said to a sleeper")
	p.told(t, host, room, missed)
	said := guest.Send(t, room, "awake")
	shows(t, host, room, "awake")
	p.told(t, guest, room, said)
	p.agree(t, room)
}
