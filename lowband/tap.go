package lowband

import (
	"net"
	"net/http"
)

// Tap is told of everything that passes, for captures and demonstrations; any field may be nil. It must neither block nor
// keep slices.
type Tap struct {
	// Datagram is a CoAP message before it is encrypted, or after it was decrypted.
	Datagram func(sent bool, peer net.Addr, datagram []byte)
	// Step is what a message is at one stage above CoAP.
	Step func(Step)
}

// Step is a stage of a message.
type Step struct {
	Sent  bool   // whether it is on its way to the other end
	Stage string // such as "HTTP request"
	Text  string // readable; empty where nothing is
	Size  int    // bytes
}

// Note tells the tap of a stage; text is made only where somebody listens.
func (t Tap) Note(sent bool, stage string, size int, text func() string) {
	if t.Step == nil {
		return
	}
	s := Step{Sent: sent, Stage: stage, Size: size}
	if text != nil {
		s.Text = text()
	}
	t.Step(s)
}

// Sending returns send with the tap in front of it.
func (t Tap) Sending(peer func() net.Addr, send func([]byte)) func([]byte) {
	if t.Datagram == nil {
		return send
	}
	return func(b []byte) {
		t.Datagram(true, peer(), b)
		send(b)
	}
}

// Receiving returns receive with the tap in front of it.
func (t Tap) Receiving(peer func() net.Addr, receive func([]byte)) func([]byte) {
	if t.Datagram == nil {
		return receive
	}
	return func(b []byte) {
		t.Datagram(false, peer(), b)
		receive(b)
	}
}

// HTTPSize is how many bytes a message would have in HTTP/1.1: its first line, its headers and its body.
func HTTPSize(firstLine string, h http.Header, body int) int {
	size := len(firstLine) + len("\r\n\r\n") + body
	for name, values := range h {
		for _, value := range values {
			size += len(name) + len(": ") + len(value) + len("\r\n")
		}
	}
	return size
}
