package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"meshsim/lowband"
	"meshsim/lowband/capture"
)

// lowbandCapture is the file of --lowband-capture: the CoAP messages between all gateways of the mesh as they are before
// encryption. Each is there once, when it is sent, also if a link loses it. A nil one captures nothing.
//
//	openLowbandCapture -> begin -> tap -> close
type lowbandCapture struct {
	file *os.File
	out  *capture.File // nil before begin
}

// openLowbandCapture opens a file that nobody else may read: it holds what was secret. What is in it stays until begin, as
// another meshsim may be writing it whose port this one is about to be refused.
func openLowbandCapture(name string) (*lowbandCapture, error) {
	if name == "" {
		return nil, nil
	}
	file, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("--lowband-capture: %w: give a file that can be written", err)
	}
	return &lowbandCapture{file: file}, nil
}

// begin empties the file, unless it is a pipe or a terminal, and begins a capture in it.
func (c *lowbandCapture) begin() error {
	if c == nil {
		return nil
	}
	info, err := c.file.Stat()
	if err == nil && info.Mode().IsRegular() {
		err = c.file.Truncate(0)
	}
	if err == nil {
		c.out, err = capture.NewFile(c.file, capture.PortCoAP, false)
	}
	if err != nil {
		return fmt.Errorf("--lowband-capture: %w", err)
	}
	return nil
}

// tap is what gateways are given (gateway.Config.LowbandTap). Every message is written at once: the file can be read while
// it grows.
func (c *lowbandCapture) tap() func(own net.Addr) lowband.Tap {
	if c == nil {
		return nil
	}
	return func(own net.Addr) lowband.Tap {
		return lowband.Tap{Datagram: func(sent bool, peer net.Addr, datagram []byte) {
			if sent { // the peer is a gateway of this process: it has sent what is received
				c.out.Datagram(time.Now(), true, own, peer, datagram)
			}
		}}
	}
}

// close ends the file, and says what was not written.
func (c *lowbandCapture) close() error {
	if c == nil {
		return nil
	}
	var err error
	if c.out != nil {
		err = c.out.Flush()
	}
	if err = errors.Join(err, c.file.Close()); err != nil {
		return fmt.Errorf("--lowband-capture: %w", err)
	}
	return nil
}
