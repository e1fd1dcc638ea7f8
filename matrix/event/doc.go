// Package event holds persistent data units (PDUs): their format and limits, hashes, signatures and
// redaction, for every room version that package matrix knows.
//
// A PDU is immutable and safe for concurrent use, so that all servers of one process can share it. What
// differs between servers, the "unsigned" object, is therefore no part of it.
// Source: Matrix server-server specification, "PDUs" and "Signing Events"; the pages of the room versions.
package event
