package coapports

import (
	"errors"
	"net"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// TestTheMostSilentClientGivesWay at once: the bound holds also before its reader has ended.
func TestTheMostSilentClientGivesWay(t *testing.T) {
	p := &port{flows: make(map[string]*flow)}
	begun := time.Unix(0, 0)
	var oldest net.Conn
	for i := range maxFlows {
		near, far := net.Pipe()
		defer near.Close()
		defer far.Close()
		if i == 0 {
			oldest = far
		}
		p.flows[strconv.Itoa(i)] = &flow{to: near, used: begun.Add(time.Duration(i))}
	}
	p.makeRoomLocked()
	if len(p.flows) != maxFlows-1 || p.flows["0"] != nil {
		t.Errorf("%d flows are left, the oldest among them: %t", len(p.flows), p.flows["0"] != nil)
	}
	if _, err := oldest.Read(make([]byte, 1)); err == nil {
		t.Error("the oldest flow is open")
	}
	p.makeRoomLocked()
	if len(p.flows) != maxFlows-1 {
		t.Errorf("%d flows are left where there was room", len(p.flows))
	}
}

// broken is a socket that only fails.
type broken struct {
	net.PacketConn
	reads int
}

func (b *broken) ReadFrom([]byte) (int, net.Addr, error) {
	b.reads++
	return 0, nil, errors.New("broken")
}

func (*broken) Close() error { return nil }

// TestABrokenSocketIsReadNowAndThen, and closing the port does not wait for it.
func TestABrokenSocketIsReadNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &broken{}
		p := &port{done: make(chan struct{}), sockets: []net.PacketConn{s}}
		p.work.Go(func() { p.read(s) })
		time.Sleep(time.Hour)
		begun := time.Now()
		p.close()
		if s.reads < 3600 || s.reads > 4000 {
			t.Errorf("it was read %d times in an hour", s.reads)
		}
		if took := time.Since(begun); took != 0 {
			t.Errorf("closing took %v", took)
		}
	})
}
