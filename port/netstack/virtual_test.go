package netstack_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"meshsim/fabric"
	"meshsim/link"
	"meshsim/port/netstack"
	"meshsim/port/netstack/virtualtime"
)

// Twenty stacks do HTTP with each other over links of 20 kbit/s that lose 5 %, for an hour.
func TestHTTPOverLossySlowLinksForAnHour(t *testing.T) {
	virtualtime.Test(t, func(t *testing.T) {
		const servers = 20
		f := fabric.New(fabric.Config{Seed: 7, Clock: fabric.TimerClock()})
		t.Cleanup(f.Close)
		params := link.Params{Rate: 20_000, Delay: 30 * time.Millisecond, Jitter: 10 * time.Millisecond, Loss: 0.05}
		change := fabric.Change{Router: row{}}
		for i := range servers - 1 {
			id := fabric.LinkID{A: fabric.NodeID(i), B: fabric.NodeID(i + 1)}
			change.Set = append(change.Set, fabric.LinkConfig{LinkID: id, AB: params, BA: params})
		}
		if err := f.Apply(change); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		answered := 0
		end := time.Now().Add(time.Hour)
		var clients sync.WaitGroup
		var hosts []*netstack.Host
		for i := range servers {
			hosts = append(hosts, newHost(t, f, i))
		}
		for i, h := range hosts {
			serveHTTP(t, listenAll(t, h))
			transport := &http.Transport{DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
				return h.DialContext(ctx, "tcp", netip.MustParseAddrPort(address))
			}}
			peer := addrs((i + 1) % servers)[i%2]
			if i == servers-1 {
				peer = addrs(i - 1)[0]
			}
			clients.Go(func() {
				defer transport.CloseIdleConnections()
				for time.Now().Before(end) {
					if err := post(transport, peer); err != nil {
						t.Errorf("server %d: %v", i, err)
						return
					}
					mu.Lock()
					answered++
					mu.Unlock()
					time.Sleep(30 * time.Second)
				}
			})
		}
		clients.Wait()
		t.Logf("%d requests answered in an hour of virtual time", answered)
		if answered < servers*50 {
			t.Errorf("%d requests answered, want %d", answered, servers*50)
		}
	})
}

// serveHTTP answers requests with their bodies.
func serveHTTP(t *testing.T, ln net.Listener) {
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(ln)
	}()
	t.Cleanup(func() {
		srv.Close()
		<-done
	})
}

