// Package channel is a secure channel for datagrams between peers that know each other's static keys.
//
// The handshake is Noise IK (revision 34, 25519, ChaChaPoly, BLAKE2s; flynn/noise): one datagram there, one back. The
// first one carries a datagram of the caller already, if Config.Early says that a repetition of it does no harm: an
// attacker can replay it to a peer that has restarted. (To one that has not, he cannot: it remembers the time in the
// last handshake of each peer.) The second carries the first datagram of the answering side.
//
//	hello       0x01  initiator's id (2)                       Noise IK 1: time in ms (6), hint (1), datagram
//	welcome     0x02  initiator's id (2)  responder's id (2)   Noise IK 2: hint (1), datagram
//	unknown     0x03  receiver's id (2), as it was in a datagram that belongs to no session
//	unreadable  0x04  initiator's id (2), as it was in a hello that is not for the key of this end
//	first       0x05  initiator's id (2)                       Noise XX 1: zeros (67)
//	second      0x06  initiator's id (2)  responder's id (2)   Noise XX 2: hint (1)
//	third       0x07  responder's id (2)                       Noise XX 3: hint (1), datagram
//	data        0x40  receiver's id (2)   counter (2)          ciphertext, tag (16)
//
// A peer whose key is not known is met with Noise XX (first.go): it shows its key and proves that it has it, then the
// caller is asked whether to trust it, and only the third datagram carries one of the caller's. That one cannot be
// replayed, the peer has given it a key of the moment. The first is as long as the second, so that strangers cannot have
// this end flood others. A peer that has been given another key cannot read a hello. It says so, which anybody can forge,
// and is asked for its present key with a first: only when it has proven that it has another is the session ended, with a
// KeyChangedError. Endpoints that do not want strangers answer none of this.
//
// A data datagram is 21 bytes longer than what it carries. Its counter is the low half of the nonce's last 32 bits; the
// receiver completes it from the highest one seen. Each direction changes its key every 65,536 datagrams (Noise, section
// 11.3), forgetting the old one. There are no timers: a session lasts as long as both ends keep it, through silence and
// changes of address, and what is lost is sent again by whoever stands above. When one end has lost the session, the
// other notices from "unknown", which only counts while datagrams are unanswered and once in a while, or from silence.
package channel
