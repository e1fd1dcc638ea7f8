package talk

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeServers are homeservers that let everybody in, after a while.
type fakeServers struct {
	count int
	down  map[int]bool

	joinTime  time.Duration
	joinError func(server int) (status int, body string)
	silent    map[int]bool // who never answers a join

	mu      sync.Mutex // guards what follows
	logins  map[int]int
	stale   map[string]bool // tokens that are no longer known
	queries []string        // of joins
	joining int
	most    int // joins at once
	sent    []string
}

func newFakeServers(count int) *fakeServers {
	return &fakeServers{count: count, down: make(map[int]bool), logins: make(map[int]int), stale: make(map[string]bool)}
}

func (f *fakeServers) Name(id int) (string, bool) {
	return fmt.Sprintf("hs%d", id), id >= 0 && id < f.count
}

func (f *fakeServers) Client(id int) (http.Handler, error) {
	if f.down[id] {
		return nil, errors.New("it is stopped")
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /_matrix/client/v3/login", func(w http.ResponseWriter, r *http.Request) { f.login(id, w, r) })
	known := http.NewServeMux()
	known.HandleFunc("POST /_matrix/client/v3/createRoom", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{"room_id":"!r:hs0"}`) })
	known.HandleFunc("GET /_matrix/client/v3/rooms/{room}/state/m.room.create/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{}`) })
	known.HandleFunc("POST /_matrix/client/v3/join/{room}", func(w http.ResponseWriter, r *http.Request) { f.join(id, w, r) })
	known.HandleFunc("PUT /_matrix/client/v3/rooms/{room}/send/m.room.message/{txn}", f.send)
	known.HandleFunc("GET /_matrix/client/v3/rooms/{room}/messages", messages)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		f.mu.Lock()
		stale := token == "" || f.stale[token]
		f.mu.Unlock()
		if stale {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"errcode":"M_UNKNOWN_TOKEN","error":"who?"}`)
			return
		}
		known.ServeHTTP(w, r)
	})
	return mux, nil
}

func (f *fakeServers) login(id int, w http.ResponseWriter, r *http.Request) {
	var body struct {
		Identifier struct{ User string }
		Password   string
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.Identifier.User != "matthew" || body.Password != "secret" {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.logins[id]++
	fmt.Fprintf(w, `{"access_token":"token-%d-%d"}`, id, f.logins[id])
}

func (f *fakeServers) join(id int, w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.queries = append(f.queries, r.URL.RawQuery)
	f.joining++
	f.most = max(f.most, f.joining)
	f.mu.Unlock()
	done := time.After(f.joinTime)
	if f.silent[id] {
		done = nil
	}
	select {
	case <-done:
	case <-r.Context().Done():
	}
	f.mu.Lock()
	f.joining--
	f.mu.Unlock()
	if f.joinError != nil {
		if status, body := f.joinError(id); status != 0 {
			w.WriteHeader(status)
			fmt.Fprint(w, body)
			return
		}
	}
	if r.Context().Err() == nil {
		fmt.Fprint(w, `{"room_id":"!r:hs0"}`)
	}
}

func (f *fakeServers) send(w http.ResponseWriter, r *http.Request) {
	var content map[string]string
	if err := json.NewDecoder(r.Body).Decode(&content); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent = append(f.sent, content["msgtype"]+" "+content["body"])
	fmt.Fprint(w, `{"event_id":"$e"}`)
}

func messages(w http.ResponseWriter, r *http.Request) {
	fmt.Fprint(w, `{"chunk":[
		{"event_id":"$3","type":"m.room.message","sender":"@a:hs0","origin_server_ts":3,"content":{"body":["no","text"]}},
		{"event_id":"$2","type":"m.room.message","sender":"@a:hs0","origin_server_ts":2,"content":{"body":"hello","msgtype":"m.text"}},
		{"event_id":"$1","type":"m.room.member","sender":"@a:hs0","origin_server_ts":1,"content":{"membership":"join"}},
		{"event_id":"$0","type":"m.room.create","sender":"@a:hs0","origin_server_ts":0,"content":{"room_version":"12"}}
	],"limit":"`+r.URL.Query().Get("limit")+`"}`)
}

func newTalk(f *fakeServers) *Talk {
	return New(Config{Servers: f, User: "matthew", Password: "secret", JoinsAtOnce: 4, JoinTimeout: time.Minute})
}

func states(r *Room) map[State][]int {
	by := make(map[State][]int)
	for _, m := range r.Members {
		by[m.State] = append(by[m.State], m.Server)
	}
	return by
}

func TestMembersJoinSideBySideWithinABound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeServers(20)
		f.joinTime = time.Second
		talk := newTalk(f)
		defer talk.Close()
		begun := time.Now()
		room, err := talk.Create(t.Context(), NewRoom{Name: "lobby", Creator: 0, Members: []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 3, 3}})
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took != 0 {
			t.Errorf("making the room took %v: it waited for the members", took)
		}
		want := map[State][]int{Joined: {0}, Joining: {1, 2, 3, 4, 5, 6, 7, 8}}
		if diff := cmp.Diff(want, states(room)); diff != "" {
			t.Error(diff)
		}
		if room.Version != "1" {
			t.Errorf("version is %q; a create event without one is version 1", room.Version)
		}
		time.Sleep(2*time.Second + time.Millisecond) // virtual
		synctest.Wait()
		room, err = talk.Room(room.ID)
		if err != nil {
			t.Fatal(err)
		}
		if got := states(room)[Joined]; len(got) != 9 {
			t.Errorf("after two seconds %v have joined; eight joins, four at a time, take two", got)
		}
		if f.most != 4 {
			t.Errorf("%d joins were under way at once, want 4", f.most)
		}
		if !strings.Contains(f.queries[0], "via=hs0") || !strings.Contains(f.queries[0], "server_name=hs0") {
			t.Errorf("joined with %q, not by way of hs0", f.queries[0])
		}
	})
}

// Where a server names few branches of a room, few join it at a time, and one by one through such a server.
// lookingServers look at the rooms whenever they are asked for a name.
type lookingServers struct {
	*fakeServers
	look func()
}

func (l *lookingServers) Name(id int) (string, bool) {
	l.look()
	return l.fakeServers.Name(id)
}

// TestRoomsAreSeenWithTheirMembers from the beginning: who waits until all have joined must not find the creator alone.
func TestRoomsAreSeenWithTheirMembers(t *testing.T) {
	servers := &lookingServers{fakeServers: newFakeServers(3)}
	talk := New(Config{Servers: servers, User: "matthew", Password: "secret"})
	defer talk.Close()
	servers.look = func() {
		for _, room := range talk.Rooms() {
			if len(room.Members) != 3 {
				t.Errorf("a room is seen with %v of its 3 members", room.Members)
			}
		}
	}
	if _, err := talk.Create(t.Context(), NewRoom{Members: []int{1, 2}}); err != nil {
		t.Fatal(err)
	}
}

func TestNewcomersComeInTurns(t *testing.T) {
	for _, c := range []struct {
		slug     string
		namesFew int // the server that does
		most     int // joins at once
	}{
		{"nobody-names-few", 99, 20},
		{"the-host-names-few", 0, 1},
		{"a-newcomer-names-few", 7, fewAtOnce},
	} {
		t.Run(c.slug, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeServers(21)
				f.joinTime = time.Second
				talk := New(Config{Servers: f, User: "matthew", Password: "secret", NamesFew: func(server int) bool { return server == c.namesFew }})
				defer talk.Close()
				newcomers := make([]int, 20)
				for i := range newcomers {
					newcomers[i] = i + 1
				}
				room, err := talk.Create(t.Context(), NewRoom{Creator: 0, Members: newcomers})
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				room, _ = talk.Room(room.ID)
				if got := len(states(room)[Joined]); got != 21 || f.most != c.most {
					t.Errorf("%d have joined, %d at once; want 21, %d at once", got, f.most, c.most)
				}
				for _, query := range f.queries[2:] {
					if c.most < 20 && !strings.HasPrefix(query, "server_name=hs0") {
						t.Errorf("joined with %s, not by way of hs0", query)
					}
				}
			})
		})
	}
}

// Somebody who never answers delays the others, and no more: neither where joins are one by one nor where there are few slots.
func TestWhoNeverAnswersGivesWay(t *testing.T) {
	for slug, config := range map[string]Config{
		"turns": {NamesFew: func(server int) bool { return server == 0 }},
		"slots": {JoinsAtOnce: 1},
	} {
		t.Run(slug, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeServers(3)
				f.silent = map[int]bool{1: true}
				config.Servers, config.User, config.Password = f, "matthew", "secret"
				talk := New(config)
				defer talk.Close()
				room, err := talk.Create(t.Context(), NewRoom{Creator: 0, Members: []int{1}})
				if err != nil {
					t.Fatal(err)
				}
				synctest.Wait() // it has its turn
				if _, err := talk.Join(room.ID, []int{2}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(holdFor + time.Minute)
				synctest.Wait()
				room, _ = talk.Room(room.ID)
				if got := states(room)[Joined]; !slices.Equal(got, []int{0, 2}) {
					t.Errorf("%v have joined", got)
				}
				if got := states(room)[Joining]; !slices.Equal(got, []int{1}) {
					t.Errorf("%v are about to", got)
				}
			})
		})
	}
}

func TestFailedJoinsSayWhyAndTryAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeServers(3)
		f.joinError = func(server int) (int, string) {
			if server == 1 {
				return http.StatusForbidden, `{"errcode":"M_FORBIDDEN","error":"go away"}`
			}
			return 0, ""
		}
		f.down[2] = true
		talk := newTalk(f)
		defer talk.Close()
		changed := talk.Changed()
		room, err := talk.Create(t.Context(), NewRoom{Creator: 0, Members: []int{1, 2}})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		<-changed
		room, _ = talk.Room(room.ID)
		if got := states(room)[Failed]; !slices.Equal(got, []int{1, 2}) {
			t.Fatalf("failed are %v", got)
		}
		for i, want := range map[int]string{1: "403 M_FORBIDDEN go away", 2: "it is stopped"} {
			if reason := room.Members[i].Reason; !strings.Contains(reason, want) {
				t.Errorf("server %d failed because %q, want %q", i, reason, want)
			}
		}
		f.joinError, f.down[2] = nil, false
		changed = talk.Changed()
		if _, err := talk.Join(room.ID, []int{0, 1, 2}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		<-changed
		room, _ = talk.Room(room.ID)
		if got := states(room)[Joined]; len(got) != 3 {
			t.Errorf("joined are %v", got)
		}
	})
}

func TestJoinsThatReachNobodyAreTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeServers(2)
		tries := 0
		f.joinError = func(int) (int, string) {
			if tries++; tries < 3 {
				return http.StatusBadGateway, `{"errcode":"M_UNKNOWN","error":"hs0 does not answer"}`
			}
			return 0, ""
		}
		talk := newTalk(f)
		defer talk.Close()
		room, err := talk.Create(t.Context(), NewRoom{Creator: 0, Members: []int{1}})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(firstPause + 2*firstPause + time.Second)
		synctest.Wait()
		room, _ = talk.Room(room.ID)
		if room.Members[1].State != Joined || tries != 3 {
			t.Errorf("after %d tries the member is %+v", tries, room.Members[1])
		}
	})
}

func TestJoinsEndWithTheirTimeAndWithClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeServers(3)
		f.joinTime = time.Hour
		talk := newTalk(f)
		room, err := talk.Create(t.Context(), NewRoom{Creator: 0, Members: []int{1}})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		room, _ = talk.Room(room.ID)
		if room.Members[1].State != Failed {
			t.Errorf("after a minute the member is %+v", room.Members[1])
		}
		if _, err := talk.Join(room.ID, []int{1, 2}); err != nil {
			t.Fatal(err)
		}
		talk.Close()
		talk.Close()
		if room, err = talk.Join(room.ID, []int{1, 2}); err != nil || len(states(room)[Joining]) != 0 {
			t.Errorf("after Close: %v, %v", states(room), err)
		}
	})
}

func TestLoginIsKeptAndRenewed(t *testing.T) {
	f := newFakeServers(2)
	talk := newTalk(f)
	defer talk.Close()
	room, err := talk.Create(t.Context(), NewRoom{Creator: 0})
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 10 {
		group.Go(func() {
			if id, err := talk.Send(t.Context(), room.ID, 1, "hello"); err != nil || id != "$e" {
				t.Error(id, err)
			}
		})
	}
	group.Wait()
	if f.logins[1] != 1 || len(f.sent) != 10 || f.sent[0] != "m.text hello" {
		t.Errorf("%d logins for %d messages, the first %q", f.logins[1], len(f.sent), f.sent[0])
	}
	f.stale["token-1-1"] = true
	if _, err := talk.Send(t.Context(), room.ID, 1, "again"); err != nil || f.logins[1] != 2 {
		t.Errorf("after the token was forgotten: %v, %d logins", err, f.logins[1])
	}
}

func TestMessagesAreOldestFirst(t *testing.T) {
	talk := newTalk(newFakeServers(1))
	defer talk.Close()
	room, err := talk.Create(t.Context(), NewRoom{Creator: 0})
	if err != nil {
		t.Fatal(err)
	}
	got, err := talk.Messages(t.Context(), room.ID, 0, 50)
	want := []Message{
		{"$0", "m.room.create", "@a:hs0", "room version 12", 0},
		{"$1", "m.room.member", "@a:hs0", "join", 1},
		{"$2", "m.room.message", "@a:hs0", "hello", 2},
		{"$3", "m.room.message", "@a:hs0", "", 3},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestKindsOfErrors(t *testing.T) {
	f := newFakeServers(2)
	f.down[1] = true
	talk := newTalk(f)
	defer talk.Close()
	room, err := talk.Create(t.Context(), NewRoom{Creator: 0})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	_, unknownRoom := talk.Send(ctx, "!none", 0, "x")
	_, unknownServer := talk.Send(ctx, room.ID, 7, "x")
	_, unavailable := talk.Messages(ctx, room.ID, 1, 1)
	_, unknownMember := talk.Create(ctx, NewRoom{Creator: 0, Members: []int{9}})
	for _, c := range []struct {
		name string
		ok   bool
		err  error
	}{
		{"unknown-room", is[*UnknownRoomError](unknownRoom), unknownRoom},
		{"unknown-server", is[*UnknownServerError](unknownServer), unknownServer},
		{"unavailable", is[*UnavailableError](unavailable), unavailable},
		{"unknown-member", is[*UnknownServerError](unknownMember), unknownMember},
	} {
		if !c.ok {
			t.Errorf("%s: got %v", c.name, c.err)
		}
	}
	if len(talk.Rooms()) != 1 {
		t.Errorf("%d rooms, want 1: a refused one was kept", len(talk.Rooms()))
	}
}

func is[T error](err error) bool {
	_, ok := errors.AsType[T](err)
	return ok
}

func TestHandlersThatMisbehave(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"panics":     func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"no-json":    func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") },
		"too-much":   func(w http.ResponseWriter, _ *http.Request) { writeTooMuch(w) },
		"bare-error": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "gateway", http.StatusBadGateway) },
	} {
		var out struct{}
		if err := do(t.Context(), handler, call{method: "GET", path: "/"}, &out); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func writeTooMuch(w http.ResponseWriter) {
	megabyte := make([]byte, 1<<20)
	for {
		if _, err := w.Write(megabyte); err != nil {
			return
		}
	}
}

func FuzzEventSummary(f *testing.F) {
	f.Add(`{"event_id":"$1","type":"m.room.message","origin_server_ts":1,"content":{"body":"x"}}`)
	f.Add(`{"type":"m.room.create","content":[]}`)
	f.Add(`{"type":"m.room.member","content":{"membership":{}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		var e event
		if json.Unmarshal([]byte(text), &e) == nil {
			e.message()
		}
	})
}

func TestChatterKeepsItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeServers(4)
		f.down[3] = true
		talk := newTalk(f)
		defer talk.Close()
		room, err := talk.Create(t.Context(), NewRoom{Creator: 0, Members: []int{1, 2}})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, err := talk.SetChatter(room.ID, 10); err != nil {
			t.Fatal(err)
		}
		if now, _ := talk.Room(room.ID); now.Chatter != 10 {
			t.Errorf("the room says %v", now.Chatter)
		}
		time.Sleep(1000 * time.Second)
		synctest.Wait()
		// Poisson with a mean of 10,000: five standard deviations are 500.
		said, err := talk.Chatter(room.ID)
		if err != nil || said.Sent < 9500 || said.Sent > 10_500 || said.Failed+said.Skipped != 0 {
			t.Errorf("after 1,000 s at 10 a second: %+v, %v", said, err)
		}
		if _, err := talk.SetChatter(room.ID, 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if later, _ := talk.Chatter(room.ID); later.Sent != said.Sent || later.PerSecond != 0 {
			t.Errorf("it goes on: %+v after %+v", later, said)
		}
	})
}

func TestChatterCountsWhatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeServers(1)
		talk := newTalk(f)
		defer talk.Close()
		room, err := talk.Create(t.Context(), NewRoom{Creator: 0})
		if err != nil {
			t.Fatal(err)
		}
		f.down[0] = true
		if _, err := talk.SetChatter(room.ID, 1); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if said, _ := talk.Chatter(room.ID); said.Skipped == 0 || said.Sent != 0 {
			t.Errorf("with no server running: %+v", said)
		}
		for _, rate := range []float64{-1, 1e-9, 201, math.NaN(), math.Inf(1)} {
			if _, err := talk.SetChatter(room.ID, rate); !is[*RateError](err) {
				t.Errorf("%v a second: %v", rate, err)
			}
		}
		if _, err := talk.SetChatter("!none:hs0", 1); !is[*UnknownRoomError](err) {
			t.Errorf("unknown room: %v", err)
		}
	})
}
