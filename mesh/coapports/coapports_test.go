package coapports

import (
	"net"
	"strconv"
	"testing"
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
