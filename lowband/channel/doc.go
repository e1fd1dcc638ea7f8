// Package channel is a secure channel for datagrams between peers that know each other's static keys.
//
// The handshake is Noise IK (revision 34, 25519, ChaChaPoly, BLAKE2s; flynn/noise): one datagram there, one back. The
// first one carries a datagram of the caller already, if Config.Early says that a repetition of it does no harm: an
// attacker can replay it to a peer that has restarted. (To one that has not, he cannot: it remembers the time in the
// last handshake of each peer.) The second carries the first datagram of the answering side.
//
//	hello    0x01  initiator's id (2)                       Noise message 1: time in ms (6), hint (1), datagram
//	welcome  0x02  initiator's id (2)  responder's id (2)   Noise message 2: hint (1), datagram
//	unknown  0x03  receiver's id (2), as it was in a data datagram that belongs to no session
//	data     0x40  receiver's id (2)   counter (2)          ciphertext, tag (16)
//
// A data datagram is 21 bytes longer than what it carries. Its counter is the low half of the nonce's last 32 bits; the
// receiver completes it from the highest one seen. Each direction changes its key every 65,536 datagrams (Noise, section
// 11.3), forgetting the old one. There are no timers: a session lasts as long as both ends keep it, through silence and
// changes of address, and what is lost is sent again by whoever stands above. When one end has lost the session, the
// other notices from "unknown", which only counts while datagrams are unanswered and once in a while, or from silence.
package channel
