package federation

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"meshsim/homeserver"
	"meshsim/matrix"
	"meshsim/matrix/event"
	"meshsim/matrix/event/eventtest"
)

// counting counts the transactions that a server gets.
type counting struct {
	behind http.Handler
	count  atomic.Int32
}

func (c *counting) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if strings.HasPrefix(req.URL.Path, "/_matrix/federation/v1/send/") {
		c.count.Add(1)
	}
	c.behind.ServeHTTP(w, req)
}

// Joins that follow each other closely go together; a message takes along what waits and waits for nothing.
func TestJoinsOfACrowdGoTogether(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.server("a"), m.server("b")
		roomID := publicRoom(t, a, "12")
		if err := b.Join(context.Background(), "@u:b", roomID, []string{"a"}, nil); err != nil {
			t.Fatal(err)
		}
		settle()
		seen := &counting{behind: m.peers["b"].Handler}
		m.instead["b"] = seen
		join := func(i int) {
			t.Helper()
			name := fmt.Sprint("user", i)
			if _, err := a.AddAccount(homeserver.Credential{Localpart: name}); err != nil {
				t.Fatal(err)
			}
			if err := a.Join(context.Background(), "@"+name+":a", roomID, nil, nil); err != nil {
				t.Fatal(err)
			}
		}
		known := func() (members int) {
			for range room(t, b, roomID).State().Members() {
				members++
			}
			return members
		}

		began := time.Now()
		join(0)
		synctest.Wait()
		if known() != 3 || time.Since(began) != 0 {
			t.Errorf("after the first join b knows %d members", known())
		}
		for i := range 30 {
			join(1 + i)
			synctest.Wait()
		}
		time.Sleep(pauseBetween)
		synctest.Wait()
		if n := seen.count.Load(); n != 2 || known() != 33 {
			t.Errorf("31 joins took %d transactions, and b knows %d members", n, known())
		}
		join(31)
		synctest.Wait()
		say(t, a, roomID, "hello")
		synctest.Wait()
		if n := seen.count.Load(); n != 3 || known() != 34 {
			t.Errorf("a message waited: %d transactions, and b knows %d members", n, known())
		}
		settle()
		m.peers["a"].Sender.mu.Lock()
		defer m.peers["a"].Sender.mu.Unlock()
		if left := len(m.peers["a"].Sender.queues); left != 0 {
			t.Errorf("%d queues are left", left)
		}
	}, "a", "b")
}

// audience takes the transactions of many servers and answers that all their events were taken.
type audience struct {
	version *matrix.RoomVersion

	mu    sync.Mutex
	heard map[string][]string // events by server, in the order in which they came
	count int                 // of transactions
}

func (a *audience) RoundTrip(req *http.Request) (*http.Response, error) {
	var txn incoming
	if err := json.NewDecoder(req.Body).Decode(&txn); err != nil {
		return nil, err
	}
	time.Sleep(50 * time.Millisecond)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.count++
	answer := transactionAnswer{PDUs: map[string]pduResult{}}
	for _, raw := range txn.PDUs {
		pdu, err := event.Parse(raw, a.version)
		if err != nil {
			return nil, err
		}
		a.heard[req.URL.Host] = append(a.heard[req.URL.Host], string(pdu.ID()))
		answer.PDUs[string(pdu.ID())] = pduResult{}
	}
	body, err := json.Marshal(answer)
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(string(body)))}, err
}

// However many servers hear of those who join, transactions leave at a steady rate; each server hears of all, in order,
// and soon after the last.
func TestCrowdHearsInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const joins, every = 100, 100 * time.Millisecond
		room := eventtest.New(t, matrix.DefaultRoomVersion, "@creator:a", nil)
		to := &audience{version: room.Version, heard: map[string][]string{}}
		sender := NewSender(NewClient(testIdentity("a"), to, nil), DefaultRetry, slog.New(slog.DiscardHandler))
		defer sender.Close()
		var servers []string
		for i := range 300 {
			servers = append(servers, fmt.Sprint("s", i))
		}
		var all []string
		for i := range joins {
			user := matrix.UserID(fmt.Sprintf("@u%d:a", i))
			pdu := room.Member(user, user, matrix.Join)
			all = append(all, string(pdu.ID()))
			sender.Enqueue(pdu, servers)
			time.Sleep(every)
		}
		time.Sleep(pauseBetween + time.Duration(len(servers))*turnEvery + time.Second)
		to.mu.Lock()
		defer to.mu.Unlock()
		first, most := len(servers), int((joins*every+5*time.Second)/turnEvery)
		if to.count > first+most {
			t.Errorf("%d joins took %d transactions, more than %d", joins, to.count, first+most)
		}
		for _, name := range servers {
			if !slices.Equal(to.heard[name], all) {
				t.Fatalf("%s heard of %d joins of %d, or in another order", name, len(to.heard[name]), joins)
			}
		}
		sender.mu.Lock()
		defer sender.mu.Unlock()
		if len(sender.queues)+len(sender.line) != 0 {
			t.Errorf("%d queues are left, and %d in line", len(sender.queues), len(sender.line))
		}
	})
}
