// Package shorthand writes Matrix requests and answers in few bytes, and reads them back exactly.
//
// JSON becomes CBOR (RFC 8949) with integer keys. The keys 1 to 104 are those of MSC3079, so that a CBOR body of that
// proposal is read too; the server-server keys beyond them, the strings and the paths have tables of this package
// (tables.go). Four things go further than the proposal:
//
//   - what Matrix spells in Base64 (signatures, hashes, event ids, room ids of version 12) is sent as bytes;
//   - a content hash that the receiver computes to the same value is not sent (derive.go);
//   - an identifier that the peer has seen in this session is a reference of two or three bytes ([Table]);
//   - what is left is deflated with a preset dictionary where that makes it smaller (deflate.go).
//
// Nothing is lost: a canonical JSON value comes back byte for byte, any other JSON comes back literally, and a path or
// an Authorization header whose spelling the tables cannot reproduce is sent as it is. The receiver of a reference that
// it does not know says so ([ErrUnknownReference]); a wrong guess is not possible, because slots are numbered by the
// side that fills them and no number is used twice.
package shorthand
