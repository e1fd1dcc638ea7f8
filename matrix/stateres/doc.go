// Package stateres merges diverging room states: state resolution v2 (room versions 2 to 11) and v2.1 (room
// version 12). It also holds State, the immutable room state that all servers of a process can share.
//
// Resolution is pure and deterministic: the result depends on the set of states and the events alone, not on
// their order. Source: Matrix specification, "State resolution" of the room versions.
package stateres
