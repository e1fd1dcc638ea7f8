package records

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"net"
	"slices"
	"time"
)

// Whoever begins a handshake is a stranger until the cookie comes back that was sent to its address (RFC 6347, section 4.2.1):
// the address may be a lie. A stranger's handshake is known by address and random of its hello, so that lies do not touch
// the handshake of the one whose address it is. pion keeps something for each, so there is room for few. Once it is full,
// strangers are asked without keeping anything: their cookie is a MAC. As pion knows no handshake that goes on from such a
// cookie, whoever returns it is told to begin again (user_canceled), and finds a place that is kept for those.
//
// Who floods with hellos from one client's very address can still keep that one out: it cannot tell which answers are for it.
const (
	// maxStrangers bounds the handshakes of those that have not returned a cookie; maxGuests is for those of them whose address
	// has been seen to be true.
	maxStrangers = 64
	maxGuests    = 64
	// maxWelcome bounds the addresses from which cookies of ours came back, welcomeFor is how long they may begin again, and
	// welcomes how often: somebody else may use them, too.
	maxWelcome = 1024
	welcomeFor = time.Minute
	welcomes   = 8
	// cookieLen is short enough for an answer that is smaller than the question.
	cookieLen = 20
	// cookieFor is how long a cookie is good at least; at most it is twice as long.
	cookieFor = time.Minute
)

// Records and messages of a handshake (RFC 6347, sections 4.1 and 4.2.2; RFC 5246, section 7.2).
const (
	recordAlert    = 21
	recordSequence = 5 // where the sequence number stands, 6 bytes

	handshakeHeader   = 12
	handshakeSequence = recordHeader + 4 // where the message's number stands, 2 bytes
	handshakeOffset   = recordHeader + 6 // where the fragment's offset stands, 3 bytes
	helloVerify       = 3
	helloVersion      = recordHeader + handshakeHeader
	randomLen         = 32

	alertFatal        = 2
	alertUserCanceled = 90
)

// hello is the beginning of a ClientHello.
type hello struct {
	record, message []byte // their numbers
	random, cookie  []byte
}

// readHello reads a datagram that begins a handshake. A message in fragments is read if the first one has the cookie.
func readHello(b []byte) (h hello, ok bool) {
	const sessionID = helloVersion + 2 + randomLen
	if len(b) <= sessionID || b[handshakeOffset] != 0 || b[handshakeOffset+1] != 0 || b[handshakeOffset+2] != 0 {
		return h, false
	}
	cookie := sessionID + 1 + int(b[sessionID])
	if len(b) <= cookie || len(b) <= cookie+int(b[cookie]) {
		return h, false
	}
	return hello{
		record: b[recordSequence : recordSequence+6], message: b[handshakeSequence : handshakeSequence+2],
		random: b[helloVersion+2 : sessionID], cookie: b[cookie+1 : cookie+1+int(b[cookie])],
	}, true
}

// cookieIn finds the cookie of a HelloVerifyRequest; nil where there is none.
func cookieIn(b []byte) []byte {
	const length = helloVersion + 2
	if len(b) <= length || b[0] != recordHandshake || b[recordHeader] != helloVerify || len(b) <= length+int(b[length]) {
		return nil
	}
	return b[length+1 : length+1+int(b[length])]
}

// cookie is the one of an address in a period of time, whatever the hello: others may say hello from that address, and the
// one who is there gets the answers to them all.
func (e *Endpoint) cookie(from net.Addr, period int64) []byte {
	mac := hmac.New(sha256.New, e.secret[:])
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(period)))
	mac.Write([]byte(from.String()))
	return mac.Sum(nil)[:cookieLen]
}

// question makes the answer to a stranger's hello for which nothing is kept: a HelloVerifyRequest or, when the cookie of
// one has come back, what has it begin again.
func (e *Endpoint) question(from net.Addr, h hello, now time.Time) (answer []byte, returned bool) {
	period := now.Unix() / int64(cookieFor/time.Second)
	for _, p := range []int64{period, period - 1} {
		if hmac.Equal(h.cookie, e.cookie(from, p)) {
			return record(recordAlert, h, []byte{alertFatal, alertUserCanceled}), true
		}
	}
	body := append([]byte{0xfe, 0xff, cookieLen}, e.cookie(from, period)...)
	length := byte(len(body))
	message := append([]byte{helloVerify, 0, 0, length}, h.message...)
	message = append(message, 0, 0, 0, 0, 0, length)
	return record(recordHandshake, h, append(message, body...)), false
}

