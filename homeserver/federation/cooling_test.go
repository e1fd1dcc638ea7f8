package federation

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"meshsim/homeserver"
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
