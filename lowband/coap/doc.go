// Package coap is one end of an association that speaks CoAP (RFC 7252) on a bad link.
//
// An [Association] sends requests and answers those of its peer, over whatever carries datagrams. Messages are coded by
// plgd-dev/go-coap. The rest of that library was not taken: its UDP connection wants a socket, retransmits at fixed
// intervals and has no Request-Tag. What is here instead:
//
//   - every request and every late answer is confirmable. Retransmission timers come from measured round trips, strong
//     and weak as in CoCoA (RFC 9006, section 4.2), less the time that the bytes themselves take at the path's rate;
//     before the first measurement they are seeded from the path (rto.go);
//   - a window of outstanding exchanges begins at NSTART = 1, grows with success and is halved by a loss (window.go);
//   - an answer travels in the acknowledgement when it is ready in time, and separately when it is not;
//   - a repeated message is answered from memory and handled once (dedup.go);
//   - large bodies go in blocks (RFC 7959). Blocks of a request carry a Request-Tag (RFC 9175), so that transfers to
//     one path do not mix; blocks of an answer are asked for with the token of the request and in parallel.
//
// Between two ends of this package only the methods, Block1, Block2, Size1, Size2 and Request-Tag are used; the path of a
// request is in its payload (package shorthand). With Config.Options the peer may be any endpoint of CoAP (standard.go):
// options name the resource, it can be observed (RFC 7641, observe.go), and blocks of an answer are asked for one by one.
package coap
