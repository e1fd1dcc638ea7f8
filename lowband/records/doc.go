// Package records carries datagrams over one UDP socket in the records of DTLS 1.2 (RFC 6347; pion/dtls), to and from any
// number of peers.
//
// Peers are known by pre-shared keys (RFC 4279, with AES-128-CCM-8, 8 bytes of tag) or by certificates. A server gives
// every client a connection id (RFC 9146) of two bytes, so that a session outlives changes of the client's address; clients
// that do not know connection ids are told apart by address. A client that has restarted begins again from the same
// address, and its old session lasts until the new handshake is complete (RFC 6347, section 4.2.8). What strangers can cause
// is bounded, and whoever has not shown that he is where he says takes nothing from others (stranger.go): 64 handshakes of
// such, 64 of others, 4,096 sessions, of which the one that was silent for the longest gives way.
//
// With Config.Insecure datagrams travel as they are. That is for experiments.
package records
