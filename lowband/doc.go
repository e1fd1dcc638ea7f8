// Package lowband carries Matrix requests between servers over links of 100 bit/s and up.
//
// An [Endpoint] is one server's end: an http.RoundTripper for its own requests, and the server of an http.Handler for
// those of its peers, both over one net.PacketConn. Below it, from the top:
//
//   - lowband/shorthand writes a request or an answer as CBOR with tables, references and a dictionary;
//   - lowband/coap delivers it once, over loss, delay and little bandwidth, in blocks where it is large;
//   - lowband/channel encrypts the datagrams (Noise IK; XX where the peer's key is not known yet) and knows the
//     peer by its key, not by its address.
//
// Everything that a request is arrives: method, path and query in their spelling, the X-Matrix signature, the body with
// hashes and signatures, the exact status. Of the headers, those that matter to Matrix do (package shorthand).
//
// The first request to a peer travels with the handshake when it is a GET, and an attacker who has recorded it can make a
// restarted peer see it again. Between servers a PUT may do so, too: it carries signed events that have ids, or a
// transaction that has one.
package lowband