func post(transport *http.Transport, to netip.Addr) error {
	body := strings.Repeat("0123456789", 100)
	client := http.Client{Transport: transport}
	resp, err := client.Post(fmt.Sprintf("http://%s/", netip.AddrPortFrom(to, 80)), "text/plain", strings.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if string(got) != body {
		return fmt.Errorf("got %d bytes back that differ", len(got))
	}
	return nil
}

// At 100 bit/s a full segment takes two minutes. TCP must neither give up nor drown the link in what it sends again.
func TestTCPAt100BitsPerSecond(t *testing.T) {
	virtualtime.Test(t, func(t *testing.T) {
		c := newChain(t, 1, link.Params{Rate: 100, Delay: 100 * time.Millisecond})
		echo(t, listenAll(t, c.b))
		start := time.Now()
		const size = 4000
		if err := exchange(t.Context(), c.a, netip.AddrPortFrom(addrs(1)[0], 80), pattern(size)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Hour) // let what was sent again arrive
		stats, _ := c.fabric.LinkStats(fabric.LinkID{A: 0, B: 1})
		t.Logf("%d bytes there and back in %v; the link carried %d and %d bytes in %d and %d packets",
			size, time.Since(start)-3*time.Hour, stats.AB.Bytes, stats.BA.Bytes, stats.AB.Packets, stats.BA.Packets)
		// TCP learns how slow the link is from the first acknowledgement, and sends again until then.
		for _, n := range []uint64{stats.AB.Bytes, stats.BA.Bytes} {
			if n > 5*size {
				t.Errorf("the link carried %d bytes for %d", n, size)
			}
		}
	})
}

// A connection outlives an outage of ten minutes in the middle of a transfer, and a dial waits for the link.
func TestConnectionOutlivesAnOutage(t *testing.T) {
	virtualtime.Test(t, func(t *testing.T) {
		params := link.Params{Rate: 100_000, Delay: 20 * time.Millisecond}
		c := newChain(t, 1, params)
		set := func(p link.Params) {
			id := fabric.LinkID{A: 0, B: 1}
			if err := c.fabric.Apply(fabric.Change{Set: []fabric.LinkConfig{{LinkID: id, AB: p, BA: p}}}); err != nil {
				t.Error(err)
			}
		}
		echo(t, listenAll(t, c.b))
		go func() {
			time.Sleep(5 * time.Second)
			set(link.Params{Down: true})
			time.Sleep(10 * time.Minute)
			set(params)
		}()
		start := time.Now()
		var dialled sync.WaitGroup
		dialled.Go(func() {
			time.Sleep(8 * time.Minute)
			if err := exchange(t.Context(), c.a, netip.AddrPortFrom(addrs(1)[0], 80), pattern(100)); err != nil {
				t.Errorf("dialled during the outage: %v", err)
			}
		})
		if err := exchange(t.Context(), c.a, netip.AddrPortFrom(addrs(1)[1], 80), pattern(500_000)); err != nil {
			t.Errorf("under way before the outage: %v", err)
		}
		dialled.Wait()
		t.Logf("all done after %v", time.Since(start))
	})
}

// A full queue at 100 bit/s keeps a SYN for 13 minutes; gVisor by itself gives up after two.
func TestDialThroughAFullQueue(t *testing.T) {
	virtualtime.Test(t, func(t *testing.T) {
		c := newChain(t, 1, link.Params{Rate: 100})
		echo(t, listenAll(t, c.b))
		to := netip.AddrPortFrom(addrs(1)[0], 5683)
		flood, err := c.a.DialUDP(to)
		if err != nil {
			t.Fatal(err)
		}
		defer flood.Close()
		for range 9 {
			if _, err := flood.Write(pattern(1000)); err != nil {
				t.Fatal(err)
			}
		}
		start := time.Now()
		conn, err := c.a.DialContext(t.Context(), "tcp", netip.AddrPortFrom(to.Addr(), 80))
		if err != nil {
			t.Fatalf("after %v: %v", time.Since(start), err)
		}
		conn.Close()
		if waited := time.Since(start); waited < 12*time.Minute {
			t.Errorf("connected after %v: the queue was not full", waited)
		}
	})
}

// The far end is cut off while a connection is silent. TCP notices, in hours, and does not where the link works.
func TestSilentConnectionsAreAskedAfter(t *testing.T) {
	for _, cut := range []bool{true, false} {
		t.Run(fmt.Sprintf("cut-%v", cut), func(t *testing.T) {
			virtualtime.Test(t, func(t *testing.T) {
				c := newChain(t, 1, link.Params{Delay: time.Second})
				ln := listenAll(t, c.b)
				near, err := c.a.DialContext(t.Context(), "tcp", netip.AddrPortFrom(addrs(1)[0], 80))
				if err != nil {
					t.Fatal(err)
				}
				defer near.Close()
				far, err := ln.Accept()
				if err != nil {
					t.Fatal(err)
				}
				defer far.Close()
				if cut {
					id := fabric.LinkID{A: 0, B: 1}
					down := link.Params{Down: true}
					if err := c.fabric.Apply(fabric.Change{Set: []fabric.LinkConfig{{LinkID: id, AB: down, BA: down}}}); err != nil {
						t.Fatal(err)
					}
				}
				const limit = 6 * time.Hour
				if err := far.SetReadDeadline(time.Now().Add(limit)); err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				_, err = far.Read(make([]byte, 1))
				if ended := time.Since(start) < limit; ended != cut {
					t.Errorf("the connection ended: %v, want %v (after %v: %v)", ended, cut, time.Since(start), err)
				}
			})
		})
	}
}

func TestCorruptedPacketsAreNotAccepted(t *testing.T) {
	virtualtime.Test(t, func(t *testing.T) {
		c := newChain(t, 1, link.Params{Delay: time.Millisecond, Corrupt: 0.05})
		mirror(t, listenAll(t, c.b))
		for _, a := range c.b.Addrs() {
			if err := exchange(t.Context(), c.a, netip.AddrPortFrom(a, 80), pattern(1_000_000)); err != nil {
				t.Errorf("%v: %v", a, err)
			}
		}
	})
}
