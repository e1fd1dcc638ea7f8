// Package matrix holds what every part of a Matrix homeserver agrees on: identifiers, the properties of
// room versions, canonical JSON, and the signing of JSON objects.
//
// It is pure: no network, no clock, no randomness. Room versions 10, 11 and 12 are known; older ones are
// refused, because their event formats (string power levels, lenient JSON) would need code of their own.
package matrix