// record makes one with the number of the hello that it answers.
func record(kind byte, h hello, content []byte) []byte {
	b := append([]byte{kind, 0xfe, 0xff, 0, 0}, h.record...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(content)))
	return append(b, content...)
}

// refusal is the description of the alert that ends a handshake, where a datagram is one.
func refusal(b []byte) (description byte, ok bool) {
	if len(b) != recordHeader+2 || b[0] != recordAlert || binary.BigEndian.Uint16(b[recordEpoch:]) != 0 || b[recordHeader] != alertFatal {
		return 0, false
	}
	return b[recordHeader+1], true
}

// visitor is an address from which a cookie of ours came back.
type visitor struct {
	addr  string
	until time.Time
	left  int // hellos
}

// welcomeLocked tells whether a hello is one of those that an address may begin again with.
func (e *Endpoint) welcomeLocked(addr string, now time.Time) bool {
	for i := range e.welcome {
		if v := &e.welcome[i]; v.addr == addr && v.left > 0 && now.Before(v.until) {
			v.left--
			return true
		}
	}
	return false
}

// noteLocked lets an address begin again; the oldest gives way.
func (e *Endpoint) noteLocked(addr string, now time.Time) {
	e.welcome = slices.DeleteFunc(e.welcome, func(v visitor) bool { return v.addr == addr })
	if len(e.welcome) >= maxWelcome {
		e.welcome = slices.Delete(e.welcome, 0, 1)
	}
	e.welcome = append(e.welcome, visitor{addr, now.Add(welcomeFor), welcomes})
}

// helloLocked takes a hello: it begins a handshake, belongs to one, or gets an answer for which nothing is kept. to is nil
// where the datagram is for nobody.
func (e *Endpoint) helloLocked(b []byte, from net.Addr) (to *flow, answer []byte) {
	var pending *flow // of this address, with a cookie returned
	if p := e.byAddr[from.String()]; p != nil {
		pending = p.pending
	}
	h, readable := readHello(b)
	if !readable {
		return pending, nil // perhaps the rest of a hello in fragments
	}
	key := from.String() + " " + string(h.random)
	f := e.strangers[key]
	switch {
	case pending != nil && pending.key == key:
		return pending, nil
	case f == nil:
		return e.strangerLocked(h, from, key)
	case len(h.cookie) == 0:
		return f, nil
	case !hmac.Equal(h.cookie, f.asked()):
		return nil, nil // of somebody who does not read what is sent to this address
	}
	e.admitLocked(f)
	e.placeLocked(f)
	return f, nil
}

// strangerLocked begins a handshake or, without room for one, asks for a cookie.
func (e *Endpoint) strangerLocked(h hello, from net.Addr, key string) (to *flow, answer []byte) {
	now := time.Now()
	if len(e.strangers) < maxStrangers || len(e.strangers) < maxStrangers+maxGuests && e.welcomeLocked(from.String(), now) {
		return e.greetLocked(from, key), nil
	}
	answer, returned := e.question(from, h, now)
	if returned {
		e.noteLocked(from.String(), now)
	}
	return nil, answer
}

// greetLocked begins the handshake of a stranger.
func (e *Endpoint) greetLocked(from net.Addr, key string) *flow {
	f := newFlow(e, from)
	f.key = key
	f.cid = e.newCIDLocked(f)
	e.strangers[key] = f
	e.work.Go(func() { e.serve(f) })
	return f
}

// admitLocked gives a flow a place among the handshakes that strangers do not touch. The oldest gives way.
func (e *Endpoint) admitLocked(f *flow) {
	delete(e.strangers, f.key)
	if len(e.pending) >= maxHandshakes {
		oldest := e.pending[0]
		e.forgetLocked(oldest)
		go oldest.Close()
	}
	e.pending = append(e.pending, f)
}
