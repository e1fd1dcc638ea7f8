package store_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"meshsim/homeserver"
	"meshsim/homeserver/clientapi"
	"meshsim/matrix"
	"meshsim/matrix/event"
)

var kills = flag.Int("kills", 100, "how often TestKill kills the servers")

// victimDir is the environment variable that makes this test binary the process that is killed.
const victimDir = "MESHSIM_TEST_VICTIM"

// TestKill kills a process with two servers under load, again and again, each time at another moment, and checks that
// everything that was acknowledged up to then is there when the process is started again, and has reached the other server.
func TestKill(t *testing.T) {
	if dir := os.Getenv(victimDir); dir != "" {
		beVictim(t, dir)
		return
	}
	times := *kills
	if testing.Short() {
		times = min(times, 10)
	}
	dir := t.TempDir()
	total := 0
	for n := range times {
		acks := runVictim(t, dir, 1+rand.IntN(120))
		total += len(acks)
		if t.Failed() {
			t.Fatalf("after %d kills", n)
		}
		remember(t, dir, acks)
	}
	checkOnce(t, dir)
	t.Logf("%d kills, %d acknowledgements, all kept", times, total)
}

// runVictim starts the process, waits until it has checked what is there and has made so many acknowledgements, and
// kills it. All acknowledgements that it made are returned.
func runVictim(t *testing.T, dir string, most int) (acks []string) {
	t.Helper()
	victim := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKill$", "-test.timeout=2m")
	victim.Env = append(os.Environ(), victimDir+"="+dir)
	out, err := victim.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	victim.Stderr = os.Stderr
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	var said []string
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		ack, ok := strings.CutPrefix(lines.Text(), "ack ")
		if !ok {
			said = append(said, lines.Text())
			continue
		}
		acks = append(acks, ack)
		if len(acks) == most {
			if err := victim.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	err = victim.Wait()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.Exited() {
		t.Errorf("the servers ended by themselves: %v\n%s", err, strings.Join(said, "\n"))
	}
	return acks
}

func acksFile(dir string) string { return filepath.Join(dir, "acknowledged") }

func remember(t *testing.T, dir string, acks []string) {
	t.Helper()
	f, err := os.OpenFile(acksFile(dir), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, ack := range acks {
		fmt.Fprintln(f, ack)
	}
}

// checkOnce opens what the killed processes have left, a last time.
func checkOnce(t *testing.T, dir string) {
	v := openVictim(t, dir, io.Discard)
	v.check()
}

// beVictim is the process that is killed: it checks what is there, and then makes load until it ends.
func beVictim(t *testing.T, dir string) {
	v := openVictim(t, dir, os.Stdout)
	v.check()
	v.load()
}

// victim are two servers with a room of both, and clients.
type victim struct {
	*mesh
	room  string
	users map[string]string       // by server
	api   map[string]http.Handler // by server
	token map[string]string
	run   string

	mu  sync.Mutex // one line at a time
	out io.Writer
}

func openVictim(t *testing.T, dir string, out io.Writer) *victim {
	v := &victim{
		users: map[string]string{"a": "@u:a", "b": "@u:b"}, api: map[string]http.Handler{}, token: map[string]string{},
		run: strconv.FormatUint(rand.Uint64(), 36), out: out,
	}
	v.mesh = &mesh{t: t, dir: dir, away: map[string]bool{}, answered: v.answered}
	v.open("a", "b")
	t.Cleanup(v.close)
	for _, name := range []string{"a", "b"} {
		s := v.server(name)
		v.api[name] = clientapi.Handler(s)
		if !s.HasUser(v.users[name]) {
			v.user(name, "u")
		}
		_, token, err := s.Login(v.users[name], "PHONE", "")
		v.must(err)
		v.token[name] = token
	}
	v.enter()
	return v
}

// enter finds the room of both servers, or makes it: whoever is killed meanwhile goes on where it was.
func (v *victim) enter() {
	a, b := v.server("a"), v.server("b")
	id, _, err := a.ResolveAlias(v.t.Context(), "#room:a")
	if err != nil {
		public := homeserver.Draft{Type: matrix.TypeJoinRules, StateKey: new(string), Content: json.RawMessage(`{"join_rule":"public"}`)}
		id, err = a.CreateRoom(v.t.Context(), homeserver.NewRoom{Creator: v.users["a"], Initial: []homeserver.Draft{public}})
		v.must(err)
		v.must(a.SetAlias("#room:a", id, v.users["a"]))
	}
	v.room = id
	if m, _ := b.MembershipOf(v.users["b"], id); m.Membership != matrix.Join {
		v.must(b.Join(v.t.Context(), v.users["b"], id, []string{"a"}, nil))
	}
}

func (v *victim) ack(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	fmt.Fprintf(v.out, "ack "+format+"\n", args...)
}

// answered acknowledges the events of a transaction that a server has answered with 200.
func (v *victim) answered(server string, req *http.Request, body []byte, status int) {
	if status != http.StatusOK || !strings.Contains(req.URL.Path, "/federation/v1/send/") {
		return
	}
	var txn struct {
		PDUs []json.RawMessage `json:"pdus"`
	}
	if json.Unmarshal(body, &txn) != nil {
		return
	}
	version, err := matrix.LookupRoomVersion(matrix.DefaultRoomVersion)
	v.must(err)
	for _, raw := range txn.PDUs {
		pdu, err := event.Parse(raw, version)
		v.must(err)
		v.ack("received %s %s", server, pdu.ID())
	}
}

// load acknowledges as much as it can until the process is killed.
func (v *victim) load() {
	var clients sync.WaitGroup
	for i := range 6 {
		server := []string{"a", "b"}[i%2]
		clients.Go(func() {
			for n := 0; ; n++ {
				txn := fmt.Sprintf("%s-%d-%d", v.run, i, n)
				if id, ok := v.send(server, txn); ok {
					v.ack("sent %s %s %s", server, txn, id)
				}
			}
		})
	}
	clients.Go(func() {
		for n := 0; ; n++ {
			text := fmt.Sprintf("%s-%d", v.run, n)
			path := "/_matrix/client/v3/user/" + v.users["a"] + "/account_data/test." + text
			if v.put("a", path, `{}`, nil) {
				v.ack("data a test.%s", text)
			}
			path = "/_matrix/client/v3/sendToDevice/m.test/" + text
			if v.put("a", path, fmt.Sprintf(`{"messages":{%q:{"PHONE":{"text":%q}}}}`, v.users["b"], text), nil) {
				v.ack("device b %s", text)
			}
		}
	})
	clients.Wait()
}

func (v *victim) send(server, txn string) (id string, ok bool) {
	var answer struct {
		ID string `json:"event_id"`
	}
	path := "/_matrix/client/v3/rooms/" + v.room + "/send/m.room.message/" + txn
	ok = v.put(server, path, fmt.Sprintf(`{"msgtype":"m.text","body":%q}`, txn), &answer)
	return answer.ID, ok
}

func (v *victim) put(server, path, body string, answer any) bool {
	r := httptest.NewRequest(http.MethodPut, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+v.token[server])
	w := httptest.NewRecorder()
	v.api[server].ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		v.t.Errorf("%s answers %d: %s", path, w.Code, w.Body)
		return false
	}
	return answer == nil || json.Unmarshal(w.Body.Bytes(), answer) == nil
}

// check fails unless all that was acknowledged is there.
func (v *victim) check() {
	raw, err := os.ReadFile(acksFile(v.dir))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		v.t.Fatal(err)
	}
	acks := strings.Split(strings.TrimSpace(string(raw)), "\n")
	var messages []string // to the device that were acknowledged
	device, ok := v.server("b").Authenticate(v.token["b"])
	if !ok {
		v.t.Fatal("the token is worth nothing")
	}
	for i, ack := range acks {
		word := strings.Fields(ack)
		if len(word) == 0 {
			continue
		}
		switch word[0] {
		case "sent":
			v.checkSent(word[1], word[2], word[3], len(acks)-i < 60)
		case "received":
			if !v.has(word[1], v.room, word[2]) {
				v.t.Errorf("%s has answered for event %s, and does not have it", word[1], word[2])
			}
		case "data":
			if _, err := v.server("a").AccountDataOf(v.users["a"], "", word[2]); err != nil {
				v.t.Errorf("account data: %v", err)
			}
		case "device":
			messages = append(messages, word[2])
		}
		if v.t.Failed() {
			v.t.Fatalf("acknowledgement %d of %d", i, len(acks))
		}
	}
	var came map[string]int
	eventually(v.t, "all messages to the device come", func() bool {
		came = v.inbox(device)
		return !slices.ContainsFunc(messages, func(text string) bool { return came[text] == 0 })
	})
	for text, times := range came {
		if times != 1 {
			v.t.Errorf("the message %s came %d times", text, times)
		}
	}
}

// inbox counts the messages that wait for a device.
func (v *victim) inbox(device *homeserver.Device) map[string]int {
	came := map[string]int{}
	for _, m := range messagesOf(v.t, v.server("b"), device) {
		var content struct{ Text string }
		if _, raw, ok := strings.Cut(m, " m.test "); ok && json.Unmarshal([]byte(raw), &content) == nil {
			came[content.Text]++
		}
	}
	return came
}

// checkSent fails unless an event that a client was told of is there and reaches the other server. A request that is
// repeated leads to the same event; a device remembers the latest only.
func (v *victim) checkSent(server, txn, id string, late bool) {
	if !v.has(server, v.room, id) {
		v.t.Errorf("%s has acknowledged event %s (%s), and does not have it", server, id, txn)
		return
	}
	other := map[string]string{"a": "b", "b": "a"}[server]
	eventually(v.t, "event "+id+" reaches "+other, func() bool { return v.has(other, v.room, id) })
	if !late {
		return
	}
	if again, ok := v.send(server, txn); !ok || again != id {
		v.t.Errorf("%s made event %s for the request %s, and %s for the same again", server, id, txn, again)
	}
}
