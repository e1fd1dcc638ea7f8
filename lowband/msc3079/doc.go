// Package msc3079 speaks the low-bandwidth client-server API as MSC3079 proposes it, so that its clients and servers need
// not be ours: CoAP over DTLS, CBOR bodies with the integer keys of its appendix A, the one-character paths of its appendix
// B, the access token once a session (option 256), the version of the keys (option 257), and Observe on /sync.
//
// A [Server] puts an http.Handler behind it, and a [Client] is an http.RoundTripper in front of it. The session layers
// below are lowband/records (DTLS 1.2) and lowband/coap.
//
// Beyond the proposal there is one thing, which CoAP has a place for: whoever says Accept: 11060, which is CBOR in the
// deflate coding (CoAP Content-Formats registry), is answered so where that is shorter; Accept: 65001 is the same with a
// preset dictionary, by a number for experiments. Both are asked for with GETs alone, and never used unasked (MSC3079 on
// CRIME). A server that knows neither says so (4.06), and is asked without.
//
// A short path stands for the path below /_matrix/client/v3, of which r0 is the old name: every homeserver of today serves
// v3. A query argument of more than 255 bytes does not fit into CoAP's Uri-Query; such a request names its target in
// Proxy-Uri (RFC 7252, section 5.10.2). Media are not carried (MSC3079 leaves them out).
package msc3079
