// Package eventauth applies the authorisation rules of room versions 10, 11 and 12 to events. It is pure:
// the caller brings the state, and whatever needs keys of other servers (rule "validly signed by") has been
// checked with event.VerifySignatures before.
//
// Rule numbers in errors are those of the page of the event's room version in the Matrix specification.
package eventauth
